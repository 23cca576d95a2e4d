"""What a report shows of a study's trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from serhpo import pareto
from serhpo.study import Agreement


@dataclass(frozen=True)
class Curve:
    """A trial over its epochs.

    Attributes:
        epochs: Epochs in the ledger, ascending.
        values: For each objective one value an epoch.
        weights: Share of the classification loss in the task weights of each epoch; empty where an older
            ledger lacks it.
    """

    epochs: tuple[int, ...] = ()
    values: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    weights: tuple[float, ...] = ()


@dataclass(frozen=True)
class Trial:
    """One trial as figures and tables show it.

    Attributes:
        number: Trial number.
        state: ``COMPLETE PRUNED FAIL RUNNING WAITING``.
        epoch: The epoch of the values; for a trial that is not complete the last one it reached.
        rung: Epoch of the rung that pruned it.
        values: Objectives at :attr:`epoch`; empty where there are none.
        errors: Their standard errors, as far as known.
        streams: Encoders, joined by ``+``; None where the space does not search them.
        params: The other parameters that exist for this trial.
        curve: Its epochs.
        seconds: It trained, all epochs together.
        on_front: Whether no complete trial dominates it.
        tie: Whether one standard error would bring it onto the front.
        folds: UA and CCC on each fold's own speakers, where its predictions are still there.
        reason: Why it failed.
    """

    number: int
    state: str
    epoch: int | None
    rung: int | None
    values: Mapping[str, float]
    errors: Mapping[str, float]
    streams: str | None
    params: Mapping[str, Any]
    curve: Curve
    seconds: float = 0.0
    on_front: bool = False
    tie: bool = False
    folds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    reason: str | None = None


@dataclass(frozen=True)
class Rung:
    """How many trials reached a rung, and how many were pruned there."""

    epoch: int
    reached: int
    stopped: int


@dataclass(frozen=True)
class HypervolumeStep:
    """The front's hypervolume once ``finished`` trials had ended, the last of them ``number``.

    Attributes:
        finished: Trials.
        number: The last one.
        hypervolume: In raw units.
        hours: Hours of searching until then; None where an older ledger lacks them.
        trained: Hours of training until then, all trials together.
    """

    finished: int
    number: int
    hypervolume: float
    hours: float | None = None
    trained: float = 0.0


@dataclass(frozen=True)
class Baseline:
    """A row that results are read beside."""

    name: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Numbers:
    """Everything a report shows of a study's trials, from one look at the journal and the ledger.

    Attributes:
        trials: All that count, by number.
        knee: Number of the trial at the front's knee; None where the front has no bend (below three).
        hypervolume: One step a finished trial, in the order they ended.
        rungs: By epoch.
        baselines: None before the search measured them.
        baseline_trial: Whose configuration, trained for classification alone, predicted their classes.
        epochs: Rows of the ledger.
        epochs_of_complete: Epochs a trial takes that is not stopped.
        epochs_unpruned: Epochs the same trials would have taken had none been pruned.
        last_end: When the last trial ended.
        agreement: How well values at the rungs foretold final ones.
        biases: By how much the best of each objective flatters itself, see
            :func:`serhpo.study.choice.selection_bias`; without those whose errors are unknown.
        seconds: Of training, all trials together.
    """

    objectives: tuple[pareto.Objective, ...]
    trials: tuple[Trial, ...]
    knee: int | None
    hypervolume: tuple[HypervolumeStep, ...]
    rungs: tuple[Rung, ...]
    baselines: tuple[Baseline, ...] | None
    baseline_trial: int | None
    epochs: int
    epochs_of_complete: int
    epochs_unpruned: int
    last_end: datetime | None
    agreement: tuple[Agreement, ...]
    biases: Mapping[str, float]
    seconds: float

    @property
    def measured(self) -> tuple[pareto.Objective, ...]:
        """Objectives that have learning curves and standard errors: UA and CCC."""
        return tuple(objective for objective in self.objectives if not objective.counts)

    @property
    def front(self) -> tuple[Trial, ...]:
        """The front, by the first objective, ascending."""
        first = self.objectives[0].metric
        members = [trial for trial in self.trials if trial.on_front]
        return tuple(sorted(members, key=lambda trial: (trial.values[first], trial.number)))

    @property
    def streams(self) -> tuple[str | None, ...]:
        """Every combination of encoders that was tried, small ones first: fixes who gets which colour."""
        tried = {trial.streams for trial in self.trials}
        return tuple(sorted(tried, key=lambda streams: ((streams or "").count("+"), streams or "")))

    def best(self, metric: str) -> Trial | None:
        """The front's best trial in one objective; None where no trial is complete."""
        direction = next(o.direction for o in self.objectives if o.metric == metric)
        choose = max if direction == "maximise" else min
        return choose(self.front, key=lambda trial: trial.values[metric], default=None)

    def in_state(self, state: str) -> int:
        """How many trials are in a state."""
        return sum(trial.state == state for trial in self.trials)
