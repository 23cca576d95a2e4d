"""What the driver of a search knows: every epoch so far, in memory and in the ledger."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from serhpo.errors import SerhpoError, StorageError
from serhpo.pareto import Objective
from serhpo.search.rungs import Rungs
from serhpo.study import Study
from serhpo.study.ledger import Ledger
from serhpo.study.names import LEDGER

EpochRow = Mapping[str, Any]
"""One ledger row: ``trial``, ``epoch``, the fields of an ``EpochResult``, ``elapsed``, the ``host`` that
trained it, and at a rung its ``decision``."""


class Record:
    """The epochs of a study and the rungs that follow from them.

    Opening it replays the ledger, decisions included, so the rungs stand exactly as when the last driver
    ended.

    Attributes:
        fatal: An error that no later trial could escape (a full disk, say); ends the search.
        epochs: Trained so far, all trials together.
        seconds: They took, all trials together.
        elapsed: Seconds the search had run at its last epoch, pauses between its runs left out.
        errors: Tune's traceback of a trial whose worker died or raised, by trial.
        heard: When a trial began to run or was last heard of, by Tune's name for it; a monotonic clock.
    """

    def __init__(self, study: Study, rungs: Rungs) -> None:
        self.study = study
        self.rungs = rungs
        self.fatal: SerhpoError | None = None
        self.errors: dict[int, str] = {}
        self.heard: dict[str, float] = {}
        self._rows: dict[int, dict[int, EpochRow]] = {}
        self._ledger = Ledger(study.path / LEDGER)
        self.epochs = 0
        self.seconds, self.elapsed = 0.0, study.elapsed
        for row in study.epochs():
            self._take(row)
            values = objective_values(row, study.objectives)
            rungs.report(row["trial"], row["epoch"], values, row.get("decision"))

    def __reduce__(self) -> str | tuple[Any, ...]:
        # Tune pickles its callbacks into a snapshot that nobody reads; an open ledger must not follow.
        return dict, ()

    def add(self, row: EpochRow) -> bool:
        """Take note of an epoch, and of what its rung decided.

        Returns:
            False where it was known already or could not be written.
        """
        if decision := self.rungs.decision(row["trial"], row["epoch"]):
            row = {**row, "decision": decision.to_json()}
        with self.guarded():
            if self._ledger.append(row):
                self._take(row)
                return True
        return False

    def _take(self, row: EpochRow) -> None:
        self._rows.setdefault(row["trial"], {})[row["epoch"]] = row
        self.epochs += 1
        self.seconds += float(row.get("seconds", 0.0))
        self.elapsed = max(self.elapsed, float(row.get("elapsed", 0.0)))

    def last(self, trial: int) -> EpochRow | None:
        """The last epoch of a trial."""
        rows = self._rows.get(trial)
        return rows[max(rows)] if rows else None

    def best(self, trial: int) -> EpochRow:
        """The one epoch that stands for a trial, see :func:`best_epoch`."""
        return best_epoch(list(self._rows[trial].values()), self.study.objectives)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Keep an error of the disk as :attr:`fatal` instead of raising it into Tune's loop.

        Tune would count it as the failure of a trial and go on.
        """
        try:
            yield
        except SerhpoError as error:
            self.fatal = self.fatal or error
        except OSError as error:
            self.fatal = self.fatal or StorageError.from_os_error(error, self.study.path)

    def fail(self, error: SerhpoError) -> None:
        """End the search for an error from elsewhere."""
        self.fatal = self.fatal or error

    def close(self) -> None:
        """Hand the ledger to the disk."""
        with self.guarded():
            self._ledger.close()


def objective_values(row: EpochRow, objectives: Sequence[Objective]) -> list[float]:
    """The objectives of one epoch, in order; NaN where one is missing."""
    values = (row.get(objective.metric) for objective in objectives)
    return [math.nan if value is None else float(value) for value in values]


def best_epoch(rows: Sequence[EpochRow], objectives: Sequence[Objective]) -> EpochRow:
    """The epoch whose objectives have the highest mean, the first of equal ones; counts never change.

    All values of a trial, its checkpoint and its place on the front are those of this single epoch.
    """
    measured = [objective for objective in objectives if not objective.counts]
    signs = [1.0 if objective.direction == "maximise" else -1.0 for objective in measured]

    def gain(row: EpochRow) -> float:
        total = sum(s * v for s, v in zip(signs, objective_values(row, measured), strict=True))
        return total if math.isfinite(total) else -math.inf

    return max(sorted(rows, key=lambda row: int(row["epoch"])), key=gain)
