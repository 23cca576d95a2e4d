"""Makes short_term.npz, what pyAudioAnalysis itself says. Not run by the tests: it needs that package.

python -m venv oracle
oracle/bin/pip install pyAudioAnalysis==0.3.14 numpy scipy matplotlib tqdm eyed3 pydub
oracle/bin/python tests/features/golden/make_short_term.py
"""

from pathlib import Path

import numpy as np
from pyAudioAnalysis.ShortTermFeatures import feature_extraction

RATE = 16_000


def speech_like(seconds: float, seed: int) -> np.ndarray:
    """A gliding voice with noise in between and a stretch of digital silence, as 16-bit samples."""
    generator = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(150 + 60 * np.sin(9 * time)) / RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 25))
    noise = generator.standard_normal(len(time))
    signal = np.where(np.sin(25 * time) > 0, 0.2 * voice, 0.05 * noise) + 0.002 * noise + 0.01
    signal[int(0.4 * len(time)) : int(0.6 * len(time))] = 0
    return np.round(signal * 2**14).clip(-(2**15), 2**15 - 1).astype(np.int16)


def main() -> None:
    arrays = {}
    for name, window, hop in (("25_10", 400, 160), ("50_25", 800, 400), ("odd", 331, 130)):
        signal = speech_like(0.25, seed=window)
        features, _ = feature_extraction(signal, RATE, window, hop, deltas=True)
        arrays |= {f"{name}_signal": signal, f"{name}_features": np.float32(features.T)}
    np.savez_compressed(Path(__file__).with_name("short_term.npz"), **arrays)


main()
