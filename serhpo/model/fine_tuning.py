"""A pretrained encoder inside the joint model, its last blocks trained with it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from serhpo.features.pretrained import Pretrained
from serhpo.model.frames import Frames


class FineTunedEncoder(nn.Module):
    """Hidden states of a pretrained encoder, straight from samples.

    The convolutions and the lower blocks stay as they are, and compute as in evaluation; what the last
    blocks compute is computed again on the way back instead of being kept (gradient checkpointing: Chen
    et al., Training Deep Nets with Sublinear Memory Cost, 2016). Utterances run one at a time, or
    together where they are equally long: the base models take statistics over the padding too.

    Only the trained blocks are in the state: the rest is the checkpoint's.

    Args:
        extractor: Names the checkpoint, the layer taken and how many blocks below it are trained.

    Raises:
        ConfigError: The checkpoint cannot be loaded, or has fewer blocks.
    """

    def __init__(self, extractor: Pretrained) -> None:
        super().__init__()
        loaded, self.shape, self.index = extractor.open()
        self.normalises = bool(loaded.prepare.do_normalize)
        self.encoder = copy.deepcopy(loaded.module).cpu().requires_grad_(False)
        self.encoder.config.apply_spec_augment = False  # augmentation is the training's affair
        newer = getattr(self.encoder, "activation_checkpointing_enable", None)  # transformers' later name
        (newer or self.encoder.gradient_checkpointing_enable)({"use_reentrant": False})
        last = self.shape.layers - 1 if self.index is None else self.index
        # One block more than needed: behind the very last stands a norm that the layer taken has not.
        blocks = self.encoder.encoder.layers[: last + 1]
        self.encoder.encoder.layers = blocks
        self._tuned = list(blocks[last - extractor.fine_tune : last])
        for block in self._tuned:
            block.requires_grad_(True)
        self.train(False)
        self.register_state_dict_post_hook(_without_frozen)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_with_frozen)  # type: ignore[no-untyped-call]

    @property
    def channels(self) -> int:
        """Channels of the result: of one hidden state, times :attr:`layers`."""
        return self.shape.width * self.layers

    @property
    def layers(self) -> int:
        """Hidden states side by side in a frame."""
        return self.shape.layers if self.index is None else 1

    def train(self, mode: bool = True) -> FineTunedEncoder:
        """Training mode for the trained blocks only: no dropout in front of them."""
        super().train(False)
        self.training = mode
        for block in self._tuned:
            block.train(mode)
        return self

    def forward(self, frames: Frames) -> Frames:
        """Samples ``[B, T, 1]`` to ``[B, T', channels]``."""
        rows: list[Tensor] = [torch.empty(0)] * len(frames.lengths)
        groups: dict[int, list[int]] = {}
        for row, length in enumerate(frames.lengths.tolist()):
            groups.setdefault(length, []).append(row)
        for length, members in groups.items():
            for row, states in zip(members, self._states(frames.values[members, :length, 0]), strict=True):
                rows[row] = states
        lengths = torch.tensor([len(row) for row in rows], device=frames.lengths.device)
        return Frames(nn.utils.rnn.pad_sequence(rows, batch_first=True), lengths)

    def _states(self, samples: Tensor) -> Tensor:
        """``[B, T]`` samples of equally long utterances to ``[B, T', channels]``."""
        missing = max(0, self.shape.receptive_field - samples.shape[1])
        samples = nn.functional.pad(samples, (0, missing))
        if self.normalises:  # as Wav2Vec2FeatureExtractor does
            variance, mean = torch.var_mean(samples, dim=1, keepdim=True, correction=0)
            samples = (samples - mean) / (variance + 1e-7).sqrt()
        states = self.encoder(samples, output_hidden_states=True).hidden_states
        return torch.cat(states, dim=-1) if self.index is None else states[self.index]


def _frozen(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    trained = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    tensors = [*module.named_parameters(), *module.named_buffers()]
    return ((name, tensor.detach()) for name, tensor in tensors if name not in trained)


def _without_frozen(module: nn.Module, state: dict[str, Any], prefix: str, _: object) -> None:
    for name, _tensor in _frozen(module):
        state.pop(f"{prefix}{name}", None)


def _with_frozen(module: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    state |= {f"{prefix}{name}": tensor for name, tensor in _frozen(module)}
