"""What lies in the cache's folder, and what of it may go."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

DAY = 86_400.0
FOREIGN_AGE = DAY
"""Age from which an unfinished file of another machine, whose locks say nothing here, counts as left."""


@dataclass(frozen=True)
class CachedFile:
    """One file of the cache.

    Attributes:
        path: Where it lies.
        kind: A shard, or what a builder leaves beside one.
        size: Bytes.
        used: When it was last asked for, seconds since 1970.
    """

    path: Path
    kind: Literal["shard", "lock", "unfinished"]
    size: int
    used: float

    @property
    def stream(self) -> str:
        """Stream whose features it holds."""
        return self.path.parent.name

    @property
    def key(self) -> str:
        """The shard it is, or belongs to."""
        return self.path.name.partition(".")[0]


_KINDS: dict[str, Literal["shard", "lock", "unfinished"]] = {
    ".arrow": "shard",
    ".lock": "lock",
    ".tmp": "unfinished",
}


def inventory(root: Path) -> tuple[CachedFile, ...]:
    """Everything in a cache's folder, by stream and key; nothing if there is no such folder."""
    found = []
    for path in sorted(root.glob("*/*")):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue  # a builder finished, or another gc ran, meanwhile
        if path.suffix in _KINDS:
            used = max(status.st_atime, status.st_mtime)
            found.append(CachedFile(path, _KINDS[path.suffix], status.st_size, used))
    return tuple(found)


def removable(
    files: tuple[CachedFile, ...], needed: frozenset[str], unused_for: float
) -> Iterator[CachedFile]:
    """What may go: shards nobody needs and nobody used for a while, and what killed builders left.

    Args:
        files: What :func:`inventory` found.
        needed: Keys of shards to keep, however old.
        unused_for: Days since a shard nobody needs was last used.
    """
    now = time.time()
    gone = {
        file.key
        for file in files
        if file.kind == "shard" and file.key not in needed and now - file.used >= unused_for * DAY
    }
    kept = {file.key for file in files if file.kind == "shard"} - gone
    for file in files:
        if file.kind == "shard":
            wanted = file.key in gone
        elif file.kind == "lock":
            wanted = file.key not in kept
        else:
            ours = f".{socket.gethostname()}." in file.path.name
            wanted = ours or now - file.used >= FOREIGN_AGE
        if wanted and not _being_built(file.path):
            yield file


def remove(file: CachedFile) -> bool:
    """Delete a file; False if someone was faster, or began to build it.

    Raises:
        OSError: It cannot be deleted.
    """
    if _being_built(file.path):
        return False
    try:
        file.path.unlink()
    except FileNotFoundError:
        return False
    return True


def _being_built(path: Path) -> bool:
    """Whether a process of this machine holds the shard's lock."""
    lock = path.with_name(f"{path.name.partition('.')[0]}.lock")
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return not os.access(lock, os.W_OK)  # a lock nobody here may take is another user's
