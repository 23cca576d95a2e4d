"""One synthetic turn from cues to samples: markup for eSpeak, then loudness, tilt, breath and room."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import soxr

from serhpo.corpus.audio import SAMPLE_RATE
from serhpo.corpus.espeak import ESPEAK_RATE, speak
from serhpo.corpus.prosody import Speaker

FloatArray = npt.NDArray[np.float32]

# One unit of each cue; sizes are ours.
WORDS_PER_MINUTE = 165
_TEMPO = 1.13  # factor
_PITCH = 1.6  # semitones
_RANGE = 11  # steps of eSpeak's range
_LOUDNESS = 1.8  # dB
_BRILLIANCE = 1.2  # dB per octave
_BREATHINESS = 5.0  # dB
_ACCENTS = 5.0  # per cent of pitch
_SLOPE = 5.0  # per cent of pitch from the middle to either end

_LEVEL = -27.0  # dB relative to full scale, root mean square
_BREATH_LEVEL = -30.0  # dB relative to the voice


def perform(
    rng: np.random.Generator, speaker: Speaker, cues: Mapping[str, float], text: str
) -> npt.NDArray[np.int16]:
    """Speak a text in a given manner.

    Args:
        rng: Of this turn: pauses, breath and room noise.
        speaker: Whose voice.
        cues: Units as :func:`serhpo.corpus.prosody.express` gives them.
        text: English, ASCII.

    Returns:
        int16 of shape (samples,), 16 kHz.
    """
    semitones = _PITCH * cues["pitch"] - 12 * np.log2(speaker.tract)  # the tract moves the pitch too
    spoken = speak(
        _markup(rng, cues, text),
        speaker.voice,
        rate=_within(WORDS_PER_MINUTE * _TEMPO ** cues["tempo"] / speaker.tract, 80, 450),
        pitch=_within(50 + 50 * semitones / 8.5, 0, 99),  # eSpeak: 50 steps are about 8.5 semitones
        pitch_range=_within(50 + _RANGE * cues["range"], 0, 99),
    )
    voiced = np.flatnonzero(spoken)
    trimmed = spoken[: voiced[-1] + 1] if len(voiced) else spoken
    voice = soxr.resample(trimmed.astype(np.float32) / 32768, ESPEAK_RATE * speaker.tract, SAMPLE_RATE)
    voice = _tilt(voice, _BRILLIANCE * cues["brilliance"])
    voice = _roughen(voice, cues["roughness"])
    voice = _breathe(rng, voice, _BREATH_LEVEL + _BREATHINESS * cues["breathiness"])
    voice *= _decibels(_LEVEL + _LOUDNESS * cues["loudness"]) / _loudness(voice)
    before, after = (int(SAMPLE_RATE * rng.uniform(0.05, 0.3)) for _ in range(2))
    samples = np.pad(voice, (before, after))
    samples += _decibels(speaker.noise_floor) * rng.standard_normal(len(samples), dtype=np.float32)
    return np.round(np.clip(samples, -1, 1) * 32767).astype(np.int16)


def _markup(rng: np.random.Generator, cues: Mapping[str, float], text: str) -> str:
    """SSML: a rising or falling line, every second long word lifted, pauses between words."""
    words = text.split()
    line = np.linspace(-1, 1, len(words)) if len(words) > 1 else np.zeros(1)
    long = np.cumsum([len(word) > 4 for word in words])
    lifted = [len(word) > 4 and number % 2 == 1 for word, number in zip(words, long, strict=True)]
    pitch = _SLOPE * cues["slope"] * line + _ACCENTS * cues["accents"] * np.where(lifted, 2.0, -0.5)
    pauses = rng.random(len(words)) < 0.04 * np.exp(0.6 * cues["pauses"])
    seconds = 0.25 * np.exp(0.35 * cues["pauses"]) * rng.uniform(0.6, 1.4, len(words))
    return "".join(_word(*parts) for parts in zip(words, pitch, pauses, seconds, strict=True))


def _word(word: str, pitch: float, pause: bool, seconds: float) -> str:
    silence = f'<break time="{round(1000 * seconds)}ms"/>' if pause else ""
    return f'<prosody pitch="{round(pitch):+d}%">{word}</prosody> {silence}'


def _tilt(voice: FloatArray, decibels_per_octave: float) -> FloatArray:
    """Turn the spectrum about 1 kHz."""
    size = 1 << (len(voice) - 1).bit_length()  # a power of two keeps the transform fast
    octaves = np.log2(np.maximum(np.fft.rfftfreq(size, 1 / SAMPLE_RATE), 100) / 1000)
    gain = _decibels(decibels_per_octave * octaves).astype(np.float32)
    return np.fft.irfft(np.fft.rfft(voice, size) * gain, size)[: len(voice)].astype(np.float32)


def _roughen(voice: FloatArray, units: float) -> FloatArray:
    """Modulate the amplitude at 70 Hz, as a harsh or creaky voice does."""
    depth = 0.25 / (1 + np.exp(-1.5 * (units - 1)))
    swing = np.sin(2 * np.pi * 70 / SAMPLE_RATE * np.arange(len(voice)))
    return np.asarray(voice * (1 - depth * (1 + swing)), dtype=np.float32)


def _breathe(rng: np.random.Generator, voice: FloatArray, decibels: float) -> FloatArray:
    """Add aspiration: bright noise that follows the voice's envelope."""
    window = SAMPLE_RATE // 50
    total = np.cumsum(np.abs(np.pad(voice, (window, 0))), dtype=np.float64)
    envelope = (total[window:] - total[:-window]).astype(np.float32) / window
    hiss = np.asarray(np.diff(rng.standard_normal(len(voice) + 1, dtype=np.float32)) * envelope, np.float32)
    level = _decibels(decibels) * _loudness(voice) / _loudness(hiss)
    return np.asarray(voice + hiss * level, dtype=np.float32)


def _loudness(samples: FloatArray) -> float:
    return float(np.sqrt(np.mean(np.square(samples)))) + 1e-9


def _decibels(value: float | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(10.0 ** (np.asarray(value) / 20))


def _within(value: float, low: int, high: int) -> int:
    return int(np.clip(round(float(value)), low, high))
