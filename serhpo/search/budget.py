"""How much a search may use, and how much it has used: from the study alone, so a resume goes on counting."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Any

from serhpo import pareto
from serhpo.config import parse
from serhpo.search.record import Record
from serhpo.search.settings import SearchSettings
from serhpo.study import TrialRecord

LIMITS = ("hours", "gpu_hours", "total_epochs", "patience")
"""Settings of a search, besides ``trials``, that may end it."""


class Budget:
    """The limits of one search against what its study has used.

    Args:
        settings: The limits.
        record: The study's epochs.
    """

    def __init__(self, settings: SearchSettings, record: Record) -> None:
        self._settings = settings
        self._record = record
        # A monotonic clock, and no time while nothing runs: the ledger's last row says how much was used.
        self._start = monotonic() - record.elapsed
        self._points: list[tuple[float, ...]] = []
        self._hypervolume = 0.0
        self._stalled = 0
        for trial in record.study.ended():
            self.note(trial)

    @property
    def elapsed(self) -> float:
        """Seconds the search has run, all its runs together."""
        return monotonic() - self._start

    def note(self, trial: TrialRecord) -> None:
        """A trial ended. What has no front yet cannot stall."""
        self._stalled += bool(self._points)
        if trial.state != "COMPLETE" or trial.values is None:
            return
        objectives = self._record.study.objectives
        points = [*self._points, tuple(trial.values[objective.metric] for objective in objectives)]
        grown = pareto.hypervolume(points, objectives)
        kept = pareto.front(points, objectives)  # the others never count again
        self._points = [point for point, stays in zip(points, kept, strict=True) if stays]
        if grown > self._hypervolume:
            self._hypervolume, self._stalled = grown, 0

    def used(self) -> dict[str, float]:
        """What was used of everything that can be limited, in the units of the settings."""
        return {
            "hours": self.elapsed / 3600,
            "gpu_hours": self._record.seconds * self._settings.gpus_per_trial / 3600,
            "total_epochs": self._record.epochs,
            "patience": self._stalled,
        }

    def spent(self) -> str | None:
        """Which limit ends the search, in words; None while it may go on."""
        used = self.used()
        for name, unit in zip(LIMITS, ("hours", "GPU hours", "epochs"), strict=False):
            limit = getattr(self._settings, name)
            if limit is not None and used[name] >= limit:
                return f"{limit:g} {unit} are used"
        if self._settings.patience is not None and self._stalled >= self._settings.patience:
            return f"the front has not grown for {self._stalled} trials"
        return None


def limited(settings: SearchSettings, limits: Mapping[str, Any]) -> SearchSettings:
    """The settings of a search with limits given anew when it was resumed.

    Raises:
        ConfigError: A limit is not allowed.
    """
    return parse(SearchSettings, {**settings.model_dump(), **limits}, "the limits of the search")
