"""Filling the cache: making the shards that are missing or damaged, or fetching them from a shared store."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from serhpo.cache.planning import AudioSource, Shard, content_digest
from serhpo.cache.remote import RemoteStore
from serhpo.cache.shard import FORMAT, Header, encode, verify, write_shard
from serhpo.corpus.audio import read_audio
from serhpo.errors import StorageError
from serhpo.features import Extractor


class Made(NamedTuple):
    """A shard that is there now, on the machine that was asked: where it came from, and its bytes."""

    shard: Shard
    how: Literal["found", "fetched", "built"]
    size: int


Run = Callable[[Callable[[Shard], Made], Sequence[Shard]], Iterable[Made]]
"""What runs the builders: has ``map``'s signature, so ``map`` or an executor's ``map`` will do."""


def fill(
    shards: Sequence[Shard],
    run: Run = map,
    progress: Callable[[Made], None] | None = None,
    remote: RemoteStore | None = None,
) -> tuple[Path, ...]:
    """Make every shard that is missing or damaged; check all others byte by byte.

    Args:
        shards: What :func:`plan` returned.
        run: Runs :func:`build` over the shards, perhaps in other processes or on other machines.
        progress: Called with every shard that is there, in the order of ``run``.
        remote: Holds shards of other machines, and is given those made here.

    Returns:
        The paths, for :func:`open_store`.

    Raises:
        AudioError: A recording cannot be read or gives features that are not finite.
        StorageError: The folder cannot be written or the disk is full; the cache is as it was.
    """
    for made in run(partial(build, remote=remote), shards):
        if progress is not None:
            progress(made)
    return tuple(shard.path for shard in shards)


def build(shard: Shard, remote: RemoteStore | None = None) -> Made:
    """Make one shard, unless it is there and whole; of several processes on a machine one does the work.

    Returns:
        The shard, for ``map``, and how it was come by.

    Raises:
        AudioError: A recording cannot be read or gives features that are not finite.
        StorageError: The folder cannot be written or the disk is full; the cache is as it was.
    """
    how = _provide(shard, remote)
    made = Made(shard, how, shard.path.stat().st_size)
    if remote is not None and made.how != "fetched":
        name = remote_name(shard.path)
        if made.how == "built" or not remote.has(name):
            remote.upload(shard.path, name)
    return made


def fetch(paths: Sequence[Path], remote: RemoteStore) -> None:
    """Copy what is missing or damaged on this machine from the store that all machines share.

    Reads every byte of what is here: the file was perhaps never checked on this machine before.

    Raises:
        StorageError: The store cannot be reached, lacks a shard, or holds it damaged; or the disk is full.
    """
    for path in paths:
        if verify(path) is not None:
            with _only_builder(path):
                if verify(path) is not None and not _fetched(path, remote):
                    raise StorageError(
                        "The shared feature cache does not hold what the search needs, or holds it damaged",
                        where=f"{remote.shown}/{remote_name(path)}",
                        hint="run `serhpo features` with the same --cache",
                    )


def remote_name(path: Path) -> str:
    """What a shard is called in a shared store: its stream and its key."""
    return f"{path.parent.name}/{path.name}"


def _provide(shard: Shard, remote: RemoteStore | None) -> Literal["found", "fetched", "built"]:
    if verify(shard.path) is None:
        _note_use(shard.path)
        return "found"
    with _only_builder(shard.path):
        if verify(shard.path) is None:  # somebody made it while this one waited
            return "found"
        if remote is not None and _fetched(shard.path, remote):
            return "fetched"
        _write(shard, _extract(shard))
        return "built"


def _note_use(path: Path) -> None:
    """Set the time of last reading, which most file systems no longer keep by themselves."""
    with suppress(OSError):  # a cache that may only be read serves as well
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))


def _fetched(path: Path, remote: RemoteStore) -> bool:
    """Whether a whole copy was found in the store, and brought here."""
    name = remote_name(path)
    if not remote.has(name):
        return False
    with _replacing(path) as temporary:
        remote.fetch(name, temporary)
        if verify(temporary, key=path.stem) is not None:
            return False
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    return True


def _extract(shard: Shard) -> list[NDArray[Any]]:
    utterances = [_features(source, shard.extractor) for source in shard.sources]
    for source in shard.sources:
        if content_digest(source.path, source.source) != source.content:
            raise source.error("it was changed while its features were computed")
    return utterances


def _features(source: AudioSource, extractor: Extractor) -> NDArray[Any]:
    audio = read_audio(source.path, source.start, source.end, source.source)
    frames = extractor.extract(audio)
    if not np.isfinite(frames).all() or not np.isfinite(stored := encode(frames, extractor.storage)).all():
        raise source.error(f"its {extractor.name} features are not finite in {extractor.storage}")
    return stored


def _write(shard: Shard, utterances: Sequence[NDArray[Any]]) -> None:
    with _replacing(shard.path) as temporary:
        with temporary.open("wb") as file:
            write_shard(file, _header(shard), utterances)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(shard.path)
        _sync_folder(shard.path.parent)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path``, cleared in the end; errors of the disk become clear ones."""
    host = socket.gethostname()
    # The host is part of the name: the lock does not keep builders on other machines away.
    temporary = path.with_name(f"{path.stem}.{host}.{uuid.uuid4().hex}.tmp")
    try:
        for stale in path.parent.glob(f"{path.stem}.{host}.*.tmp"):  # of a builder that was killed
            stale.unlink(missing_ok=True)
        yield temporary
    except OSError as error:
        raise StorageError.from_os_error(error, path) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _header(shard: Shard) -> Header:
    extractor = shard.extractor
    return Header(
        format=FORMAT,
        key=shard.path.stem,
        extractor=extractor.name,
        version=extractor.version,
        settings=extractor.model_dump(mode="json"),
        storage=extractor.storage,
        channels=extractor.channels,
        frames_per_second=extractor.frames_per_second,
        software={name: version(name) for name in ("numpy", "torch", "torchaudio")},
    )


@contextmanager
def _only_builder(path: Path) -> Iterator[None]:
    lock = FileLock(path.with_suffix(".lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise StorageError.from_os_error(error, path) from error
    try:
        yield
    finally:
        lock.release()


def _sync_folder(folder: Path) -> None:
    """Make a rename in it survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
