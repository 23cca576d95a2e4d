"""The waveform itself, for encoders that learn their own filters."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from serhpo.corpus.audio import SAMPLE_RATE
from serhpo.features.base import Extractor, Storage


class Waveform(Extractor):
    """Samples at 16 kHz, unchanged, one channel.

    The cache keeps 16 bits: exact for 16-bit recordings at 16 kHz. Others are rounded to 2^-15, and
    samples outside [-1, 1), which resampling can produce at a full-scale peak, are clipped.
    """

    name: ClassVar[str] = "waveform"
    version: ClassVar[int] = 1
    storage: ClassVar[Storage] = "int16"

    @property
    def channels(self) -> int:
        """One value per sample."""
        return 1

    @property
    def frames_per_second(self) -> float:
        """The sample rate."""
        return float(SAMPLE_RATE)

    def extract(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """The samples of one utterance, shape ``(samples, 1)``."""
        return audio[:, np.newaxis]
