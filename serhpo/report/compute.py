"""A report's numbers from a study, computed before anything is drawn or written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from serhpo import pareto
from serhpo.report.numbers import Baseline, Curve, HypervolumeStep, Numbers, Rung, Trial
from serhpo.study import Study, TrialRecord, agreement
from serhpo.study.choice import Values, biases, ties
from serhpo.study.growth import growth

STREAMS = "streams"
"""The parameter that names a trial's encoders."""

FINISHED = ("COMPLETE", "PRUNED", "FAIL")

Errors = Mapping[tuple[int, int | None], dict[str, float]]
"""Standard errors by trial and epoch."""


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
    begin = 0.0 if any(hours is not None for hours, _ in clock.ends.values()) else None  # of old ledgers
    for finished, (number, volume) in enumerate(growth(study.ended(), study.objectives), start=1):
        before = (steps[-1].hours, steps[-1].trained) if steps else (begin, 0.0)
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
