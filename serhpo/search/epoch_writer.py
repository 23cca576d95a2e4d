"""What Tune reports, written down before the trial goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from time import monotonic
from typing import Any

from ray import tune
from ray.tune.result import HOSTNAME

from serhpo.search.budget import Budget
from serhpo.search.record import Record
from serhpo.training.results import EpochResult

LEDGER_FIELDS = ("trial", *(field.name for field in fields(EpochResult)))


class EpochWriter(tune.Callback):  # type: ignore[misc]
    """Writes every reported epoch to the ledger before the trial goes on."""

    def __init__(self, record: Record, budget: Budget, trained: Callable[[Mapping[str, Any]], None]) -> None:
        self._record = record
        self._budget = budget
        self._trained = trained

    def __reduce__(self) -> tuple[Any, ...]:
        return tune.Callback, ()  # for Tune's snapshot, which nobody reads

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Called by Tune when a worker has the trial."""
        self._record.heard[trial.trial_id] = monotonic()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: Mapping[str, Any], **info: Any
    ) -> None:
        """Called by Tune before its scheduler decides about the trial."""
        self._record.heard[trial.trial_id] = monotonic()
        if "storage_error" in result:
            self._record.fatal = self._record.fatal or result["storage_error"]
        if "epoch" not in result:
            return
        where = {"elapsed": round(self._budget.elapsed, 3), "host": result[HOSTNAME]}
        row = {name: result[name] for name in LEDGER_FIELDS} | where
        if self._record.add(row):
            self._trained(row)
