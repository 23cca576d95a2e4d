"""Log-Mel against librosa, an independent implementation of the same definitions."""

import warnings
from collections.abc import Callable
from typing import Any

import librosa
import numpy as np
import pytest

from serhpo.features import LogMel
from serhpo.features.mel import MelSpectrogram, empty_filters

# dB. Both sum in float32, in another order; the worst difference seen was 8e-4, values range over 80.
TOLERANCE = 3e-3

Speech = Callable[[float], np.ndarray]

SETTINGS: list[dict[str, Any]] = [
    {},
    {"n_fft": 1024, "win_length": 640, "hop_length": 320, "n_mels": 80},
    {"n_mels": 40, "fmin": 60.0, "fmax": 7600.0, "top_db": None},
    {"win_length": 512, "hop_length": 128, "top_db": 60.0},
]


def librosa_mel(settings: MelSpectrogram, audio: np.ndarray) -> np.ndarray:
    """In dB, shape (n_mels, frames)."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="n_fft=.* is too large")
        power = librosa.feature.melspectrogram(
            y=audio,
            sr=16_000,
            n_fft=settings.n_fft,
            win_length=settings.win_length,
            hop_length=settings.hop_length,
            n_mels=settings.n_mels,
            fmin=settings.fmin,
            fmax=settings.fmax,
            pad_mode="constant",
        )
    return librosa.power_to_db(power, top_db=settings.top_db)


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("seconds", [0.0, 0.05, 3.0])
def test_log_mel_equals_librosa(settings: dict[str, Any], seconds: float, speech_like: Speech) -> None:
    extractor, audio = LogMel(**settings), speech_like(seconds)
    expected = librosa_mel(extractor, audio).T
    np.testing.assert_allclose(extractor.extract(audio), expected, rtol=0, atol=TOLERANCE)


def test_a_tone_lands_in_the_filter_around_it() -> None:
    audio = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    loudest = LogMel().extract(audio).mean(axis=0).argmax()
    centres = librosa.mel_frequencies(n_mels=66, fmin=0, fmax=8000)[1:-1]
    assert loudest == np.abs(centres - 1000).argmin()


def test_top_db_is_the_range_below_the_utterances_own_maximum(speech_like: Speech) -> None:
    frames = LogMel(top_db=30.0).extract(speech_like(2.0))
    assert frames.max() - frames.min() == pytest.approx(30.0, abs=1e-4)


@pytest.mark.parametrize("n_fft", [256, 400, 512, 1024])
@pytest.mark.parametrize(("fmin", "fmax"), [(0.0, 8000.0), (50.0, 7600.0), (300.0, 3400.0)])
def test_empty_filters_are_librosas_zero_rows(n_fft: int, fmin: float, fmax: float) -> None:
    for n_mels in range(20, 140, 7):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Empty filters")
            bank = librosa.filters.mel(sr=16_000, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax)
        assert empty_filters(n_fft, n_mels, fmin, fmax) == np.count_nonzero(bank.max(axis=1) == 0)
