"""Short-term features against values computed by pyAudioAnalysis (golden/make_short_term.py)."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from serhpo.features import ShortTerm

GOLDEN = Path(__file__).parent / "golden" / "short_term.npz"
RATE = 16_000


def tone(hertz: float, seconds: float = 0.5) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE).astype(np.float32)


@pytest.mark.parametrize(
    ("case", "win_length", "hop_length"), [("25_10", 400, 160), ("50_25", 800, 400), ("odd", 331, 130)]
)
def test_the_default_equals_pyaudioanalysis(case: str, win_length: int, hop_length: int) -> None:
    with np.load(GOLDEN) as golden:
        signal, expected = golden[f"{case}_signal"], golden[f"{case}_features"]
    extractor = ShortTerm(win_length=win_length, hop_length=hop_length)
    features = extractor.extract(signal / np.float32(2**15))
    assert features.shape == expected.shape == (len(expected), 68)
    np.testing.assert_allclose(features, expected, rtol=1e-5, atol=1e-5)
    alone = ShortTerm(win_length=win_length, hop_length=hop_length, deltas=False)
    np.testing.assert_array_equal(alone.extract(signal / np.float32(2**15)), features[:, :34])


def test_only_the_chroma_depends_on_its_rule(speech_like: Callable[[float], np.ndarray]) -> None:
    compatible = ShortTerm(deltas=False).extract(speech_like(0.5))
    correct = ShortTerm(deltas=False, chroma="correct").extract(speech_like(0.5))
    np.testing.assert_array_equal(compatible[:, :21], correct[:, :21])
    assert np.abs(compatible[:, 21:] - correct[:, 21:]).max(axis=0).min() > 0


@pytest.mark.parametrize(("hertz", "pitch_class"), [(440.0, 0), (523.25, 3), (1046.5, 3), (830.61, 11)])
def test_correct_chroma_is_the_share_of_each_pitch_class(hertz: float, pitch_class: int) -> None:
    chroma = ShortTerm(win_length=2048, chroma="correct", deltas=False).extract(tone(hertz))[:, 21:33]
    np.testing.assert_allclose(chroma.sum(axis=1), 1, atol=1e-6)
    assert (chroma.argmax(axis=1) == pitch_class).all()
    assert chroma[:, pitch_class].min() > 0.8


def test_deltas_are_differences_to_the_frame_before(speech_like: Callable[[float], np.ndarray]) -> None:
    features = ShortTerm().extract(speech_like(0.4))
    assert (features[0, 34:] == 0).all()
    np.testing.assert_allclose(features[1:, 34:], np.diff(features[:, :34], axis=0), atol=1e-5)


def test_loudness_and_offset_are_lost(speech_like: Callable[[float], np.ndarray]) -> None:
    audio = speech_like(0.5)
    features = ShortTerm().extract(audio)
    # One part in 10^10 of the peak is added to it, and a zero crossing may move by rounding.
    np.testing.assert_allclose(ShortTerm().extract(audio / 4), features, atol=1e-3)


def test_a_tones_place_in_the_spectrum() -> None:
    """2 kHz of 8 kHz, up to the bin by which the library shifts its frequencies."""
    features = ShortTerm(deltas=False).extract(tone(2000.0))
    np.testing.assert_allclose(features[:, 3], 2000 / 8000 + 1 / 200, atol=1e-3)
    np.testing.assert_allclose(features[:, 0], 2 * 2000 / RATE, atol=0.01)  # crossings a sample
    np.testing.assert_allclose(features[:, 1], 0.5, atol=1e-3)  # mean square of a sine
    np.testing.assert_allclose(features[:, 7], 2000 / 8000, atol=1e-3)


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (399, 1), (400, 1), (559, 1), (560, 2), (720, 3)])
def test_the_rest_of_the_audio_is_dropped(samples: int, frames: int) -> None:
    assert len(ShortTerm().extract(tone(300.0)[:samples])) == frames
