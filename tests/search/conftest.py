"""A search driven by hand: a real study folder, journal and ledger, and no Ray process."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serhpo.corpus.folds import ProtocolConfig
from serhpo.pareto import standard_objectives
from serhpo.search.record import Record
from serhpo.search.rungs import Rungs, rung_levels
from serhpo.search.sampler import StudySearch
from serhpo.search.scheduler import ParetoASHA
from serhpo.search.space import Space, load_space_data
from serhpo.study import Study, StudySettings, TrialRecord, new_study

PARAMETERS = {
    "streams": {"subset": ["mfcc", "mel"]},
    "model.width": {"choice": [16, 32]},
    "model.dropout": {"float": [0.0, 0.4]},
    "weighting.name": {"choice": ["fixed", "dwa"]},
    "weighting.lambda": {"float": [0.1, 0.9], "when": {"weighting.name": "fixed"}},
}
SEARCH = {"trials": 6, "epochs": 9, "grace_period": 1, "reduction_factor": 3, "sampler": "random", "seed": 5}


def make_space(parameters: dict[str, Any] | None = None, *, checked: bool = True, **search: Any) -> Space:
    data = {"parameters": PARAMETERS if parameters is None else parameters, "search": {**SEARCH, **search}}
    return load_space_data(data, "x") if checked else Space.model_validate(data)


def make_rungs(space: Space) -> Rungs:
    return Rungs(standard_objectives(4), space.search)


def make_study(path: Path, space: Space, lock: dict[str, Any] | None = None, **more: Any) -> Study:
    s = space.search
    settings = StudySettings(
        name=path.name,
        created="2026-03-01T12:00:00+00:00",
        corpus="/data",
        corpus_name="data",
        classes=("angry", "happy", "neutral", "sad"),
        space="x",
        objectives=standard_objectives(4),
        protocol=ProtocolConfig(),
        claim="held-out session",
        epochs=s.epochs,
        rungs=tuple(rung_levels(s.epochs, s.grace_period, s.reduction_factor)),
        seed=s.seed,
    )
    data = space.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return new_study(path, settings, data, lock or {"folds": []}, s.trials, **more)


class Driver:
    """What Tune does with suggestions and results, in its order. A new one is a resumed search."""

    def __init__(self, study: Study, space: Space) -> None:
        self.study = Study(study.path)
        self.ended: list[TrialRecord] = []
        rungs = make_rungs(space)
        self.record = Record(self.study, rungs)
        self.scheduler = ParetoASHA(rungs)
        self.search = StudySearch(self.record, space, self.ended.append)
        self.search.wait_s = 60.0  # however loaded the machine
        self._epochs = space.search.epochs
        self._started = 0

    def start(self) -> tuple[str, dict[str, Any]]:
        """Tune's id of the next trial, and its job."""
        self._started += 1
        job = self.search.suggest(f"tune{self._started}")
        assert isinstance(job, dict), job
        return f"tune{self._started}", {**job, "trial": json.loads(job["trial"])}

    def epoch(self, trial: str, number: int, epoch: int, ua: float, ccc: float) -> bool:
        """Report an epoch; whether the trial goes on."""
        row = {"trial": number, "epoch": epoch, "ua": ua, "ccc": ccc}
        result = {**row, "done": epoch >= self._epochs, "training_iteration": epoch}
        # A result that is done never reaches the scheduler.
        stop = result["done"] or self.scheduler.on_trial_result(None, None, result) == "STOP"
        if not stop:
            self.search.on_trial_result(trial, result)
        self.record.add(row)
        if stop:
            self.scheduler.on_trial_complete(None, None, result)
            self.search.on_trial_complete(trial, result)
        return not stop

    def train(self, trial: str, number: int, ua: float, ccc: float, first: int = 1) -> int:
        """Report epochs that rise to ``(ua, ccc)`` until the trial ends; the last epoch reported."""
        for epoch in range(first, self._epochs + 1):
            share = epoch / self._epochs
            if not self.epoch(trial, number, epoch, ua * share, ccc * share):
                return epoch
        raise AssertionError("the last epoch ends a trial")

    def states(self) -> dict[int, str]:
        return {trial.number: trial.state for trial in Study(self.study.path).trials()}


@pytest.fixture
def space() -> Space:
    return make_space()


@pytest.fixture
def study(tmp_path: Path, space: Space) -> Study:
    return make_study(tmp_path / "s", space)


@pytest.fixture
def new_driver(tmp_path: Path) -> Callable[..., Driver]:
    """Makes a driver on a study of its own."""

    def make(name: str = "other", parameters: dict[str, Any] | None = None, **search: Any) -> Driver:
        space = make_space(parameters, **search)
        return Driver(make_study(tmp_path / name, space), space)

    return make


@pytest.fixture
def drive(study: Study, space: Space) -> Callable[[], Driver]:
    """Starts the search of one study, again each time."""
    return lambda: Driver(study, space)


@pytest.fixture
def four() -> dict[str, Any]:
    """A space of four configurations."""
    return {"model.width": {"choice": [16, 32]}, "batch_size": {"choice": [16, 32]}}


@pytest.fixture
def uneven() -> dict[str, Any]:
    """A space with a hole: 24 channels on 16 heads. Its check finds this one; a rarer one it may not."""
    return {"model.width": {"choice": [16, 24]}, "model.heads": {"choice": [2, 16]}}
