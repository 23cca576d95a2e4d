"""Small studies without a search: a real folder, journal and ledger, with made-up figures in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from serhpo.corpus.folds import ProtocolConfig
from serhpo.pareto import standard_objectives
from serhpo.study import Study, StudySettings, new_study
from serhpo.study.ledger import Ledger

START = datetime(2026, 3, 1, 12, 0)
STREAMS = ("mfcc", "mel", "waveform", "mfcc+mel", "mfcc+waveform", "mel+waveform")
SPACE = {
    "streams": CategoricalDistribution(STREAMS),
    "model.width": CategoricalDistribution((16, 32, 48)),
    "model.co_attention": CategoricalDistribution(("none", "cross")),
    "weighting.name": CategoricalDistribution(("fixed", "dwa")),
    "weighting.lambda": FloatDistribution(0.1, 0.9),
    "optimiser.lr": FloatDistribution(3e-4, 1e-2, log=True),
}
BASELINES = {
    "trial": 1,
    "majority_class": {"ua": 0.25, "wa": 0.31, "ccc": 0.0},
    "class_mean": {"ua": 0.58, "wa": 0.57, "ccc": 0.36},
    "class_mean_posterior": {"ua": 0.58, "wa": 0.57, "ccc": 0.40},
    "class_mean_oracle": {"ua": 1.0, "wa": 1.0, "ccc": 0.62},
}
LOCK = {
    "serhpo": "0.1.0",
    "git": "0123456789abcdef0123456789abcdef01234567",
    "python": "3.11.9",
    "packages": {"ray": "2.60.0", "optuna": "5.0.0", "torch": "2.13.0"},
    "corpus": "embedded",
    "corpus_digest": "aa" * 16,
    "space_digest": "bb" * 16,
    "seed": 0,
    "folds": [
        {"name": "1", "train": ["1F", "1M"], "validation": ["2F", "2M"], "test": ["3F", "3M"]},
        {"name": "2", "train": ["2F", "2M"], "validation": ["1F", "1M"], "test": ["3F", "3M"]},
    ],
}


@dataclass(frozen=True)
class FakeTrial:
    """A trial to write down: one ``(ua, ccc)`` an epoch; ``ended`` is its place in the order of ends.

    Where the first trial of a study has ``parameters``, these are its third objective.
    """

    state: str
    curve: Sequence[tuple[float, float]] = ()
    params: Mapping[str, Any] = field(default_factory=lambda: {"streams": "mel", "model.width": 32})
    reason: str | None = None
    ended: int | None = None
    parameters: int | None = None

    def at(self, point: tuple[float, float]) -> dict[str, float]:
        """The objectives of one epoch."""
        values = dict(zip(("ua", "ccc"), point, strict=True))
        return values if self.parameters is None else {**values, "parameters": self.parameters}


# Trials 0 and 2 are the front; 1 is dominated by 0; 2 counts with epoch 2, not its last; 4 ends before 3.
STANDARD = (
    FakeTrial("COMPLETE", [(0.40, 0.10), (0.50, 0.20), (0.60, 0.30)], {"streams": "mel", "model.width": 16}),
    FakeTrial("COMPLETE", [(0.35, 0.10), (0.45, 0.15), (0.55, 0.25)], {"streams": "mfcc+mel"}),
    FakeTrial("COMPLETE", [(0.30, 0.20), (0.50, 0.45), (0.48, 0.44)], {"streams": "mfcc+mel"}),
    FakeTrial("PRUNED", [(0.30, 0.05)], {"streams": "waveform", "weighting.lambda": 0.5}, ended=4),
    FakeTrial("FAIL", [(0.26, 0.01)], reason="the loss is not finite", ended=3),
    FakeTrial("RUNNING", [(0.33, 0.07), (0.41, 0.12)]),
)


def make_study(
    path: Path,
    trials: Sequence[FakeTrial] = STANDARD,
    *,
    name: str = "demo",
    baselines: Mapping[str, Any] | None = BASELINES,
    ledger: bool = True,
    epochs: int = 3,
    rungs: Sequence[int] = (1,),
) -> Study:
    """A study of made-up trials in a new folder.

    A complete trial counts with the epoch that has the highest mean of its objectives, a pruned one with
    its last, which is taken to be a rung. Every standard error is 0.03 for UA and 0.02 for CCC.
    """
    settings = StudySettings(
        name=name,
        created="2026-03-01T11:59:00+00:00",
        corpus="/data/embedded",
        corpus_name="embedded",
        classes=("angry", "happy", "neutral", "sad"),
        space="smoke",
        objectives=standard_objectives(4, list(trials[0].at((0, 0)) if trials else ("ua", "ccc"))),
        protocol=ProtocolConfig(),
        claim="held-out session: the search never saw the test speakers",
        epochs=epochs,
        rungs=tuple(rungs),
        seed=0,
    )
    study = new_study(path, settings, {}, LOCK, len(trials))
    for number, trial in enumerate(trials):
        _add(study, number, trial)
    if ledger:
        _write_ledger(path / "epochs.jsonl", trials)
    if baselines is not None:
        (path / "baselines.json").write_text(json.dumps(baselines))
    return study


def random_trials(
    count: int, *, epochs: int = 9, rungs: Sequence[int] = (1, 3), seed: int = 0
) -> list[FakeTrial]:
    """Trials with plausible curves; at each rung the better third by UA or by CCC goes on."""
    rng = np.random.default_rng(seed)
    seen: dict[int, list[tuple[float, float]]] = {rung: [] for rung in rungs}
    trials = []
    for _ in range(count):
        params = {name: _draw(distribution, rng) for name, distribution in SPACE.items()}
        if params["weighting.name"] == "dwa":
            del params["weighting.lambda"]
        weight = params.get("weighting.lambda", 0.5)
        skill = rng.beta(3, 3) + 0.12 * params["streams"].count("+")
        goal = 0.30 + 0.38 * skill * weight**0.35, 0.06 + 0.60 * skill * (1.1 - weight) ** 0.5
        curve: list[tuple[float, float]] = []
        state = "COMPLETE"
        for epoch in range(1, epochs + 1):
            grown = 1 - np.exp(-epoch / (0.3 * epochs))
            point = [
                start + (end - start) * grown + rng.normal(0, 0.012)
                for start, end in zip((0.27, 0.02), goal, strict=True)
            ]
            curve.append((float(point[0]), float(point[1])))
            if epoch in seen:
                seen[epoch].append(curve[-1])
                allowed = max(1.0, len(seen[epoch]) / 3)
                places = [sum(other[axis] > curve[-1][axis] for other in seen[epoch]) for axis in (0, 1)]
                if min(places) >= allowed:
                    state = "PRUNED"
                    break
        trials.append(FakeTrial(state, curve, params))
    return trials


def _draw(distribution: Any, rng: np.random.Generator) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[rng.integers(len(distribution.choices))]
    low, high = distribution.low, distribution.high
    return float(
        np.exp(rng.uniform(np.log(low), np.log(high))) if distribution.log else rng.uniform(low, high)
    )


def _add(study: Study, number: int, trial: FakeTrial) -> None:
    notes: dict[str, Any] = {}
    values = None
    if trial.state == "COMPLETE":
        values = max(trial.curve, key=sum)
        notes = {"epoch": trial.curve.index(values) + 1}
    elif trial.state == "PRUNED":
        last = len(trial.curve)
        notes = {
            "epoch": last,
            "rung": last,
            "values": trial.at(trial.curve[-1]),
        }
    elif trial.state == "FAIL":
        notes = {"epoch": len(trial.curve), "reason": trial.reason}
    frozen = create_trial(
        state=TrialState[trial.state],
        values=list(trial.at(values).values()) if values else None,
        params=dict(trial.params),
        distributions={name: SPACE[name] for name in trial.params},
        user_attrs=notes,
    )
    if frozen.state.is_finished():
        place = number if trial.ended is None else trial.ended
        frozen.datetime_complete = START + timedelta(minutes=place)
    study.journal.add_trial(frozen)


def _write_ledger(path: Path, trials: Sequence[FakeTrial]) -> None:
    ledger = Ledger(path)
    for number, trial in enumerate(trials):
        for epoch, point in enumerate(trial.curve, start=1):
            row = {"trial": number, "epoch": epoch, **trial.at(point), "se_ua": 0.03, "se_ccc": 0.02}
            ledger.append({**row, "wa": point[0], "seconds": 1.0})
    ledger.close()
