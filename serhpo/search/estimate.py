"""How long a search will still take: a range, wide while little was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serhpo.search.rungs import expected_epochs
from serhpo.search.settings import SearchSettings
from serhpo.study import TrialRecord

FROM_ONE = 3.0
"""Until several configurations are timed: an epoch of another one may take a third or three times as long."""
ENOUGH = 8
"""Ended trials from which on their own mean number of epochs is believed rather than the halving rule's."""


@dataclass(frozen=True)
class Remaining:
    """What is left of a search.

    Attributes:
        seconds: Least and most time.
        epochs: Least and most epochs.
        timed: Configurations whose epochs were timed.
    """

    seconds: tuple[float, float]
    epochs: tuple[int, int]
    timed: int

    def __str__(self) -> str:
        low, high = (duration(seconds) for seconds in self.seconds)
        least, most = self.epochs
        time = low if low == high else f"{low} to {high}"
        return f"{time} for {least if least == most else f'{least} to {most}'} epochs"


class Estimate:
    """Learns from epochs and ends of trials.

    Args:
        settings: Of the search.
        at_once: Trials at a time.

    Attributes:
        at_once: The same; may change.
    """

    def __init__(self, settings: SearchSettings, at_once: int) -> None:
        self._settings = settings
        self.at_once = at_once
        self._timed: dict[int, tuple[int, float]] = {}  # epochs of each configuration, and their mean seconds
        self._seconds = _Spread()  # of these means
        self._epochs = _Spread()  # of each trial that ended

    def epoch(self, row: Mapping[str, Any]) -> None:
        """An epoch was trained."""
        count, before = self._timed.get(row["trial"], (0, 0.0))
        if count:
            self._seconds.remove(before)
        each = (count * before + float(row["seconds"])) / (count + 1)
        self._seconds.add(each)
        self._timed[row["trial"]] = count + 1, each

    def ended(self, trial: TrialRecord) -> None:
        """A trial ended."""
        if trial.state == "COMPLETE":
            self._epochs.add(self._settings.epochs)
        elif trial.state == "PRUNED" and trial.epoch:
            self._epochs.add(trial.epoch)

    def remaining(self, trials: int, used: Mapping[str, float]) -> Remaining | None:
        """What is left of a search with so many trials to end; None before the first epoch.

        Args:
            trials: Not ended yet. Those under way count as a whole one each: no estimate is that fine.
            used: As :meth:`~serhpo.search.budget.Budget.used` tells; the search ends at its limits.
        """
        if not self._timed:
            return None
        low, high = self._epochs_left(trials)
        if self._settings.total_epochs is not None:
            cap = max(0, self._settings.total_epochs - int(used["total_epochs"]))
            low, high = min(low, cap), min(high, cap)
        quick, slow = self._seconds_an_epoch()
        at_once = max(1, min(self.at_once, trials))
        times = [epochs * each / at_once for epochs, each in ((low, quick), (high, slow))]
        if self._settings.hours is not None:
            cap_s = max(0.0, (self._settings.hours - used["hours"]) * 3600)
            times = [min(time, cap_s) for time in times]
        if self._settings.gpu_hours is not None and self._settings.gpus_per_trial:
            left_s = max(0.0, (self._settings.gpu_hours - used["gpu_hours"]) * 3600)
            times = [min(time, left_s / (self._settings.gpus_per_trial * at_once)) for time in times]
        return Remaining((times[0], times[1]), (low, high), len(self._timed))

    def _epochs_left(self, trials: int) -> tuple[int, int]:
        if self._epochs.count >= ENOUGH:
            low, high = self._epochs.interval()
            return math.floor(trials * max(1.0, low)), math.ceil(trials * min(high, self._settings.epochs))
        s = self._settings
        shape = (s.epochs, s.grace_period, s.reduction_factor)
        # One order of all trials prunes the most; unrelated ones, where any is enough, the least.
        low, high = (
            expected_epochs(trials, *shape, ranking, len(s.objectives))
            for ranking in ("epsilon_net", "union")
        )
        return int(low), int(high)

    def _seconds_an_epoch(self) -> tuple[float, float]:
        if self._seconds.count < 3:
            return self._seconds.mean / FROM_ONE, self._seconds.mean * FROM_ONE
        low, high = self._seconds.interval()
        return max(low, min(each for _, each in self._timed.values())), high


class _Spread:
    """Mean and standard error of numbers that come and go; asked after every epoch of a search."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = self._squares = 0.0

    def add(self, value: float) -> None:
        self.count += 1
        self._sum += value
        self._squares += value * value

    def remove(self, value: float) -> None:
        self.count -= 1
        self._sum -= value
        self._squares -= value * value

    @property
    def mean(self) -> float:
        return self._sum / self.count

    def interval(self) -> tuple[float, float]:
        """Two standard errors about the mean."""
        variance = max(0.0, self._squares - self._sum * self.mean) / (self.count - 1)
        error = 2 * math.sqrt(variance / self.count)
        return self.mean - error, self.mean + error


def duration(seconds: float) -> str:
    """``40 s``, ``12 min``, ``3.5 h``: no finer than an estimate deserves."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
