"""Log-Mel spectrogram, equal to librosa's ``power_to_db(melspectrogram(..., pad_mode="constant"))``.

Computed by torchaudio with Slaney's mel scale and area norm (*Auditory Toolbox*, technical report
1998-010), a periodic Hann window and frames centred on multiples of the hop with zeros outside the
utterance. torchaudio's own defaults (HTK scale, no norm, reflection) give quite other numbers.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from serhpo.corpus.audio import SAMPLE_RATE
from serhpo.features.base import Extractor, one_thread

if TYPE_CHECKING:
    import torch


class MelSpectrogram(Extractor):
    """Settings of a mel spectrogram in decibels; lengths in samples at 16 kHz, frequencies in Hz.

    Attributes:
        n_fft: Length of the Fourier transform.
        win_length: Length of the Hann window, padded with zeros to ``n_fft``; 400 is 25 ms.
        hop_length: Distance between frames; 160 is 10 ms.
        n_mels: Number of mel filters, none of which may be empty.
        fmin: Lowest frequency.
        fmax: Highest frequency.
        top_db: Range below the loudest value *of the utterance*; ``None`` leaves only the floor of -100 dB.
    """

    n_fft: int = Field(default=512, ge=64, le=4096)
    win_length: int = Field(default=400, ge=32)
    hop_length: int = Field(default=160, ge=32)
    n_mels: int = Field(default=64, ge=4)
    fmin: float = Field(default=0.0, ge=0.0)
    fmax: float = Field(default=SAMPLE_RATE / 2, le=SAMPLE_RATE / 2)
    top_db: float | None = Field(default=80.0, gt=0.0)

    @property
    def frames_per_second(self) -> float:
        """Frames per second of audio: 100 with the default hop."""
        return SAMPLE_RATE / self.hop_length

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.win_length > self.n_fft:
            raise ValueError(f"win_length {self.win_length} is longer than n_fft {self.n_fft}")
        if self.hop_length > self.win_length:
            raise ValueError(
                f"hop_length {self.hop_length} skips samples beyond win_length {self.win_length}"
            )
        if self.fmin >= self.fmax:
            raise ValueError(f"fmin {self.fmin} must be below fmax {self.fmax}")
        if empty := empty_filters(self.n_fft, self.n_mels, self.fmin, self.fmax):
            raise ValueError(
                f"{empty} of the n_mels={self.n_mels} filters hold no bin of n_fft={self.n_fft}; "
                "take fewer mels or a longer n_fft"
            )
        return self

    def decibels(self, audio: NDArray[np.float32]) -> torch.Tensor:
        """The spectrogram of one utterance in dB, shape ``(n_mels, frames)``."""
        from serhpo.audio_stack import torchaudio

        power = _transform(self.n_fft, self.win_length, self.hop_length, self.n_mels, self.fmin, self.fmax)
        decibels: torch.Tensor = torchaudio.functional.amplitude_to_DB(
            power(_tensor(audio)), multiplier=10.0, amin=1e-10, db_multiplier=0.0, top_db=self.top_db
        )
        return decibels


class LogMel(MelSpectrogram):
    """Log-Mel spectrogram in dB, frames of ``n_mels`` values."""

    name: ClassVar[str] = "mel"
    version: ClassVar[int] = 1

    @property
    def channels(self) -> int:
        """Values per frame: one per mel filter."""
        return self.n_mels

    def extract(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """The log-mel frames of one utterance, shape ``(frames, n_mels)``."""
        with one_thread():
            return np.ascontiguousarray(self.decibels(audio).numpy().T)


def _tensor(audio: NDArray[np.float32]) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.require(audio, np.float32, ["C", "W"]))


@lru_cache(maxsize=16)
def _transform(n_fft: int, win_length: int, hop_length: int, n_mels: int, fmin: float, fmax: float) -> Any:
    from serhpo.audio_stack import torchaudio

    return torchaudio.transforms.MelSpectrogram(
        sample_rate=SAMPLE_RATE,
        n_fft=n_fft,
        win_length=win_length,
        hop_length=hop_length,
        n_mels=n_mels,
        f_min=fmin,
        f_max=fmax,
        pad_mode="constant",
        norm="slaney",
        mel_scale="slaney",
    )


# Slaney's scale: linear (200/3 Hz per mel) to 1 kHz, above it 27 mels for each factor of 6.4.
_LINEAR_HZ, _BREAK_HZ, _LOG_STEP = 200 / 3, 1000.0, np.log(6.4) / 27
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ


def empty_filters(n_fft: int, n_mels: int, fmin: float, fmax: float) -> int:
    """How many of the triangular filters have no Fourier bin inside, so would be zero for any audio."""
    edges = _mel_to_hz(np.linspace(_hz_to_mel(fmin), _hz_to_mel(fmax), n_mels + 2))
    bins = np.arange(n_fft // 2 + 1) * (SAMPLE_RATE / n_fft)
    inside = np.searchsorted(bins, edges[2:], "left") - np.searchsorted(bins, edges[:-2], "right")
    return int(np.count_nonzero(inside <= 0))


def _hz_to_mel(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz / _LINEAR_HZ
    return float(_BREAK_MEL + np.log(hz / _BREAK_HZ) / _LOG_STEP)


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _LINEAR_HZ, above)
