"""Mel-frequency cepstral coefficients, equal to ``librosa.feature.mfcc(..., pad_mode="constant")``.

Davis and Mermelstein, *Comparison of parametric representations for monosyllabic word recognition*,
IEEE TASSP 28(4), 1980: the orthonormal DCT-II of the log-mel spectrogram.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from serhpo.features.base import one_thread
from serhpo.features.mel import MelSpectrogram

if TYPE_CHECKING:
    import torch


class Mfcc(MelSpectrogram):
    """MFCC: the first ``n_mfcc`` cosine coefficients of each frame of the log-mel spectrogram.

    Attributes:
        n_mfcc: Coefficients kept, the zeroth (loudness) among them; at most ``n_mels``.
    """

    name: ClassVar[str] = "mfcc"
    version: ClassVar[int] = 1

    n_mfcc: int = Field(default=40, ge=1)

    @property
    def channels(self) -> int:
        """Values per frame: one per coefficient."""
        return self.n_mfcc

    @model_validator(mode="after")
    def _check_coefficients(self) -> Self:
        if self.n_mfcc > self.n_mels:
            raise ValueError(f"n_mfcc {self.n_mfcc} is more than the n_mels {self.n_mels} it is made from")
        return self

    def extract(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """The coefficients of one utterance, shape ``(frames, n_mfcc)``."""
        with one_thread():
            return (self.decibels(audio).T @ _dct(self.n_mfcc, self.n_mels)).numpy()


@lru_cache(maxsize=16)
def _dct(n_mfcc: int, n_mels: int) -> torch.Tensor:
    from serhpo.audio_stack import torchaudio

    matrix: torch.Tensor = torchaudio.functional.create_dct(n_mfcc, n_mels, norm="ortho")
    return matrix
