"""The reader of cached features: a whole corpus, one stream, mapped into memory.

Every process maps the files read-only, so all of a machine share one copy in memory. The map itself is
never handed out: writing through a torch view of it would kill the process.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serhpo.cache.shard import SCALE, MappedShard, UnusableShardError, map_shard
from serhpo.errors import StorageError

if TYPE_CHECKING:
    import torch


class FeatureStore:
    """The features of one stream for all utterances of a corpus, in corpus order, read in place.

    Sent to another process it takes its paths along and maps the files there, at first use.

    Args:
        paths: Its shards, in order.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)

    def __getstate__(self) -> dict[str, Any]:
        return {"paths": self.paths}

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def channels(self) -> int:
        """Values per frame."""
        return self._opened.channels

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Frames of every utterance, shape ``(utterances,)``, read-only."""
        return self._opened.lengths

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values as they are stored."""
        return self._opened.values[0].dtype

    @property
    def scale(self) -> float:
        """What stored values are multiplied with to give features."""
        return self._opened.scale

    def read(
        self, rows: NDArray[np.int64], start: NDArray[np.int64], stop: NDArray[np.int64], out: NDArray[Any]
    ) -> None:
        """Copy frames ``start:stop`` of several utterances as they are stored, zeros behind each end.

        One contiguous copy an utterance and no conversion: this is the fast way. Times :attr:`scale`
        they are the features.

        Args:
            rows: ``[B]`` utterances.
            start: ``[B]`` first frames.
            stop: ``[B]`` frames after the last ones.
            out: ``[B, T, channels]`` of :attr:`dtype`, contiguous, T at least the longest part.

        Raises:
            ValueError: A part lies outside its utterance, or ``out`` does not fit.
        """
        opened = self._opened
        counts = stop - start
        if not ((start >= 0) & (counts >= 0) & (stop <= opened.lengths[rows])).all():
            raise ValueError("a part lies outside its utterance")
        need = len(rows), int(counts.max(initial=0)), opened.channels
        fits = out.ndim == 3 and (len(out), out.shape[2]) == (need[0], need[2]) and out.shape[1] >= need[1]
        if not fits or out.dtype != self.dtype or not out.flags.c_contiguous:
            raise ValueError(f"need contiguous {self.dtype} {need}, got {out.dtype} {out.shape}")
        flat, length = out.reshape(-1), out.shape[1] * opened.channels
        first = ((opened.first[rows] + start) * opened.channels).tolist()
        sizes = (counts * opened.channels).tolist()
        for row, (shard, begin, size) in enumerate(
            zip(opened.shard[rows].tolist(), first, sizes, strict=True)
        ):
            position = row * length
            flat[position : position + size] = opened.values[shard][begin : begin + size]
            flat[position + size : position + length] = 0

    def copy(self, index: int, out: NDArray[np.float32], start: int = 0, stop: int | None = None) -> int:
        """Copy frames ``start:stop`` of one utterance to the beginning of ``out``.

        Args:
            index: The utterance.
            out: Shape ``(at least as many frames, channels)``. Rows beyond are left as they are.
            start: First frame, as in a slice.
            stop: Frame after the last one, as in a slice; None = to the end.

        Returns:
            The number of frames copied.

        Raises:
            ValueError: ``out`` is too small, or has another type or number of channels.
        """
        import torch  # converts float16 20 times as fast as numpy; here, so that filling starts without it

        opened = self._opened
        start, stop, _ = slice(start, stop).indices(int(opened.lengths[index]))
        frames = max(0, stop - start)
        if out.dtype != np.float32 or out.shape[1:] != (opened.channels,) or len(out) < frames:
            raise ValueError(f"need float32 ({frames}, {opened.channels}), got {out.dtype} {out.shape}")
        first = int(opened.first[index]) + start
        target = torch.from_numpy(out[:frames])
        target.copy_(opened.tensors[opened.shard[index]][first : first + frames])
        if opened.scale != 1.0:
            target.mul_(opened.scale)
        return frames

    @cached_property
    def _opened(self) -> _Opened:
        import torch

        if not self.paths:
            raise ValueError("a store needs at least one shard")
        shards = [_require(path) for path in self.paths]
        for path, shard in zip(self.paths, shards, strict=True):
            if _kind(shard) != _kind(shards[0]):
                raise StorageError("Cached features of different extractors cannot be one store", where=path)
        lengths = np.concatenate([np.diff(shard.offsets) for shard in shards])
        lengths.flags.writeable = False
        with warnings.catch_warnings():
            # torch says that a write through these views would crash: they are read here and nowhere else.
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            tensors = tuple(torch.from_numpy(shard.values) for shard in shards)
        return _Opened(
            channels=shards[0].header.channels,
            scale=SCALE[shards[0].header.storage],
            lengths=lengths,
            shard=np.repeat(np.arange(len(shards)), [len(shard.offsets) - 1 for shard in shards]),
            first=np.concatenate([shard.offsets[:-1] for shard in shards]),
            values=tuple(shard.values.reshape(-1) for shard in shards),
            tensors=tensors,
        )


def open_store(paths: Sequence[Path]) -> FeatureStore:
    """Map the shards of one stream; checks their structure, not every byte (that is :func:`verify`).

    Raises:
        StorageError: A file is missing or damaged.
    """
    store = FeatureStore(paths)
    len(store)  # maps the files now, so that an error comes here
    return store


class _Opened(NamedTuple):
    channels: int
    scale: float
    lengths: NDArray[np.int64]  # (utterances,), frames
    shard: NDArray[np.int64]  # (utterances,), which of `values`
    first: NDArray[np.int64]  # (utterances,), first frame there
    values: tuple[NDArray[Any], ...]  # (frames * channels,) each, on the map
    tensors: tuple[torch.Tensor, ...]  # (frames, channels) each, on the map


def _require(path: Path) -> MappedShard:
    try:
        return map_shard(path)
    except UnusableShardError as error:
        raise StorageError(
            f"Cached features cannot be used: {error}",
            where=path,
            hint="run the command again: what is damaged or missing is made anew",
        ) from error


def _kind(shard: MappedShard) -> tuple[str, int, str, int]:
    """What all shards of a store share; not the settings, which may be spelled in two ways."""
    header = shard.header
    return header.extractor, header.version, header.storage, header.channels
