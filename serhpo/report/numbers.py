"""What a report shows, computed before anything is drawn or written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from serhpo import pareto
from serhpo.study import Agreement, Study, TrialRecord, agreement
from serhpo.study.choice import Values, biases, ties
from serhpo.study.growth import growth

STREAMS = "streams"
"""The parameter that names a trial's encoders."""

FINISHED = ("COMPLETE", "PRUNED", "FAIL")

Errors = Mapping[tuple[int, int | None], dict[str, float]]
"""Standard errors by trial and epoch."""


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


def compute(study: Study) -> Numbers:
    """Read a study once and compute all numbers of its report.

    Raises:
        StudyError: Journal or ledger is damaged.
    """
    metrics = [objective.metric for objective in study.objectives]
    rows = list(study.epochs())
    curves = _curves(rows, metrics)
    clock = _Clock(rows)
    errors = study.standard_errors()
    trials = [
        _trial(record, curves.get(record.number, Curve()), errors, clock.seconds.get(record.number, 0.0))
        for record in study.trials()
    ]
    members, knee = _front(trials, study.objectives)
    values, own = _complete(trials)
    tied = ties(values, own, study.objectives)
    trials = [replace(t, on_front=t.number in members, tie=t.number in tied) for t in trials]
    baselines = study.baselines()
    saved = [study.settings.epochs - (trial.epoch or 0) for trial in trials if trial.state == "PRUNED"]
    return Numbers(
        objectives=study.objectives,
        trials=tuple(trials),
        knee=knee,
        hypervolume=_hypervolume(study, clock),
        rungs=tuple(_rung(epoch, trials) for epoch in study.settings.rungs),
        baselines=None if baselines is None else _baselines(baselines, metrics),
        baseline_trial=None if baselines is None else baselines.get("trial"),
        epochs=len(rows),
        epochs_of_complete=study.settings.epochs,
        epochs_unpruned=len(rows) + sum(saved),
        last_end=_last_end(study, trials),
        agreement=tuple(agreement(study)),
        biases=biases(values, own, study.objectives),
        seconds=sum(clock.seconds.values()),
    )


class _Clock:
    """What the ledger tells of time, in the order its rows were written.

    Attributes:
        seconds: Of training, by trial.
        ends: By trial, hours of searching and of training when its last epoch was over.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.seconds: dict[int, float] = {}
        self.ends: dict[int, tuple[float | None, float]] = {}
        trained = 0.0
        for row in rows:
            number, seconds = row["trial"], float(row.get("seconds") or 0.0)
            trained += seconds
            self.seconds[number] = self.seconds.get(number, 0.0) + seconds
            elapsed = row.get("elapsed")
            self.ends[number] = (None if elapsed is None else float(elapsed) / 3600, trained / 3600)


def _complete(trials: Sequence[Trial]) -> tuple[Values, Values]:
    complete = [trial for trial in trials if trial.state == "COMPLETE"]
    return {t.number: t.values for t in complete}, {t.number: t.errors for t in complete}


def _curves(rows: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> dict[int, Curve]:
    """The curve of every trial that has one."""
    grouped: dict[int, list[Mapping[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: (row["trial"], row["epoch"])):
        if all(row.get(metric) is not None for metric in metrics):
            grouped.setdefault(row["trial"], []).append(row)
    return {
        number: Curve(
            tuple(row["epoch"] for row in own),
            {m: tuple(float(row[m]) for row in own) for m in metrics},
            _weights(own),
        )
        for number, own in grouped.items()
    }


def _weights(rows: Sequence[Mapping[str, Any]]) -> tuple[float, ...]:
    pairs = [(row.get("weight_class") or 0.0, row.get("weight_dimension") or 0.0) for row in rows]
    if not all(a + b for a, b in pairs):
        return ()
    return tuple(float(a / (a + b)) for a, b in pairs)


def _trial(record: TrialRecord, curve: Curve, errors: Errors, seconds: float) -> Trial:
    values = record.values or {}
    if not values and curve.epochs:  # running or failed: show how far it came
        record = replace(record, epoch=curve.epochs[-1])
        values = {metric: series[-1] for metric, series in curve.values.items()}
    params = dict(record.params)
    streams = params.pop(STREAMS, None)
    return Trial(
        number=record.number,
        state=record.state,
        epoch=record.epoch,
        rung=record.notes.get("rung"),
        values=values,
        errors=errors.get((record.number, record.epoch), {}) if values else {},
        streams=None if streams is None else str(streams),
        params=params,
        curve=curve,
        seconds=seconds,
        reason=record.notes.get("reason"),
    )


def _front(
    trials: Sequence[Trial], objectives: Sequence[pareto.Objective]
) -> tuple[frozenset[int], int | None]:
    """Numbers of the front's members, and of the one at its knee."""
    complete = [trial for trial in trials if trial.state == "COMPLETE"]
    values = [[trial.values[o.metric] for o in objectives] for trial in complete]
    kept = pareto.front(values, objectives)
    members = [trial.number for trial, keep in zip(complete, kept, strict=True) if keep]
    knee = pareto.knee(values, objectives) if len(members) > 2 else None
    return frozenset(members), None if knee is None else complete[knee].number


def _last_end(study: Study, trials: Sequence[Trial]) -> datetime | None:
    """When the last of the finished trials ended."""
    finished = {trial.number for trial in trials if trial.state in FINISHED}
    return max(
        (
            frozen.datetime_complete.astimezone(UTC)  # Optuna's times are naive and local
            for frozen in study.journal.get_trials(deepcopy=False)
            if frozen.number in finished and frozen.datetime_complete is not None
        ),
        default=None,
    )


def _hypervolume(study: Study, clock: _Clock) -> tuple[HypervolumeStep, ...]:
    steps: list[HypervolumeStep] = []
    for finished, (number, volume) in enumerate(growth(study.ended(), study.objectives), start=1):
        before = (steps[-1].hours, steps[-1].trained) if steps else (None, 0.0)
        hours, trained = clock.ends.get(number, before)
        steps.append(HypervolumeStep(finished, number, volume, hours, trained))
    return tuple(steps)


def _rung(epoch: int, trials: Sequence[Trial]) -> Rung:
    return Rung(
        epoch=epoch,
        reached=sum(epoch in trial.curve.epochs for trial in trials),
        stopped=sum(trial.rung == epoch for trial in trials),
    )


def _baselines(document: Mapping[str, Any], metrics: Sequence[str]) -> tuple[Baseline, ...]:
    return tuple(
        Baseline(name, {m: float(row[m]) for m in metrics if row.get(m) is not None})
        for name, row in document.items()
        if isinstance(row, dict)
    )
