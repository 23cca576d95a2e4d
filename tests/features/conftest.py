"""Sounds to extract features from."""

from collections.abc import Callable

import numpy as np
import pytest


def _speech_like(seconds: float) -> np.ndarray:
    time = np.arange(max(1, int(seconds * 16_000))) / 16_000
    phase = 2 * np.pi * np.cumsum(140 + 40 * np.sin(3 * time)) / 16_000
    voice = sum(np.sin(k * phase) / k for k in range(1, 20))
    voice = 0.2 * voice + 0.003 * np.random.default_rng(0).standard_normal(len(time))
    return np.where(np.sin(7 * time + 0.1) > -0.3, voice, 0.0).astype(np.float32)


@pytest.fixture
def speech_like() -> Callable[[float], np.ndarray]:
    """Seconds to a gliding harmonic tone with pauses of digital silence, over a little noise."""
    return _speech_like
