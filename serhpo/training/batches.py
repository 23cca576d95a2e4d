"""Batches: utterances of like length together, copied into buffers that are used again and again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from serhpo.training.data import Store
from serhpo.training.resident import Resident

IntArray: TypeAlias = npt.NDArray[np.int64]
SecondsArray: TypeAlias = npt.NDArray[np.float64]

MEGA_BATCH = 50  # batches sorted by length together; more would save no padding worth having
SMALLEST_BATCH = 4  # the CCC of fewer utterances is noise, that of one has no gradient at all
LENGTH_JITTER = 0.05  # else a corpus of one mega-batch would be cut into the same batches every epoch


def training_batches(
    rows: IntArray, seconds: SecondsArray, batch_size: int, generator: np.random.Generator
) -> list[IntArray]:
    """Every row once, in batches of like length and in random order.

    Rows are shuffled, sorted by roughly their length inside mega-batches, cut into batches, and the
    batches shuffled. A last batch of fewer than 4 joins its neighbour.

    Args:
        rows: ``[n]`` utterance indices.
        seconds: ``[n]`` their lengths as they will be trained on.
        batch_size: Utterances per batch.
        generator: Decides everything.
    """
    order = generator.permutation(len(rows))
    jittered = seconds * generator.uniform(1 - LENGTH_JITTER, 1 + LENGTH_JITTER, len(rows))
    mega = batch_size * MEGA_BATCH
    parts = [order[start : start + mega] for start in range(0, len(order), mega)]
    ordered = rows[np.concatenate([part[np.argsort(jittered[part], kind="stable")] for part in parts])]
    starts = list(range(0, len(rows), batch_size))
    if len(starts) > 1 and len(rows) - starts[-1] < SMALLEST_BATCH:
        starts.pop()
    batches = np.split(ordered, starts[1:])
    return [batches[index] for index in generator.permutation(len(batches))]


def evaluation_batches(rows: IntArray, seconds: SecondsArray, budget: float = 200.0) -> list[IntArray]:
    """Every row once, sorted by length, in batches of at most ``budget`` padded seconds.

    The budget bounds memory: an utterance longer than it makes a batch of its own.
    """
    batches: list[list[int]] = []
    for index in np.argsort(seconds, kind="stable"):
        if not batches or (len(batches[-1]) + 1) * seconds[index] > budget:
            batches.append([])
        batches[-1].append(int(rows[index]))
    return [np.array(batch, dtype=np.int64) for batch in batches]


@dataclass(frozen=True)
class Batch:
    """Padded features of some utterances; the buffers behind it are overwritten by the next batch.

    Attributes:
        rows: ``[B]`` utterance indices.
        features: ``[B, T, C]`` of each stream, zeros behind each utterance's end.
        lengths: ``[B]`` frames of each utterance in each stream.
    """

    rows: IntArray
    features: dict[str, Tensor]
    lengths: dict[str, Tensor]


class BatchReader:
    """Copies utterances, or random excerpts of them, out of the cache.

    Args:
        stores: Features of each stream, in the order the model wants them.
        frames_per_second: Of each stream, so that an excerpt is the same stretch of time in all.
        device: Where the model is.
        copies: Features of altered copies, from which :meth:`excerpts` draws too.
        resident: The same stores and copies where they lie on the device; nothing is then read or sent.
    """

    def __init__(
        self,
        stores: Mapping[str, Store],
        frames_per_second: Mapping[str, float],
        device: torch.device,
        copies: Sequence[Mapping[str, Store]] = (),
        resident: Sequence[Mapping[str, Resident]] | None = None,
    ) -> None:
        self._stores = dict(stores)
        self._versions = [self._stores, *copies]
        self._resident = resident
        self._rates = dict(frames_per_second)
        self._device = device
        self._stored = {stream: _Buffer(store.dtype) for stream, store in stores.items()}
        self._features = {stream: _Buffer(np.dtype(np.float32)) for stream in stores}

    def seconds(self, rows: IntArray) -> SecondsArray:
        """``[n]`` lengths as recorded: the shortest stream decides, as streams may round differently."""
        return self._seconds(rows, np.zeros(len(rows), np.int64))

    def whole(self, batches: Iterable[IntArray]) -> Iterator[Batch]:
        """Batches of whole utterances."""
        for rows in batches:
            yield self._read(rows, np.zeros(len(rows)), None, np.zeros(len(rows), np.int64))

    def excerpts(
        self, batches: Iterable[IntArray], longest: float | None, generator: np.random.Generator
    ) -> Iterator[Batch]:
        """Batches in which an utterance longer than ``longest`` seconds gives a random excerpt of it.

        Each is as it was recorded or one of its altered copies, all equally likely.
        """
        for rows in batches:
            places = generator.uniform(0, 1, len(rows))
            version = generator.integers(0, len(self._versions), len(rows))
            # A faster copy is shorter: what was recorded has starts beyond its end.
            room = 0.0 if longest is None else np.maximum(self._seconds(rows, version) - longest, 0)
            yield self._read(rows, places * room, longest, version)

    def _seconds(self, rows: IntArray, version: IntArray) -> SecondsArray:
        lengths = [self._lengths(stream, rows, version) / self._rates[stream] for stream in self._stores]
        shortest: SecondsArray = np.min(lengths, axis=0)
        return shortest

    def _lengths(self, stream: str, rows: IntArray, version: IntArray) -> IntArray:
        """``[n]`` frames of each row in the version that is asked for."""
        total = self._stores[stream].lengths[rows]
        for number, stores in enumerate(self._versions[1:], start=1):
            total = np.where(version == number, stores[stream].lengths[rows], total)
        return total

    def _read(self, rows: IntArray, starts: SecondsArray, longest: float | None, version: IntArray) -> Batch:
        features, lengths = {}, {}
        for stream in self._stores:
            rate = self._rates[stream]
            total = self._lengths(stream, rows, version)
            first = (starts * rate).astype(np.int64)
            span = total if longest is None else max(1, round(longest * rate))
            stop = np.minimum(first + span, total)
            if self._resident is None:
                features[stream] = self._sent(stream, rows, first, stop, version)
            else:
                features[stream] = self._gathered(stream, rows, first, stop, version, self._resident)
            lengths[stream] = torch.from_numpy(stop - first).to(self._device)
        return Batch(rows, features, lengths)

    def _sent(
        self, stream: str, rows: IntArray, first: IntArray, stop: IntArray, version: IntArray
    ) -> Tensor:
        """``[B, T, C]`` float32, out of the cache."""
        store = self._stores[stream]
        stored = self._stored[stream].shaped((len(rows), int((stop - first).max()), store.channels))
        if not version.any():
            store.read(rows, first, stop, stored)
        else:
            for i, number in enumerate(version.tolist()):
                one = slice(i, i + 1)
                self._versions[number][stream].read(rows[one], first[one], stop[one], stored[one])
        return self._converted(stream, stored, store.scale)

    def _gathered(
        self,
        stream: str,
        rows: IntArray,
        first: IntArray,
        stop: IntArray,
        version: IntArray,
        resident: Sequence[Mapping[str, Resident]],
    ) -> Tensor:
        """The same out of the device's own memory."""
        length = int((stop - first).max())
        parts = [np.flatnonzero(version == number) for number in range(len(resident))]
        features = torch.cat(
            [
                stores[stream].gather(rows[part], first[part], stop[part], length)
                for stores, part in zip(resident, parts, strict=True)
            ]
        )
        return features[torch.from_numpy(np.argsort(np.concatenate(parts))).to(self._device)]

    def _converted(self, stream: str, stored: npt.NDArray[Any], scale: float) -> Tensor:
        """float32 on the device. A GPU is sent the stored type, half the bytes, and converts there."""
        values = torch.from_numpy(stored)
        if self._device.type == "cpu":
            features = torch.from_numpy(self._features[stream].shaped(stored.shape)).copy_(values)
        else:
            features = values.to(self._device).float()
        return features if scale == 1.0 else features.mul_(scale)


class _Buffer:
    """Memory that grows to the largest batch and is used again for every one."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._values = np.empty(0, dtype)

    def shaped(self, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        """An array of this shape on it, holding whatever was there."""
        size = math.prod(shape)
        if self._values.size < size:
            self._values = np.empty(size, self._values.dtype)
        return self._values[:size].reshape(shape)
