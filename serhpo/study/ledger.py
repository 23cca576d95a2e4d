"""Append-only record of a study's epochs: ``epochs.jsonl``, one flushed line per trial and epoch.

Only the driver of a search writes it; ``evaluations.jsonl`` is such a file, too. A line is either complete
or not there: a tail torn by a kill is cut off when the next driver opens the file, and skipped by everyone
who only reads.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from serhpo.errors import StorageError, StudyError

EPOCH = ("trial", "epoch")
"""What tells the lines of ``epochs.jsonl`` apart."""


class Ledger:
    """The ledger of one study, open for appending.

    Args:
        path: The file; made if missing, its torn last line removed.
        key: Fields that every line has, and that tell one from another.

    Raises:
        StorageError: The file cannot be written.
    """

    def __init__(self, path: Path, key: Sequence[str] = EPOCH) -> None:
        self.path = path
        self._key = tuple(key)
        try:
            cut_torn_tail(path)
            self._known = {self._key_of(row) for row in read_ledger(path, key)}
            self._file = path.open("ab", buffering=0)
            self._end = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise StorageError.from_os_error(error, path) from error

    def append(self, row: Mapping[str, Any]) -> bool:
        """Add one line; False where its key is already there, which changes nothing.

        Raises:
            StorageError: The line could not be written whole; what was written of it is taken back.
        """
        key = self._key_of(row)
        if key in self._known:
            return False
        line = json.dumps(row, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        try:
            self._take_back()
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            os.fsync(self._file.fileno())  # as the journal does: after a power cut the two must agree
        except OSError as error:
            with suppress(OSError):  # a disk that refuses this too: before the next line
                self._take_back()
            raise StorageError.from_os_error(error, self.path) from error
        self._end += len(line)
        self._known.add(key)
        return True

    def _key_of(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(row[name] for name in self._key)

    def _take_back(self) -> None:
        """Cut off what a failed write left behind the last whole line."""
        if os.fstat(self._file.fileno()).st_size > self._end:
            os.ftruncate(self._file.fileno(), self._end)

    def close(self) -> None:
        """Hand all lines to the disk and close."""
        os.fsync(self._file.fileno())
        self._file.close()


def read_ledger(path: Path, key: Sequence[str] = EPOCH) -> Iterator[dict[str, Any]]:
    """Every whole line, in the order written.

    Args:
        path: The file; one that is missing has no line.
        key: Fields that every line has.

    Raises:
        StudyError: A line other than the last is damaged.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            row = _parse(line, key)
            if row is None:
                raise StudyError(
                    "A line of the ledger is damaged",
                    where=f"{path}:{number}",
                    hint="remove that line; the study goes on without it",
                )
            yield row


def _parse(line: bytes, key: Sequence[str]) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and row.keys() >= set(key) else None


def cut_torn_tail(path: Path) -> None:
    """Remove what stands after the last line break: a write that a kill or a full disk cut short."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        start = size
        while start > 0:
            chunk = min(65_536, start)
            file.seek(start - chunk)
            newline = file.read(chunk).rfind(b"\n")
            if newline >= 0:
                start += newline + 1 - chunk
                break
            start -= chunk
        if start < size:
            file.truncate(start)
