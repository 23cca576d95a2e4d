"""A driver's study folder kept up to date on an object store while a search runs."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from serhpo.errors import SerhpoError, StorageError, StudyLockedError
from serhpo.study.folder import Study
from serhpo.study.names import CHECKPOINTS, EVALUATIONS, JOURNAL, LEDGER
from serhpo.study.store import PATIENCE_S, StudyStore
from serhpo.study.transit import DRIVER, bring_kept, continues

EVERY_S = 10.0
"""Seconds between uploads at most, while a search runs."""

LAST_S = 30.0
"""Seconds that the last upload of a search may be tried for."""

_LOCAL = ("driver.lock", DRIVER, "journal.log.lock")


class Mirror:
    """Uploads what the driver of a study writes: when told to, and at least every ten seconds.

    Of two drivers the later one has the study; the other one's next upload tells it so. The journal never
    speaks there of an epoch that the ledger there does not have, and a checkpoint goes only once the
    journal there says that its trial needs it no more: whatever moment is the last, `resume` goes on from it.
    A store that does not answer is tried again, and gets everything then.

    Args:
        study: The study.
        store: Its place on the store.
        failed: Told of an error that ends the search.
        say: Told when the store does not answer, and when it does again.
    """

    def __init__(
        self,
        study: Study,
        store: StudyStore,
        failed: Callable[[SerhpoError], None],
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._study = Study(study.path)  # one of our own: read in another thread
        self._store, self._failed, self._say = store, failed, say
        self._id = uuid.uuid4().hex
        self._sent: dict[str, tuple[int, int]] = {}
        self._dropped: set[tuple[int, str]] = set()
        self._silent_since: float | None = None
        self._wake, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)

    def __enter__(self) -> Mirror:
        holder = {"id": self._id, "host": socket.gethostname(), "pid": os.getpid()}
        self._store.write(DRIVER, json.dumps(holder).encode())
        self._require_latest()
        self.sync()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._wake.set()
        self._thread.join()
        end = time.monotonic() + LAST_S
        while self._attempt(end) is None:
            time.sleep(1.0)

    def soon(self) -> None:
        """Upload now, but do not wait for it."""
        self._wake.set()

    def sync(self) -> None:
        """Upload what has changed.

        Raises:
            StorageError: The store cannot be written, or the folder not be read.
            StudyLockedError: Another driver has taken the study over.
        """
        self._require_ours()
        gone = self._needless()  # before the journal is read: what is read then says so, too
        for name, stamp, content in self._changed():
            self._store.write(name, content)
            self._sent[name] = stamp
        for number, name in gone - self._dropped:
            self._store.drop(number, name)
            self._dropped.add((number, name))

    def _changed(self) -> list[tuple[str, tuple[int, int], bytes]]:
        """Name, size with time, and content of files that the store lacks; the journal last."""
        changed = []
        passing = (".", f"{JOURNAL}.lock")  # half-written files, and Optuna's lock, which comes and goes
        mine = self._study.path
        files = (path for path in mine.iterdir() if path.is_file() and not path.name.startswith(passing))
        names = {path.name for path in files} - {*_LOCAL}
        names |= {str(path.relative_to(mine)) for path in (mine / EVALUATIONS).glob("*.parquet")}
        # The journal is read first, so that the ledger read after it has every epoch it speaks of.
        for name in sorted(names, key=lambda name: name != JOURNAL):
            path = mine / name
            status = path.stat()
            stamp = status.st_size, status.st_mtime_ns
            if self._sent.get(name) != stamp:
                content = path.read_bytes()
                if name in (JOURNAL, LEDGER):  # whole lines: the next one may be half written
                    content = content[: content.rfind(b"\n") + 1]
                changed.append((name, stamp, content))
        # Predictions before the line that speaks of them, and the journal last.
        return sorted(changed, key=lambda one: (one[0] == JOURNAL, "/" not in one[0], one[0]))

    def _needless(self) -> set[tuple[int, str]]:
        front = {trial.number for trial in self._study.front()}
        ended = [trial.number for trial in self._study.ended()]
        return {(n, name) for n in ended for name in CHECKPOINTS if name == "last" or n not in front}

    def _require_ours(self) -> None:
        holder = json.loads(self._store.read(DRIVER) or b"{}")
        if holder.get("id") != self._id:
            raise StudyLockedError(
                "Another process has taken over this study on its store",
                where=self._store.shown,
                got=f"process {holder.get('pid')} on {holder.get('host')}",
                hint="leave the study to it, or end it and resume here",
            )

    def _require_latest(self) -> None:
        """Whoever had the study may have gone on since it was brought here."""
        if not all(continues(self._study.path / name, self._store.read(name)) for name in (JOURNAL, LEDGER)):
            raise StudyLockedError(
                "Another process was still running this study; it has been told to leave it",
                where=self._store.shown,
                hint="run the command again",
            )

    def _run(self) -> None:
        while True:
            self._wake.wait(EVERY_S)
            self._wake.clear()
            if self._over.is_set() or self._attempt() is False:
                return
            if self._silent_since is not None:
                self._over.wait(1.0)  # however often it is asked for

    def _attempt(self, end: float | None = None) -> bool | None:
        """Upload; None where the store does not answer, but yet may, False where the search must end."""
        try:
            self.sync()
        except StorageError as error:
            now = time.monotonic()
            if self._silent_since is None:
                self._silent_since = now
                self._say(f"{self._store.shown} does not answer, the search goes on: {error.got}")
            if now < (self._silent_since + PATIENCE_S if end is None else end):
                return None
            self._failed(error)
            return False
        except Exception as error:  # nobody would hear of it, and nothing be uploaded any more
            told = error if isinstance(error, SerhpoError) else _unforeseen(error)
            self._failed(told)
            return False
        if self._silent_since is not None:
            self._silent_since = None
            self._say(f"{self._store.shown} answers again, and has everything")
        return True


def _unforeseen(error: Exception) -> SerhpoError:
    found = SerhpoError(f"The study could not be uploaded: {type(error).__name__}: {error}")
    found.__cause__ = error
    return found


@contextmanager
def mirrored(
    study: Study,
    store: StudyStore | None,
    failed: Callable[[SerhpoError], None],
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[Callable[[], None]]:
    """Keep a study up to date on its store, if it has one; at the end bring what workers left there.

    Yields:
        What asks for an upload now.
    """
    if store is None:
        yield lambda: None
        return
    with Mirror(study, store, failed, say) as mirror:
        yield mirror.soon
    store.sweep()
    bring_kept(study, store)
