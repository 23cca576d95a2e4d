"""Who is told how a search goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from serhpo.search.estimate import Remaining
from serhpo.study import TrialRecord


class Listener(Protocol):
    """A display, a logger: what :func:`serhpo.search.runner.run` tells of the search's course."""

    def started(self, trials: int, continued: int, at_once: int) -> None:
        """So many trials are to come, so many of them go on where they were cut off."""

    def epoch(self, row: Mapping[str, Any]) -> None:
        """A trial finished an epoch."""

    def ended(self, trial: TrialRecord) -> None:
        """A trial ended."""

    def finished(self) -> None:
        """No trial trains any more; Ray is still there."""

    def remaining(self, left: Remaining) -> None:
        """How long the search will still take, as far as can be told."""

    def phase(self, text: str) -> None:
        """Something other than a trial begins."""
