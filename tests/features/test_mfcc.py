"""MFCC against librosa, an independent implementation of the same definitions."""

import warnings
from collections.abc import Callable
from typing import Any

import librosa
import numpy as np
import pytest

from serhpo.features import Mfcc

# Both sum in float32, in another order; the worst difference seen was 4e-4, values range over 700.
TOLERANCE = 3e-3


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"n_mfcc": 13},
        {"n_fft": 1024, "win_length": 640, "hop_length": 320, "n_mels": 80},
        {"n_mels": 40, "fmin": 60.0, "fmax": 7600.0},
    ],
)
@pytest.mark.parametrize("seconds", [0.0, 0.05, 3.0])
def test_mfcc_equals_librosa(
    settings: dict[str, Any], seconds: float, speech_like: Callable[[float], np.ndarray]
) -> None:
    extractor, audio = Mfcc(**settings), speech_like(seconds)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="n_fft=.* is too large")
        expected = librosa.feature.mfcc(
            y=audio,
            sr=16_000,
            n_mfcc=extractor.n_mfcc,
            n_fft=extractor.n_fft,
            win_length=extractor.win_length,
            hop_length=extractor.hop_length,
            n_mels=extractor.n_mels,
            fmin=extractor.fmin,
            fmax=extractor.fmax,
            pad_mode="constant",
        )
    np.testing.assert_allclose(extractor.extract(audio), expected.T, rtol=0, atol=TOLERANCE)
