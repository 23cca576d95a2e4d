"""A study at a glance, running or not: the numbers of the live view, read from its folder alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from serhpo.config import read_yaml
from serhpo.study.folder import Study
from serhpo.study.growth import growth
from serhpo.study.trial import TrialRecord

ROWS = 10
"""Trials a glance has room for."""

ENDED = ("COMPLETE", "PRUNED", "FAIL")


@dataclass(frozen=True)
class Row:
    """One trial in the view.

    Attributes:
        number: Trial number.
        state: Optuna's.
        encoders: Its streams; empty where the space does not search them.
        weighting: Scheme, with λ where it has one.
        epoch: Epochs trained, or the one that counts.
        rung: Last rung it reached.
        values: Objectives at that epoch.
        seconds: It trained so far.
        on_front: Whether it stands on the front.
    """

    number: int
    state: str
    encoders: str
    weighting: str
    epoch: int | None
    rung: int | None
    values: Mapping[str, float]
    seconds: float
    on_front: bool


@dataclass(frozen=True)
class Overview:
    """A study at one moment.

    Attributes:
        name: Of the study.
        metrics: Names of the objectives.
        counts: Trials by state.
        asked: Trials asked for.
        epochs: Trained so far.
        epochs_of_trial: Epochs of a complete trial.
        front_size: Trials on the front.
        hypervolume: Of the front.
        grown_by: Trial that last moved the front.
        stalled: Trials that ended since.
        used: Budget in words: hours, and limits where there are some.
        seconds_left: Until the trials asked for are done at the pace so far; None before the first end.
        rows: Running trials, then the last ended ones, at most :data:`ROWS`.
    """

    name: str
    metrics: tuple[str, ...]
    counts: Mapping[str, int]
    asked: int
    epochs: int
    epochs_of_trial: int
    front_size: int
    hypervolume: float
    grown_by: int | None
    stalled: int
    used: str
    seconds_left: float | None
    rows: tuple[Row, ...]

    @property
    def done(self) -> int:
        """Trials at their end."""
        return sum(self.counts[state] for state in ENDED)


class Overviews:
    """Looks at a study again and again.

    Args:
        study: The study.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        space = read_yaml(study.path / "space.yaml")
        self._search: dict[str, Any] = dict(space.get("search") or {})
        self._last: dict[int, Mapping[str, Any]] = {}
        self._seconds: dict[int, float] = {}
        self._epochs = 0
        self._elapsed = 0.0

    def take(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take note of further rows of the ledger."""
        for row in rows:
            number = row["trial"]
            self._epochs += 1
            self._last[number] = row
            self._seconds[number] = self._seconds.get(number, 0.0) + float(row.get("seconds", 0.0))
            self._elapsed = max(self._elapsed, float(row.get("elapsed", 0.0)))

    def reread(self) -> Overview:
        """The study now, with the ledger read anew."""
        self._last, self._seconds, self._epochs, self._elapsed = {}, {}, 0, 0.0
        self.take(self._study.epochs())
        return self.now()

    def now(self) -> Overview:
        """The study now, with the rows of the ledger noted so far."""
        study = self._study
        trials, ended, counts = study.trials(), study.ended(), study.counts()
        front = {trial.number for trial in study.front()}
        volume, grown_by, stalled = self._growth(ended)
        running = [trial for trial in trials if trial.state == "RUNNING"]
        shown = [*running, *reversed(ended)][:ROWS]
        done = sum(counts[state] for state in ENDED)
        left = self._elapsed / done * max(0, study.asked - done) if done and self._elapsed else None
        return Overview(
            name=study.name,
            metrics=tuple(objective.metric for objective in study.objectives),
            counts=counts,
            asked=study.asked,
            epochs=self._epochs,
            epochs_of_trial=study.settings.epochs,
            front_size=len(front),
            hypervolume=volume,
            grown_by=grown_by,
            stalled=stalled,
            used=self._used(),
            seconds_left=left,
            rows=tuple(self._row(trial, trial.number in front) for trial in shown),
        )

    def _growth(self, ended: list[TrialRecord]) -> tuple[float, int | None, int]:
        """Hypervolume, the trial that last moved it, and how many ended since; 0 before there is a front."""
        volume, grown_by, stalled, begun = 0.0, None, 0, False
        for trial, (number, now) in zip(ended, growth(ended, self._study.objectives), strict=True):
            stalled += begun
            begun = begun or trial.state == "COMPLETE"
            if now > volume:
                volume, grown_by, stalled = now, number, 0
        return volume, grown_by, stalled

    def _used(self) -> str:
        limits = {**self._search, **self._study.limits}
        gpus = float(limits.get("gpus_per_trial") or 0.0)
        parts = [_amount(max(self._elapsed, self._study.elapsed) / 3600, limits.get("hours"), "h")]
        if gpus:
            parts.append(_amount(sum(self._seconds.values()) * gpus / 3600, limits.get("gpu_hours"), "GPU h"))
        if limit := limits.get("total_epochs"):
            parts.append(f"{self._epochs} of {limit} epochs")
        return ", ".join(parts)

    def _row(self, trial: TrialRecord, on_front: bool) -> Row:
        last = self._last.get(trial.number, {})
        metrics = [objective.metric for objective in self._study.objectives]
        values = trial.values or {m: last[m] for m in metrics if last.get(m) is not None}
        epoch = trial.epoch if trial.epoch is not None else last.get("epoch")
        trained = int(last.get("epoch", 0))
        rungs = [rung for rung in self._study.settings.rungs if rung <= trained]
        return Row(
            number=trial.number,
            state=trial.state,
            encoders=str(trial.params.get("streams", "")),
            weighting=weighting(trial.params),
            epoch=epoch,
            rung=rungs[-1] if rungs else None,
            values=values,
            seconds=self._seconds.get(trial.number, 0.0),
            on_front=on_front,
        )


def weighting(params: Mapping[str, Any]) -> str:
    """The weighting scheme of a trial, with λ where it has one: ``λ 0.33``, ``dwa``."""
    if "weighting.lambda" in params:
        return f"λ {float(params['weighting.lambda']):.2f}"
    return str(params.get("weighting.name", ""))


def _amount(used: float, limit: float | None, unit: str) -> str:
    return f"{used:.2f} {unit}" if limit is None else f"{used:.2f} of {limit:g} {unit}"
