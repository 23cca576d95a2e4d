"""A lock that one process holds for as long as it lives, and that names its holder to others."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from serhpo.errors import StorageError, StudyLockedError


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
        lock.acquire(timeout=0)
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


def _describe(holder: Path) -> str:
    try:
        who = json.loads(holder.read_text())
        return f"process {who['pid']} on {who['host']}, since {who['started']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "a process that did not leave its name"
