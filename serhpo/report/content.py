"""All that a report of one study shows: numbers, figures, and what chosen trials predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import plotly.graph_objects as go

from serhpo.config import read_yaml
from serhpo.errors import StudyError
from serhpo.evaluate import documents
from serhpo.report.compute import compute
from serhpo.report.curve_figures import curve_figure, hypervolume_figure, hypervolume_hours_figure
from serhpo.report.front_figure import front_figure
from serhpo.report.look_figures import profile_figure
from serhpo.report.looks import Look, looks
from serhpo.report.marginals import Effect, effects
from serhpo.report.numbers import Numbers
from serhpo.report.outcome_figures import ratings_figure
from serhpo.report.outcomes import Outcome, chosen, outcomes
from serhpo.report.worth_figures import effects_figure, importance_figure, lambda_figure, weights_figure
from serhpo.study import Study
from serhpo.study.importance import importances


@dataclass(frozen=True)
class Content:
    """Everything a report shows of one study.

    Attributes:
        numbers: Trials, front, hypervolume.
        importances: ``{metric: {parameter: share}}``, empty with too few complete trials.
        effects: What settings went together with.
        outcomes: Of chosen trials.
        missing_outcomes: Why there are none; empty where there are.
        looks: Where chosen trials look.
        missing_looks: Why some or all are missing.
        evaluations: Of test speakers, as :func:`serhpo.evaluate.documents` gives them.
        missing_evaluations: Why they cannot be shown; empty where they are, or where there are none.
        gpus: Of a trial.
        figures: By name, None where there is nothing to draw.
    """

    numbers: Numbers
    importances: Mapping[str, Mapping[str, float]]
    effects: tuple[Effect, ...]
    outcomes: tuple[Outcome, ...]
    missing_outcomes: str
    looks: tuple[Look, ...]
    missing_looks: str
    evaluations: tuple[Mapping[str, Any], ...]
    missing_evaluations: str
    gpus: float
    figures: Mapping[str, go.Figure | None]


def collect(study: Study) -> Content:
    """Read a study once and make everything its report shows.

    Raises:
        StudyError: Journal or ledger is damaged.
    """
    numbers = compute(study)
    found, missing = outcomes(study, [trial.number for trial in numbers.front])
    folds = {outcome.number: outcome.folds for outcome in found}
    trials = tuple(replace(trial, folds=folds.get(trial.number, {})) for trial in numbers.trials)
    numbers = replace(numbers, trials=trials)
    shown = tuple(outcome for outcome in found if outcome.number in chosen(numbers))
    seen, unseen = looks(study, chosen(numbers))
    shares, worth = importances(study), effects(numbers)
    search = read_yaml(study.path / "space.yaml").get("search") or {}
    gpus = float(search.get("gpus_per_trial") or 0.0)
    figures = {
        "front": front_figure(numbers),
        "hypervolume": hypervolume_figure(numbers),
        "hypervolume-hours": hypervolume_hours_figure(numbers, gpus),
        **{f"curve-{o.metric}": curve_figure(numbers, o) for o in numbers.measured},
        "importance": importance_figure(shares),
        "effects": effects_figure(worth, numbers),
        "lambda": lambda_figure(numbers),
        "weights": weights_figure(numbers),
        **{f"ratings-{outcome.number}": ratings_figure(outcome) for outcome in shown},
        **{f"looks-{look.number}": profile_figure(look) for look in seen},
    }
    measured, unreadable = _evaluations(study)
    return Content(numbers, shares, worth, shown, missing, seen, unseen, measured, unreadable, gpus, figures)


def _evaluations(study: Study) -> tuple[tuple[Mapping[str, Any], ...], str]:
    """What was measured on test speakers, or why it cannot be read: a report is worth having without it."""
    try:
        return tuple(documents(study)), ""
    except StudyError as error:
        return (), f"{error.what}."
