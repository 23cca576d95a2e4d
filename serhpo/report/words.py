"""Numbers and names as they read on the page: formats, axis names, sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serhpo.pareto import Objective, figure
from serhpo.report.numbers import Numbers, Trial
from serhpo.study import Study, agreement_sentence
from serhpo.study.baseline_names import BASELINES
from serhpo.study.choice import BIAS_METHOD
from serhpo.text import counted

SHORT = {"ua": "UA", "ccc": "CCC", "parameters": "Parameters"}
_LONG = {
    "ua": "Unweighted accuracy (UA), 0 to 1",
    "ccc": "Mean CCC of the dimensions, −1 to 1",
}
_STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}
_NONE = "–"


def short(metric: str) -> str:
    """Name of a metric in tables."""
    return SHORT.get(metric, metric)


def axis(objective: Objective, arrow: str, *, brief: bool = False) -> str:
    """Name of an axis with its range, unless brief, and which way is better."""
    better = "higher" if objective.direction == "maximise" else "lower"
    name = short(objective.metric) if brief else _LONG.get(objective.metric, objective.metric)
    return f"{name} · {better} is better {arrow}"


def state(name: str) -> str:
    """A trial state in plain words."""
    return _STATES.get(name, "waiting")


def number(value: float, digits: int = 3) -> str:
    """A figure with a true minus sign, and none at nought."""
    return f"{value:z.{digits}f}".replace("-", "−")


def measured(values: Mapping[str, float], errors: Mapping[str, float], metric: str) -> str:
    """``0.612 ± 0.031``; a dash where there is no value."""
    if metric not in values:
        return _NONE
    error = f" ± {number(errors[metric])}" if metric in errors else ""
    return figure(metric, values[metric]).replace("-", "−") + error


def setting(value: Any) -> str:
    """A parameter's value as it would stand in YAML, floats to three figures."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.3g}".replace("e-0", "e-") if isinstance(value, float) else str(value)


def streams(joined: str | None) -> str:
    """A combination of encoders."""
    return joined.replace("+", " + ") if joined else _NONE


def baseline(name: str) -> str:
    """Name of a baseline in figures and tables."""
    return BASELINES[name].label if name in BASELINES else name.replace("_", " ")


def meaning(name: str) -> str:
    """What a baseline does, in one line."""
    return BASELINES[name].meaning if name in BASELINES else ""


def settings(trial: Trial) -> str:
    """All parameters of a trial in one line."""
    return " · ".join(f"{name} {setting(value)}" for name, value in trial.params.items())


def front_sentence(numbers: Numbers) -> str:
    """What the front's figure says, for those who read it instead of seeing it."""
    front = numbers.front
    if not front:
        return "No trial is complete yet, so there is no front."
    first, second = (objective.metric for objective in numbers.objectives[:2])
    if len(front) == 1:
        only = front[0]
        return (
            f"Trial {only.number} is at least as good as every other complete trial in all objectives: "
            f"{short(first)} {measured(only.values, only.errors, first)}, "
            f"{short(second)} {measured(only.values, only.errors, second)}."
        )
    low, high = front[0], front[-1]
    knee = "" if numbers.knee is None else f" The bend of the front (knee) is trial {numbers.knee}."
    return (
        f"{len(front)} of {counted(numbers.in_state('COMPLETE'), 'complete trial')} stand on the front, from "
        f"trial {low.number} ({short(first)} {number(low.values[first])}, {short(second)} "
        f"{number(low.values[second])}) to trial {high.number} ({short(first)} {number(high.values[first])}, "
        f"{short(second)} {number(high.values[second])}).{knee}"
    )


def baseline_sentence(numbers: Numbers) -> str:
    """How the best CCC stands to class means, which need no dimension head at all."""
    if numbers.baselines is None:
        return "The baselines are measured when the search ends; there are none yet."
    means = next((row for row in numbers.baselines if row.name == "class_mean"), None)
    if means is None or not numbers.front or "ccc" not in means.values:
        return ""
    best = max(numbers.front, key=lambda trial: trial.values["ccc"])
    gain = best.values["ccc"] - means.values["ccc"]
    error = best.errors.get("ccc", 0.0)
    verdict = "less than one standard error from" if abs(gain) < error else "above" if gain > 0 else "below"
    return (
        f"The best CCC, {measured(best.values, best.errors, 'ccc')} (trial {best.number}), lies {verdict} "
        f"the class-mean baseline's {number(means.values['ccc'])}: what looking up the mean ratings of the "
        "predicted class gives without any dimension head."
    )


def single_task_sentence(numbers: Numbers) -> str:
    """What it means where training for classification alone (λ = 1) beats the front's best UA."""
    means = next((row for row in numbers.baselines or () if row.name == "class_mean"), None)
    best = numbers.best("ua") if any(o.metric == "ua" for o in numbers.objectives) else None
    if means is None or best is None or means.values.get("ua", 0.0) <= best.values["ua"]:
        return ""
    gain = means.values["ua"] - best.values["ua"]
    noise = (
        "less than one standard error, so a draw"
        if gain < best.errors.get("ua", 0.0)
        else "the joint models pay for their ratings with accuracy, or the search has not gone far enough"
    )
    return (
        f"The class means stand at UA {number(means.values['ua'])}, above the front's best: they come "
        f"from one training for classification alone (λ = 1), at the epoch with its highest UA; "
        f"{number(gain)} more, {noise}."
    )


def ties_sentence(numbers: Numbers) -> str:
    """Which trials must not be called beaten."""
    tied = [str(trial.number) for trial in numbers.trials if trial.tie]
    if not tied:
        return ""
    return (
        f"{counted(len(tied), 'trial')} off the front would stand on it with figures one standard error "
        f"better: ties, not beaten ({', '.join(tied)})."
    )


def bias_sentence(numbers: Numbers) -> str:
    """By how much the best of many estimates flatters itself."""
    if not numbers.biases:
        return ""
    parts = [f"the best {short(metric)} {number(bias)}" for metric, bias in numbers.biases.items()]
    return (
        f"The best of many noisy figures flatters itself: expect {' and '.join(parts)} lower ({BIAS_METHOD})."
    )


def importance_sentence(importances: Mapping[str, Mapping[str, float]]) -> str:
    """The most important parameters of each objective."""
    parts = []
    for metric, shares in importances.items():
        top = sorted(shares, key=lambda name: -shares[name])[:3]
        parts.append(f"{short(metric)}: " + ", ".join(f"{name} {number(shares[name], 2)}" for name in top))
    return f"Most important for {'; for '.join(parts)}."


def cost_sentence(numbers: Numbers, gpus: float) -> str:
    """What the study took."""
    hours = numbers.seconds / 3600
    pruned = sum(trial.seconds for trial in numbers.trials if trial.state == "PRUNED") / 3600
    searched = next((step.hours for step in reversed(numbers.hypervolume) if step.hours is not None), None)
    clock = "" if searched is None else f" in {number(searched, 2)} hours of searching"
    cards = f", {number(hours * gpus, 2)} GPU hours" if gpus else ""
    return (
        f"{counted(numbers.epochs, 'epoch')} took {number(hours, 2)} hours of training{cards}{clock}; "
        f"{number(pruned, 2)} of them went to trials that were pruned."
    )


def same_sentence(compared: Sequence[tuple[Study, Numbers]]) -> str:
    """Whether studies measured the same thing."""
    measured_on = {
        (study.lock.get("corpus_digest"), study.settings.classes, str(study.folds()), study.objectives)
        for study, _ in compared
    }
    if len(measured_on) == 1:
        return "These studies share corpus, classes, folds and objectives: their figures compare."
    return "These studies differ in corpus, classes, folds or objectives: their figures do not compare."


def signed(value: float) -> str:
    """A difference, with its sign."""
    return ("+" if value >= 0 else "") + number(value)


def rungs_sentence(numbers: Numbers) -> str:
    """How many of the trials that reached a rung were pruned there."""
    parts = [f"{rung.stopped} of {rung.reached} at epoch {rung.epoch}" for rung in numbers.rungs]
    pruned = f"Pruned: {', '.join(parts)}. " if parts else ""
    ran = f"{counted(numbers.in_state('COMPLETE'), 'trial')} ran to the end."
    return f"{pruned}{ran} {agreement_sentence(numbers.agreement)}".strip()


def hypervolume_sentence(numbers: Numbers) -> str:
    """How the hypervolume grew and when it last did."""
    steps = numbers.hypervolume
    if not steps:
        return "No trial has ended yet."
    last = steps[-1]
    if not last.hypervolume:
        return f"After {counted(last.finished, 'finished trial')} the hypervolume is still 0."
    grown = next(step for step in steps if step.hypervolume == last.hypervolume)
    return (
        f"After {counted(last.finished, 'finished trial')} the hypervolume is {number(last.hypervolume, 4)}. "
        f"It last grew with trial {grown.number}, the {_ordinal(grown.finished)} to end."
    )


def _ordinal(position: int) -> str:
    ending = "th" if position % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(position % 10, "th")
    return f"{position}{ending}"
