"""Append-only record of a study's epochs: ``epochs.jsonl``, one flushed line per trial and epoch.

Only the driver of a search writes it. A line is either complete or not there: a tail torn by a kill is
cut off when the next driver opens the file, and skipped by everyone who only reads.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from serhpo.errors import StorageError, StudyError


class Ledger:
    """The ledger of one study, open for appending.

    Args:
        path: The file; made if missing, its torn last line removed.

    Raises:
        StorageError: The file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            cut_torn_tail(path)
            self._known = {(row["trial"], row["epoch"]) for row in read_ledger(path)}
            self._file = path.open("ab", buffering=0)
            self._end = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise StorageError.from_os_error(error, path) from error

    def append(self, row: Mapping[str, Any]) -> bool:
        """Add one epoch; False where ``(trial, epoch)`` is already there, which changes nothing.

        Raises:
            StorageError: The line could not be written whole; what was written of it is taken back.
        """
        key = (row["trial"], row["epoch"])
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

    def _take_back(self) -> None:
        """Cut off what a failed write left behind the last whole line."""
        if os.fstat(self._file.fileno()).st_size > self._end:
            os.ftruncate(self._file.fileno(), self._end)

    def close(self) -> None:
        """Hand all lines to the disk and close."""
        os.fsync(self._file.fileno())
        self._file.close()


def read_ledger(path: Path) -> Iterator[dict[str, Any]]:
    """Every whole line, in the order written.

    Raises:
        StudyError: A line other than the last is damaged.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            row = _parse(line)
            if row is None:
                raise StudyError(
                    "A line of the epoch ledger is damaged",
                    where=f"{path}:{number}",
                    hint="remove that line; the study goes on without this epoch",
                )
            yield row


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and {"trial", "epoch"} <= row.keys() else None


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
