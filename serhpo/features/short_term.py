"""The 34 short-term features of pyAudioAnalysis and their deltas, vectorised.

Giannakopoulos, *pyAudioAnalysis: An Open-Source Python Library for Audio Signal Analysis*, PLoS ONE
10(12), 2015; values follow release 0.3.14. Per frame: 1 zero-crossing rate, 2 energy, 3 entropy of
energy, 4 spectral centroid, 5 spectral spread, 6 spectral entropy, 7 spectral flux, 8 roll-off,
9–21 MFCC 1–13, 22–33 chroma A … G#, 34 their standard deviation; then the difference of each to the
frame before. The utterance is centred and divided by its peak first, so how loud it was is lost.

The library's peculiarities are kept: a rectangular window, the energy entropies without a remainder of
less than a tenth, a roll-off in bins, and a mel filterbank (after scikits.talkbox) whose frequency axis
runs to twice the Nyquist frequency, so that its filters sit an octave lower than they are labelled.
"""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from pydantic import Field, model_validator

from serhpo.corpus.audio import SAMPLE_RATE
from serhpo.features.base import Extractor, one_thread

Array = NDArray[np.float64]

EPS = float(np.finfo(np.float64).eps)
BLOCKS = 10
"""Parts of a frame, or of a spectrum, over which an entropy is taken."""
COEFFICIENTS = 13
PITCH_CLASSES = 12
FEATURES = 8 + COEFFICIENTS + PITCH_CLASSES + 1


class ShortTerm(Extractor):
    """The 34 features and their deltas; lengths in samples at 16 kHz.

    pyAudioAnalysis has no default window. 25 ms every 10 ms is what emotion recognition uses it with
    (Atmaja's dimensional-ser, for one) and gives the frame rate of the MFCC and Mel streams; the library's
    own examples use 50 ms every 25 ms: ``{win_length: 800, hop_length: 400}``.

    The library's chroma *assigns* the power of each bin to its pitch, so of several bins the last one
    counts, and divides by the number of bins of another pitch. ``compatible``, the default, keeps that:
    published results rest on it, and the name of the stream promises these numbers. ``correct`` is what
    is meant: each pitch class' share of the power, at the bins' true frequencies.

    Attributes:
        win_length: Length of a frame; 400 is 25 ms.
        hop_length: Distance between frames; 160 is 10 ms. What is left at the end is dropped.
        chroma: The library's chroma, or the one that sums.
        deltas: Append the differences to the frame before; zero for the first frame.
    """

    name: ClassVar[str] = "short_term"
    version: ClassVar[int] = 1

    # From 256 on every pitch up to the Nyquist frequency has a place in the library's chroma table.
    win_length: int = Field(default=400, ge=256, le=4096)
    hop_length: int = Field(default=160, ge=32)
    chroma: Literal["compatible", "correct"] = "compatible"
    deltas: bool = True

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.hop_length > self.win_length:
            raise ValueError(
                f"hop_length {self.hop_length} skips samples beyond win_length {self.win_length}"
            )
        return self

    @property
    def channels(self) -> int:
        """Values per frame: 34, or 68 with deltas."""
        return 2 * FEATURES if self.deltas else FEATURES

    @property
    def frames_per_second(self) -> float:
        """Frames per second of audio: 100 with the default hop."""
        return SAMPLE_RATE / self.hop_length

    def extract(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """The features of one utterance, shape ``(frames, channels)``.

        Audio shorter than a frame, of which pyAudioAnalysis makes nothing, is padded with zeros to one.
        """
        with one_thread():
            return self._extract(_centred(audio))

    def _extract(self, signal: Array) -> NDArray[np.float32]:
        if len(signal) < self.win_length:
            signal = np.pad(signal, (0, self.win_length - len(signal)))
        frames = sliding_window_view(signal, self.win_length)[:: self.hop_length]
        spectra = np.abs(np.fft.rfft(frames)[:, : self.win_length // 2]) / (self.win_length // 2)
        result = np.empty((len(frames), self.channels), np.float32)
        single = np.concatenate(
            [self._time_features(signal, frames), self._spectral_features(spectra)], axis=1, dtype=np.float64
        )
        result[:, :FEATURES] = single
        if self.deltas:
            result[0, FEATURES:] = 0
            result[1:, FEATURES:] = np.diff(single, axis=0)
        return result

    def _time_features(self, signal: Array, frames: Array) -> Array:
        """Zero-crossing rate, energy and its entropy, ``(frames, 3)``."""
        crossed = np.abs(np.diff(np.sign(signal)))  # 2 for a crossing, 1 for a step to or from zero
        crossings = sliding_window_view(np.cumsum(np.append(0, crossed)), self.win_length)[:: self.hop_length]
        rate = (crossings[:, -1] - crossings[:, 0]) / 2 / (self.win_length - 1)
        squares = sliding_window_view(np.square(signal), self.win_length)[:: self.hop_length]
        energy = squares.sum(axis=1)
        return np.stack([rate, energy / frames.shape[1], _entropy(squares, energy)], axis=1)

    def _spectral_features(self, spectra: Array) -> Array:
        """Everything made from the magnitudes ``(frames, bins)``: ``(frames, 31)``."""
        bins = spectra.shape[1]
        power = np.square(spectra)
        total = power.sum(axis=1)
        mel = np.log10(_product(spectra, _filterbank(bins)) + EPS)
        chroma = _product(power, _pitch_weights(bins, self.chroma))
        heard = total if self.chroma == "compatible" else total - power[:, 0]
        chroma /= np.where(heard > 0, heard, EPS)[:, None]
        return np.column_stack(
            [
                *_centroid_and_spread(spectra),
                _entropy(power, total),
                _flux(spectra),
                np.argmax(np.cumsum(power, axis=1) + EPS > 0.9 * total[:, None], axis=1) / bins,
                _product(mel, _cosines()),
                chroma,
                chroma.std(axis=1),
            ]
        )


def _centred(audio: NDArray[np.float32]) -> Array:
    """The utterance without its mean, peak at one."""
    signal = audio.astype(np.float64)
    signal -= signal.mean()
    signal /= np.abs(signal).max() + 1e-10
    return signal


def _product(left: Array, right: Array) -> Array:
    """Matrix product by torch, since numpy's would take every core."""
    import torch

    product: Array = (torch.from_numpy(left) @ torch.from_numpy(right)).numpy()
    return product


def _entropy(energies: Array, total: Array) -> Array:
    """Entropy in bits, ``(frames,)``, of the energy ``(frames, values)`` over ten equal blocks."""
    length = energies.shape[1] // BLOCKS
    blocks = energies[:, : length * BLOCKS].reshape(len(energies), BLOCKS, length).sum(axis=2)
    share = blocks / (total[:, None] + EPS)
    entropy: Array = -(share * np.log2(share + EPS)).sum(axis=1)
    return entropy


def _centroid_and_spread(spectra: Array) -> tuple[Array, Array]:
    """First moment of the spectrum and the root of its second, each as a part of the Nyquist frequency."""
    frequency = np.arange(1, spectra.shape[1] + 1) / spectra.shape[1]
    peak = spectra.max(axis=1, keepdims=True)
    weights = spectra / np.where(peak > 0, peak, 1)
    mass = weights.sum(axis=1) + EPS
    centroid = (weights * frequency).sum(axis=1) / mass
    # Not by E[f²] − E[f]²: a tone's spread is the small difference of large numbers.
    spread = np.sqrt((weights * np.square(frequency - centroid[:, None])).sum(axis=1) / mass)
    return centroid, spread


def _flux(spectra: Array) -> Array:
    """Squared distance of each normalised spectrum to the one before; zero for the first."""
    normalised = spectra / (spectra + EPS).sum(axis=1, keepdims=True)
    return np.append(0, np.square(np.diff(normalised, axis=0)).sum(axis=1))


@lru_cache(maxsize=4)
def _filterbank(bins: int) -> Array:
    """40 triangles, 13 evenly and 27 logarithmically spaced, ``(bins, 40)``."""
    linear = 133.33 + np.arange(13) * 200 / 3
    edges = np.append(linear, linear[-1] * 1.0711703 ** np.arange(1, 30))
    frequency = np.arange(bins) / bins * SAMPLE_RATE
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    height = 2 / (high - low)
    index = np.arange(bins)[:, None]
    first, middle, last = (np.floor(edge * bins / SAMPLE_RATE) for edge in (low, centre, high))
    rising = np.where((index > first) & (index <= middle), height / (centre - low), 0)
    falling = np.where((index > middle) & (index <= last), height / (high - centre), 0)
    bank: Array = rising * (frequency[:, None] - low) + falling * (high - frequency[:, None])
    return bank


@lru_cache(maxsize=1)
def _cosines() -> Array:
    """The orthonormal DCT-II of 40 values, its first 13 coefficients, ``(40, 13)``."""
    angle = np.pi / 40 * np.outer(np.arange(40) + 0.5, np.arange(COEFFICIENTS))
    cosines: Array = np.cos(angle) * np.sqrt(np.where(np.arange(COEFFICIENTS) == 0, 1, 2) / 40)
    return cosines


@lru_cache(maxsize=8)
def _pitch_weights(bins: int, chroma: str) -> Array:
    """What each bin's power counts towards each pitch class, ``(bins, 12)``."""
    weights = np.zeros((bins, PITCH_CLASSES))
    if chroma == "correct":
        semitone = np.round(12 * np.log2(np.arange(1, bins) * SAMPLE_RATE / 2 / bins / 27.5)).astype(int)
        weights[np.arange(1, bins), semitone % 12] = 1
        return weights
    # The library takes bin 0, which is no frequency at all, for the first, and so on.
    semitone = np.round(12 * np.log2(np.arange(1, bins + 1) * SAMPLE_RATE / 2 / bins / 27.5)).astype(int)
    last = np.full(bins, -1)
    last[semitone] = np.arange(bins)  # of several bins the last; below 27.5 Hz the index counts from behind
    sharing = np.array([np.count_nonzero(semitone == other) for other in semitone])
    place = np.flatnonzero(last >= 0)
    weights[last[place], place % 12] = 1 / sharing[semitone[place]]
    return weights
