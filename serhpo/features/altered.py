"""Features of recordings that were altered on purpose: more training material from the same speakers."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, SerializeAsAny

from serhpo.corpus.audio import SAMPLE_RATE
from serhpo.features.base import Extractor, Storage, key

SNR_RANGE = 10.0  # dB


class Altered(Extractor):
    """Another extractor, which hears every recording at another speed or through noise.

    The alteration follows from the settings and the samples alone, so it is cached like any feature.

    Attributes:
        of: The extractor.
        speed: Of playing, which moves the pitch too (Ko, Povey, Peddinti & Khudanpur, Interspeech 2015).
        noise_snr: White noise is added at a signal-to-noise ratio drawn evenly from this many to 10 more
            decibels; ``null`` adds none.
    """

    version: ClassVar[int] = 1

    of: SerializeAsAny[Extractor]
    speed: float = Field(1.0, gt=0.5, lt=2)
    noise_snr: float | None = Field(None, ge=-20, le=100)

    @property
    def name(self) -> str:  # type: ignore[override]
        """That of the extractor."""
        return self.of.name

    @property
    def cost(self) -> float:  # type: ignore[override]
        """That of the extractor."""
        return self.of.cost

    @property
    def on_gpu(self) -> bool:  # type: ignore[override]
        """That of the extractor."""
        return self.of.on_gpu

    @property
    def storage(self) -> Storage:  # type: ignore[override]
        """That of the extractor."""
        return self.of.storage

    @property
    def channels(self) -> int:
        """Values per frame."""
        return self.of.channels

    @property
    def frames_per_second(self) -> float:
        """Frames per second of altered audio."""
        return self.of.frames_per_second

    @property
    def layers(self) -> int:
        """Equal parts side by side in a frame."""
        return self.of.layers

    @property
    def identity(self) -> tuple[Any, ...]:
        """The extractor's own identity and the alteration."""
        return "altered", self.version, key(self.of), self.speed, self.noise_snr

    def ensure_available(self) -> None:
        """As the extractor."""
        self.of.ensure_available()

    def extract(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """The frames of one utterance, altered."""
        return self.of.extract(with_noise(at_speed(audio, self.speed), self.noise_snr))


def at_speed(audio: NDArray[np.float32], speed: float) -> NDArray[np.float32]:
    """Samples ``[n]`` played ``speed`` times as fast: ``[n / speed]``."""
    if speed == 1.0:
        return audio
    import soxr

    faster: NDArray[np.float32] = soxr.resample(audio, SAMPLE_RATE * speed, SAMPLE_RATE)
    return faster if len(faster) else audio[:1]


def with_noise(audio: NDArray[np.float32], lowest_snr: float | None) -> NDArray[np.float32]:
    """Samples with white noise at a ratio in dB drawn from ``[lowest_snr, lowest_snr + 10)``.

    The draw is seeded by the samples, so that an utterance always gets the same noise. Silence stays.
    """
    if lowest_snr is None:
        return audio
    seed = hashlib.blake2b(audio.tobytes(), digest_size=8).digest()
    generator = np.random.default_rng(int.from_bytes(seed))
    snr = lowest_snr + SNR_RANGE * generator.random()
    power = float(np.square(audio, dtype=np.float64).mean())
    noise = generator.standard_normal(len(audio), dtype=np.float32)
    return audio + np.float32(np.sqrt(power * 10 ** (-snr / 10))) * noise
