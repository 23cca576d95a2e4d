"""What ends a search before its trials are done: a signal, a budget, a full disk, a Ray that died."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ray import tune


class SearchOver(BaseException):
    """Ends Tune's loop at once, its workers with it: whatever counts is written already.

    No ``Exception``, which Tune would answer with minutes of waiting for its actors to stop by themselves.
    """


class StopWhen(tune.Stopper):  # type: ignore[misc]
    """Ends the whole search, not single trials. Both conditions are asked several times a second.

    Args:
        over: Whether to end at once, with Tune's workers left to Ray's own end.
        enough: Whether to end with the workers stopped, so that their resources are free again.
    """

    def __init__(self, over: Callable[[], bool], enough: Callable[[], bool]) -> None:
        self._over = over
        self._enough = enough

    def __reduce__(self) -> tuple[Any, ...]:
        return tune.Stopper, ()  # for Tune's snapshot, which nobody reads

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No single trial is ended here."""
        return False

    def stop_all(self) -> bool:
        """Whether it is enough.

        Raises:
            SearchOver: It is over.
        """
        try:
            over = self._over()
        except Exception as error:
            raise SearchOver from error
        if over:
            raise SearchOver
        return self._enough()


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C or SIGTERM into a request to stop; the second one acts at once."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False  # only the main thread may handle signals; a notebook's owner interrupts it
        return

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for kind, before in handlers.items():
            signal.signal(kind, before)

    handlers = {kind: signal.signal(kind, note) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        for kind, before in handlers.items():
            signal.signal(kind, before)
