"""Mean and variance of every channel over the training speakers of a fold, and over nobody else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from serhpo.training.data import Store, TrainingData


@dataclass(frozen=True)
class ChannelMoments:
    """Count, mean and centred sum of squares per channel; two of them add up exactly (Chan et al. 1979).

    Attributes:
        count: Frames.
        mean: ``[C]``.
        spread: ``[C]`` Σ (x − mean)².
    """

    count: int
    mean: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]

    @classmethod
    def of(cls, store: Store, rows: npt.NDArray[np.int64]) -> ChannelMoments:
        """The moments over all frames of some utterances."""
        longest = int(store.lengths[rows].max(initial=0))
        buffer = np.empty((longest, store.channels), dtype=np.float32)
        total = cls(0, np.zeros(store.channels), np.zeros(store.channels))
        for row in rows.tolist():
            x = buffer[: store.copy(row, buffer)]
            # One utterance is short enough for fp32 differences; the sums over utterances are fp64.
            mean = x.mean(axis=0, dtype=np.float64)
            spread = np.square(x - mean.astype(np.float32)).sum(axis=0, dtype=np.float64)
            total = total + cls(len(x), mean, spread)
        return total

    def __add__(self, other: ChannelMoments) -> ChannelMoments:
        count = self.count + other.count
        if not self.count or not other.count:
            return self if self.count else other
        shift = other.mean - self.mean
        return ChannelMoments(
            count,
            self.mean + shift * (other.count / count),
            self.spread + other.spread + shift**2 * (self.count * other.count / count),
        )

    def mean_and_std(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """``[C]`` mean and population standard deviation; 1 for a channel that never changes."""
        std = np.sqrt(self.spread / max(self.count, 1))
        constant = std <= 1e-6 * np.maximum(np.abs(self.mean), 1)
        return self.mean.astype(np.float32), np.where(constant, 1, std).astype(np.float32)


def fit(data: TrainingData, stream: str, speakers: Iterable[str]) -> ChannelMoments:
    """The moments of one stream over the utterances of some speakers."""
    return reduce(ChannelMoments.__add__, (data.moments(stream, speaker) for speaker in sorted(speakers)))
