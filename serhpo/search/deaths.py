"""Why a trial's process died, and whether the trial is tried again."""

from __future__ import annotations

from collections import Counter

from serhpo.search.context import HUNG
from serhpo.search.record import Record
from serhpo.search.settings import SearchSettings

LOST_MACHINE = ("because its node has died", "is unavailable")
"""In Ray's words on an actor's end: it went with its machine, or cannot be reached any more."""

LOSSES = 10
"""Machines a trial may lose one after another without an epoch in between."""


class Deaths:
    """Counts deaths of processes, trial by trial.

    Args:
        record: Has Tune's tracebacks, and the epochs.
        settings: How often and how long.
    """

    def __init__(self, record: Record, settings: SearchSettings) -> None:
        self._record, self._settings = record, settings
        self._counts: Counter[tuple[int, int | None]] = Counter()  # by trial and, with its machine, epoch

    def reason_to_fail(self, number: int, silent_s: float) -> str | None:
        """Why a trial whose process died has failed; None where it is to go on from its checkpoint.

        Args:
            number: Of the trial.
            silent_s: Seconds for which nothing was heard of it.
        """
        trace = self._record.errors.pop(number, "").strip()
        cause = trace.rpartition("\n")[2]
        if (where := self._hung(number, trace, silent_s)) is not None:
            limit = f"search.epoch_limit_s ({self._settings.epoch_limit_s:g} s)"
            return f"epoch {self._epochs(number) + 1} took longer than {limit}{where}"
        if "RayTaskError(" in trace:  # the worker's code raised, so it would raise again
            return f"the worker could not run it: {cause}"
        if often := self._too_often(number, trace):
            return f"{often}; {cause or 'Ray gives no cause; memory may have run out'}"
        return None

    def _hung(self, number: int, trace: str, silent_s: float) -> str | None:
        """Where a process that ended itself after its time limit says what it did; None for any other death.

        With a store that file is lost, and only how long nothing was heard of the trial tells.
        """
        file = self._record.study.trial_folder(number) / HUNG
        if file.is_file() and file.stat().st_size:
            return f": {file}"
        return "" if silent_s >= self._settings.epoch_limit_s and not _lost_machine(trace) else None

    def _too_often(self, number: int, trace: str) -> str | None:
        """Count a death; a machine that is lost is no fault of the trial, unless the trial never gets on."""
        if _lost_machine(trace):
            what, limit, kind = "its machine was lost", LOSSES, self._epochs(number)
        else:
            what, limit, kind = "its process died", self._settings.max_failures, None
        self._counts[number, kind] += 1
        often = f"{limit + 1} times" if limit else "once"
        return f"{what} {often}" if self._counts[number, kind] > limit else None

    def _epochs(self, number: int) -> int:
        last = self._record.last(number)
        return int(last["epoch"]) if last else 0


def _lost_machine(trace: str) -> bool:
    return any(words in trace for words in LOST_MACHINE)
