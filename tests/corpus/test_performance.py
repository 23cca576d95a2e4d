"""Every cue moves what it names, measured on the samples."""

from __future__ import annotations

import dataclasses

import librosa
import numpy as np
import pytest

from serhpo.corpus.performance import perform
from serhpo.corpus.prosody import CUES, cast

TEXT = "She has been talking about it for the whole week. We should go."
QUIET = dataclasses.replace(cast(np.random.default_rng(0), 2, "F"), tract=1.0, noise_floor=-90.0)


def spoken(**cues: float) -> np.ndarray:
    samples = perform(np.random.default_rng(1), QUIET, {**dict.fromkeys(CUES, 0.0), **cues}, TEXT)
    return samples.astype(np.float32) / 32768


def level(audio: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(audio**2)))


def semitones(audio: np.ndarray) -> np.ndarray:
    """Pitch of the loud frames."""
    pitch = librosa.yin(audio, fmin=80, fmax=500, sr=16_000)
    loudness = librosa.feature.rms(y=audio)[0]
    return 12 * np.log2(pitch[loudness > np.median(loudness)] / 100)


def balance(audio: np.ndarray) -> float:
    """Energy above 2 kHz against that below, dB."""
    power = np.abs(np.fft.rfft(audio)) ** 2
    edge = round(2000 * len(audio) / 16_000)
    return float(10 * np.log10(power[edge:].sum() / power[:edge].sum()))


def test_loudness_in_decibels() -> None:
    assert level(spoken(loudness=1)) - level(spoken()) == pytest.approx(1.8, abs=0.01)


def test_brilliance_tilts_without_changing_the_level() -> None:
    dull, plain, bright = spoken(brilliance=-1), spoken(), spoken(brilliance=1)
    assert balance(dull) + 1 < balance(plain) < balance(bright) - 1
    assert level(dull) == pytest.approx(level(bright), abs=0.01)


def test_breathiness_adds_bright_noise() -> None:
    assert balance(spoken(breathiness=3)) > balance(spoken()) + 1


def test_pitch_and_range() -> None:
    plain = semitones(spoken())
    assert np.median(semitones(spoken(pitch=2))) - np.median(plain) == pytest.approx(3.2, abs=0.8)
    assert np.std(semitones(spoken(range=-3))) < 0.8 * np.std(plain)


def test_tempo_and_pauses_change_the_length() -> None:
    assert len(spoken(tempo=2)) < 0.9 * len(spoken()) < 0.9 * len(spoken(tempo=-2))
    assert len(spoken(pauses=3)) > len(spoken()) + 1600


def test_roughness_is_a_modulation_at_70_hertz() -> None:
    def at_70_hertz(audio: np.ndarray) -> float:
        """Share of 70 Hz in the squared signal, whose spectrum holds the envelope's."""
        envelope = np.abs(np.fft.rfft(audio**2, 1 << 17))
        return float(envelope[round(70 * (1 << 17) / 16_000)] / envelope[0])

    assert at_70_hertz(spoken(roughness=3)) > 3 * at_70_hertz(spoken(roughness=-3))


def test_accents_and_slope_change_the_contour() -> None:
    rising, falling = semitones(spoken(slope=3)), semitones(spoken(slope=-3))
    third = len(rising) // 3
    assert np.median(rising[-third:]) - np.median(rising[:third]) > np.median(falling[-third:]) - np.median(
        falling[:third]
    )
    assert not np.array_equal(spoken(accents=2), spoken())


def test_never_clips_hard() -> None:
    assert np.mean(np.abs(spoken(loudness=3)) > 0.999) < 1e-3
