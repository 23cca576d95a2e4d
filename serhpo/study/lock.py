"""A lock that one process holds for as long as it lives, and that names its holder to others."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from serhpo.errors import StorageError, StudyLockedError

_PATIENCE = 0.5
"""Seconds to wait for a lock: :func:`holder_of` in another process may hold it for a moment."""


@contextmanager
def held_by_one_process(path: Path, what: str) -> Iterator[None]:
    """Hold a lock file; the operating system frees it when the process dies, however it dies.

    Args:
        path: The lock file. A ``.json`` beside it says who holds it.
        what: Name of the thing that is locked, for the message.

    Raises:
        StudyLockedError: Another process holds it.
        StorageError: The file cannot be made.
    """
    holder = path.with_suffix(".json")
    lock = FileLock(path)
    try:
        lock.acquire(timeout=_PATIENCE, poll_interval=0.05)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        holder.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "started": started}))
    except Timeout as error:
        raise StudyLockedError(
            f"Another process is running {what}",
            where=path,
            got=_describe(holder),
            hint="wait for it, or end that process and run the command again",
        ) from error
    except OSError as error:
        lock.release()
        raise StorageError.from_os_error(error, path) from error
    try:
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def holder_of(path: Path) -> dict[str, Any] | None:
    """Who holds a lock: ``pid``, ``host`` and ``started``; None where nobody does.

    The name that a killed process left behind is no holder.
    """
    who = _read(path.with_suffix(".json"))
    if who is None or (who["host"] == socket.gethostname() and not _lives(who["pid"])):
        return None
    try:
        with FileLock(path, timeout=0):
            return None
    except Timeout:
        return who
    except OSError:  # a folder that can only be read: take its word
        return who


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return True


def _read(holder: Path) -> dict[str, Any] | None:
    try:
        who = json.loads(holder.read_text())
        return {"pid": int(who["pid"]), "host": str(who["host"]), "started": str(who["started"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _describe(holder: Path) -> str:
    if (who := _read(holder)) is None:
        return "a process that did not leave its name"
    return f"process {who['pid']} on {who['host']}, since {who['started']}"
