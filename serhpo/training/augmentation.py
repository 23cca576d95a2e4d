"""Augmentation of a training batch: masks, and blends of two utterances. Draws torch's random numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from serhpo.audio_stack import torchaudio

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serhpo.training.config import Augmentation

BANDS = ("mel",)  # streams whose neighbouring channels belong together


def mask(
    features: Mapping[str, Tensor], means: Mapping[str, Tensor], config: Augmentation
) -> dict[str, Tensor]:
    """SpecAugment: stretches of frames, and bands of the Mel spectrogram, set to the channels' means.

    Every utterance and stream has masks of its own.

    Args:
        features: ``[B, T, C]`` of each stream.
        means: ``[C]`` of each stream over the training speakers.
        config: How many masks, and how long.

    Returns:
        New tensors where something is masked.
    """
    masked = {}
    for stream, values in features.items():
        counts = config.time_masks, config.channel_masks if stream in BANDS else 0
        masked[stream] = values
        if any(counts):
            centred = (values - means[stream]).transpose(1, 2).unsqueeze(1)  # [B, 1, C, T] for torchaudio
            for axis, count in zip((3, 2), counts, strict=True):
                longest = max(1, round(config.mask_share * centred.shape[axis]))
                for _ in range(count):
                    centred = torchaudio.functional.mask_along_axis_iid(centred, longest, 0.0, axis)
            masked[stream] = centred.squeeze(1).transpose(1, 2) + means[stream]
    return masked


class Blend:
    """Mixup: every utterance of a batch becomes ``share`` itself and the rest another one.

    One share for the batch, at least a half, so that an utterance keeps its own length: where the other
    has ended, its own frames stay as they are.

    Args:
        size: Utterances in the batch.
        alpha: Of the Beta(α, α) distribution that the share is drawn from.
    """

    def __init__(self, size: int, alpha: float) -> None:
        drawn = float(torch.distributions.Beta(alpha, alpha).sample())
        self.share = max(drawn, 1 - drawn)
        self.other = torch.randperm(size)

    def frames(self, values: Tensor, lengths: Tensor) -> Tensor:
        """``[B, T, C]`` frames, of which the first ``lengths`` ``[B]`` are each utterance's own."""
        other = self.other.to(values.device)
        both = torch.minimum(lengths, lengths[other])
        inside = torch.arange(values.shape[1], device=values.device) < both[:, None]
        return torch.where(inside[..., None], self.targets(values), values)

    def targets(self, values: Tensor) -> Tensor:
        """``[B, …]`` class distributions or ratings; what one of the two lacks, the blend lacks."""
        return self.share * values + (1 - self.share) * values[self.other.to(values.device)]
