"""Loading a pretrained encoder and running it; the only module that imports transformers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

import serhpo.audio_stack  # noqa: F401 - before transformers, whose audio models need a torchaudio that works
from serhpo.corpus.audio import SAMPLE_RATE
from serhpo.errors import ConfigError

if TYPE_CHECKING:
    from serhpo.features.pretrained import EncoderShape


@dataclass(frozen=True)
class LoadedModel:
    """An encoder ready to run.

    Attributes:
        module: The encoder, in evaluation mode.
        prepare: The checkpoint's own preprocessing: normalisation of samples, or Whisper's log-Mel.
    """

    module: Any
    prepare: Any

    @torch.inference_mode()
    def hidden_states(
        self, audio: NDArray[np.float32], shape: EncoderShape, index: int | None
    ) -> NDArray[np.float32]:
        """Hidden states of one utterance.

        Args:
            audio: ``(samples,)``, at least the encoder's receptive field.
            shape: Of this encoder.
            index: The hidden state to keep; None = all, side by side, the first in front.

        Returns:
            ``(frames, width)``, or ``(frames, layers · width)``.
        """
        # Whisper knows pieces of 30 s only, and is trained to find silence behind a shorter one.
        piece = self.prepare.n_samples if shape.whisper else len(audio)
        results = []
        for start in range(0, len(audio), piece):
            samples = audio[start : start + piece]
            kept = -(-len(samples) // shape.stride) if shape.whisper else None
            states = self._run(samples)
            chosen = states if index is None else states[index : index + 1]
            results.append(torch.cat([state[0, :kept] for state in chosen], dim=-1).float().cpu().numpy())
        return np.concatenate(results)

    def _run(self, samples: NDArray[np.float32]) -> tuple[torch.Tensor, ...]:
        name = self.prepare.model_input_names[0]
        inputs = self.prepare(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt")[name]
        output = self.module(inputs.to(self.module.device, self.module.dtype), output_hidden_states=True)
        states: tuple[torch.Tensor, ...] = output.hidden_states
        return states


@lru_cache(maxsize=2)
def load(folder: Path, content: str, bf16: bool, where: str) -> LoadedModel:
    """Load an encoder once a process, onto the GPU where there is one.

    Args:
        folder: The checkpoint.
        content: Its digest, so that one which was changed is loaded again.
        bf16: Compute in bfloat16.
        where: The setting that named it, for errors.

    Raises:
        ConfigError: transformers cannot load it, weights are missing, or it is not made for 16 kHz.
    """
    from safetensors import SafetensorError
    from transformers import AutoFeatureExtractor, AutoModel

    options = {"local_files_only": True, "trust_remote_code": False}
    try:
        prepare = AutoFeatureExtractor.from_pretrained(folder, **options)
        with _no_progress_bars():
            module, loading = AutoModel.from_pretrained(
                folder,
                **options,
                use_safetensors=True,
                output_loading_info=True,
                dtype=torch.bfloat16 if bf16 else torch.float32,
            )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise _error(str(error).strip().splitlines()[0], folder, where) from error
    if prepare.sampling_rate != SAMPLE_RATE:
        raise _error(f"it hears {prepare.sampling_rate} Hz, not {SAMPLE_RATE}", folder, where)
    whole = module.config.is_encoder_decoder
    lost = {*loading["missing_keys"], *(key for key, *_ in loading["mismatched_keys"])}
    # transformers would start these at random; the vector that hides frames is used in training only.
    lost = {key for key in lost if "masked_spec_embed" not in key}
    if needed := sorted(key for key in lost if not whole or key.startswith("encoder.")):
        raise _error(f"{len(needed)} weights are missing, {needed[0]} the first", folder, where)
    encoder = module.get_encoder() if whole else module
    return LoadedModel(encoder.eval().to("cuda" if torch.cuda.is_available() else "cpu"), prepare)


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Keep transformers from drawing a bar for every load, in the middle of ours."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _error(reason: str, folder: Path, where: str) -> ConfigError:
    return ConfigError(f"The pretrained model cannot be loaded: {reason}", where=where, got=folder)
