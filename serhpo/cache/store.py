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
        target.copy_(opened.values[opened.shard[index]][first : first + frames])
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
            values = tuple(torch.from_numpy(shard.values) for shard in shards)
        return _Opened(
            channels=shards[0].header.channels,
            scale=SCALE[shards[0].header.storage],
            lengths=lengths,
            shard=np.repeat(np.arange(len(shards)), [len(shard.offsets) - 1 for shard in shards]),
            first=np.concatenate([shard.offsets[:-1] for shard in shards]),
            values=values,
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
    values: tuple[torch.Tensor, ...]  # (frames, channels) each, on the map


def _require(path: Path) -> MappedShard:
    try:
        return map_shard(path)
    except UnusableShardError as error:
        raise StorageError(
            f"Cached features cannot be used: {error}",
            where=path,
            hint="run the command again: what is damaged or missing is made anew",
        ) from error


def _kind(shard: MappedShard) -> tuple[str, int, dict[str, Any]]:
    return shard.header.extractor, shard.header.version, shard.header.settings
