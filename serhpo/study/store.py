"""A study on an object store: what its driver writes, and checkpoints that workers leave there themselves.

The driver's local folder stays the one it works on. Files under ``trials`` come from workers, each trial's
from one at a time; all others from the driver, by :mod:`serhpo.study.mirror`.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from serhpo.cache import RemoteStore
from serhpo.errors import ConfigError, StorageError, StudyError
from serhpo.files import write_whole
from serhpo.study.names import CHECKPOINT_STATE, JOURNAL

PATIENCE_S = 300.0
"""Seconds that a search waits for a store which does not answer."""

_T = TypeVar("_T")

ADDRESS = "storage.txt"
"""In the local folder of a study on a store: where that is."""


class StudyStore(RemoteStore):
    """One study's place on an object store.

    Args:
        address: Of the place of all studies, as of a :class:`~serhpo.cache.RemoteStore`.
        study: Its name.

    Raises:
        ConfigError: The address holds credentials, which would lie in every study.
    """

    _what = "The study's store"
    _hint = "check its address and your credentials; `serhpo resume` goes on once it answers"

    def __init__(self, address: str, study: str) -> None:
        if "@" in address.partition("?")[0]:
            raise ConfigError(
                "An address of a store holds no credentials",
                where="--storage",
                hint="they come from the environment: AWS_ACCESS_KEY_ID, a profile, or the machine's role",
            )
        super().__init__(below(address, study))

    def write(self, name: str, content: bytes) -> None:
        """Put a small file, whole or not at all.

        Raises:
            StorageError: It cannot be written.
        """
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            self.upload(Path(file.name), name)

    def push(self, folder: Path, name: str) -> None:
        """Put a trial's checkpoint, in place of an older one.

        The state names the tensors, so as on a disk the moment it is replaced is the one that counts.

        Args:
            folder: The trial's, named by its number.
            name: Of the checkpoint.
        """
        place = f"trials/{folder.name}/{name}"
        before = self._tensors(f"{place}/{CHECKPOINT_STATE}")
        state = json.loads((folder / name / CHECKPOINT_STATE).read_bytes())
        self.upload(folder / name / state["tensors"], f"{place}/{state['tensors']}")
        self.upload(folder / name / CHECKPOINT_STATE, f"{place}/{CHECKPOINT_STATE}")
        if before is not None and before != state["tensors"]:
            self.remove(f"{place}/{before}")

    def pull(self, folder: Path, *names: str) -> None:
        """Bring a trial's checkpoints; those it does not have go, whatever lies here is of no use then."""
        for name in names:
            place = f"trials/{folder.name}/{name}"
            state = self.read(f"{place}/{CHECKPOINT_STATE}")
            if state is None:
                shutil.rmtree(folder / name, ignore_errors=True)
                continue
            tensors = json.loads(state)["tensors"]
            try:
                (folder / name).mkdir(parents=True, exist_ok=True)
                if self.has(f"{place}/{tensors}"):  # else a worker of a lost head came between: as if damaged
                    self.fetch(f"{place}/{tensors}", folder / name / tensors)
            except OSError as error:
                raise StorageError.from_os_error(error, folder) from error
            write_whole(folder / name / CHECKPOINT_STATE, state)

    def drop(self, number: int, *names: str) -> None:
        """Remove checkpoints of a trial; the state first, without which there is none."""
        for name in names:
            found = self.names(f"trials/{number}/{name}")
            for file in sorted(found, key=lambda file: not file.endswith(CHECKPOINT_STATE)):
                self.remove(file)

    def sweep(self) -> None:
        """Remove what uploads that were cut off have left; for when nobody uploads any more."""
        for name in self.names():
            if half_uploaded(name):
                self.remove(name)

    def _tensors(self, name: str) -> str | None:
        state = self.read(name)
        return None if state is None else str(json.loads(state)["tensors"])


def half_uploaded(name: str) -> bool:
    """Whether a file has its name only until it is whole, see :meth:`~serhpo.cache.RemoteStore.upload`."""
    return name.endswith(".tmp")


def require_new_there(store: StudyStore) -> None:
    """Make sure that a study can be made on a store.

    Raises:
        StudyError: The name is taken.
        StorageError: The store cannot be written.
    """
    try:
        taken = store.has(JOURNAL)  # which comes last, see Mirror
        store.write("probe", b"")  # a bucket that is not there looks like an empty one to who only reads
        store.remove("probe")
    except StorageError as error:
        error.hint = "check its address, that its bucket exists, and your credentials; nothing was started"
        raise
    if taken:
        raise StudyError(
            "A study of this name lies on the store already",
            where=store.shown,
            hint="`serhpo resume` with this --storage continues it; --name gives the new one another name",
        )


def patiently(do: Callable[[], _T]) -> _T:
    """Do something with a store, again and again while it does not answer.

    Raises:
        StorageError: It has not answered for :data:`PATIENCE_S`.
    """
    end, pause = time.monotonic() + PATIENCE_S, 0.5
    while True:
        try:
            return do()
        except StorageError:
            if time.monotonic() + pause > end:
                raise
        time.sleep(pause)
        pause = min(2 * pause, 10.0)


def below(address: str, name: str) -> str:
    """The address of a folder within a store's."""
    place, mark, options = address.partition("?")
    return f"{place.rstrip('/')}/{name}{mark}{options}"
