"""Choosing from a front: one trial and why, trials that only noise holds off it, what luck the best had."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from serhpo import pareto
from serhpo.errors import UsageError
from serhpo.pareto import Objective

Values: TypeAlias = Mapping[int, Mapping[str, float]]
"""Objectives of trials by number."""

BIAS_METHOD = "parametric bootstrap around empirical-Bayes means, after Efron 2011"
"""What :func:`selection_bias` does, for the note beside its figure."""

_DRAWS = 4000
_CONSTRAINT = re.compile(r"\s*(\w+)\s*(>=|<=)\s*([-+]?[0-9.]+(?:[eE][-+]?\d+)?)\s*")


@dataclass(frozen=True)
class Choice:
    """One trial of the front, and in words why it."""

    number: int
    why: str


def choose(wish: str, front: Values, objectives: Sequence[Objective]) -> Choice:
    """The one trial of a front that a wish names.

    Args:
        wish: ``knee``, ``best-<metric>``, or a constraint as ``ua>=0.70``: of the trials that keep it, the
            best in the other objective.
        front: The front's members, at least one.
        objectives: What they were optimised for.

    Raises:
        UsageError: The wish cannot be read, or no member fulfils it.
    """
    best = {f"best-{objective.metric}": objective for objective in objectives}
    if wish in best:
        objective = best[wish]
        number = _best(front, objective)
        return Choice(number, f"the front's best {objective.metric.upper()}")
    if wish == "knee":
        return _knee(front, objectives)
    if read := _CONSTRAINT.fullmatch(wish):
        metric, sign, limit = read.groups()
        for objective in objectives:
            if objective.metric == metric.lower() and (sign == ">=") == (objective.direction == "maximise"):
                return _within(front, objectives, objective, wish, _number(limit, wish))
    raise _unreadable(wish, objectives)


def _knee(front: Values, objectives: Sequence[Objective]) -> Choice:
    numbers, matrix = _matrix(front, objectives)
    index = pareto.knee(matrix, objectives)
    if index is not None:
        line = "farthest beyond the line through the front's ends"
        return Choice(numbers[index], f"the knee: {line if len(objectives) == 2 else 'the best scaled mean'}")
    measured = [not objective.counts for objective in objectives]  # a count has another unit
    index = int(pareto.losses(matrix, objectives)[:, measured].sum(axis=1).argmin())
    names = " and ".join(objective.metric.upper() for objective in objectives if not objective.counts)
    return Choice(numbers[index], f"a front of {len(numbers)} has no knee; this is the best mean of {names}")


def _within(
    front: Values, objectives: Sequence[Objective], bound: Objective, wish: str, limit: float
) -> Choice:
    sign = 1.0 if bound.direction == "maximise" else -1.0
    kept = {n: values for n, values in front.items() if sign * (values[bound.metric] - limit) >= 0}
    if not kept:
        reached = pareto.figure(bound.metric, front[_best(front, bound)][bound.metric])
        raise UsageError(
            f"No trial of the front has {bound.metric.upper()} {'≥' if sign > 0 else '≤'} {limit:g}",
            where="--pick",
            got=wish,
            allowed=f"{'up' if sign > 0 else 'down'} to {reached}, the front's best",
        )
    other = next((objective for objective in objectives if objective is not bound), bound)
    many = f"{len(kept)} of the front's {len(front)} trials keep {wish.strip()}"
    return Choice(_best(kept, other), f"{many}; of these the best {other.metric.upper()}")


def _best(trials: Values, objective: Objective) -> int:
    sign = 1.0 if objective.direction == "maximise" else -1.0
    return max(sorted(trials), key=lambda number: sign * trials[number][objective.metric])


def _number(text: str, wish: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError("Not a number", where="--pick", got=wish, allowed="ua>=0.70") from None


def _unreadable(wish: str, objectives: Sequence[Objective]) -> UsageError:
    best = ", ".join(f"best-{objective.metric}" for objective in objectives)
    bounds = ", ".join(
        f'"{o.metric}{">=" if o.direction == "maximise" else "<="}{100_000 if o.counts else 0.5}"'
        for o in objectives
    )
    return UsageError(
        "Unknown way to pick a trial", where="--pick", got=wish, allowed=f"knee, {best}, {bounds}"
    )


def ties(values: Values, errors: Values, objectives: Sequence[Objective]) -> frozenset[int]:
    """Trials off the front that one standard error would bring onto it: not to be called beaten.

    Args:
        values: Of all complete trials.
        errors: Standard errors of the same, as far as known; without one a trial cannot be a tie.
        objectives: What the values are.
    """
    numbers, matrix = _matrix(values, objectives)
    on_front = pareto.front(matrix, objectives)
    turned = pareto.losses(matrix, objectives)
    members = turned[on_front]
    found = set()
    for number, loss, member in zip(numbers, turned, on_front, strict=True):
        own = [0.0 if o.counts else errors.get(number, {}).get(o.metric) for o in objectives]
        if member or not np.isfinite(loss).all() or None in own:
            continue
        lifted = loss - np.array(own, dtype=np.float64)
        beaten = (members <= lifted).all(axis=1) & (members < lifted).any(axis=1)
        if not beaten.any():
            found.add(number)
    return frozenset(found)


def selection_bias(values: ArrayLike, errors: ArrayLike, *, maximise: bool = True) -> float:
    """By how much the best of many noisy figures is expected to flatter the trial that has it.

    The true figures are estimated by empirical Bayes: those observed, drawn to their mean by the share of
    their spread that is noise. Around these, figures are drawn again with the recorded standard errors; the
    bias is what the best draw has on average above its own true figure (Efron, "Tweedie's formula and
    selection bias", JASA 106, 2011; the parametric bootstrap there). Trials share their speakers, so their
    errors go together and the truth is rather smaller; that each trial also chose its best epoch is not
    counted.

    Args:
        values: ``[n]``, one figure per trial.
        errors: ``[n]``, their standard errors.
        maximise: Whether the largest is the best.

    Returns:
        The bias, 0 or more, in the figures' units; 0 for a single trial.
    """
    seen, noise = np.asarray(values, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if len(seen) < 2:
        return 0.0
    noise_variance = float(np.mean(noise**2))
    true_variance = max(0.0, float(seen.var(ddof=1)) - noise_variance)
    weight = true_variance / (true_variance + noise_variance) if true_variance else 0.0
    true = seen.mean() + weight * (seen - seen.mean())
    sign = 1.0 if maximise else -1.0
    drawn = true + noise * np.random.default_rng(0).standard_normal((_DRAWS, len(true)))
    best = (sign * drawn).argmax(axis=1)
    gain = drawn[np.arange(_DRAWS), best] - true[best]
    return max(0.0, sign * float(gain.mean()))


def biases(values: Values, errors: Values, objectives: Sequence[Objective]) -> dict[str, float]:
    """:func:`selection_bias` of each objective over all complete trials, where all their errors are known."""
    found = {}
    for objective in objectives:
        metric = objective.metric
        if values and all(metric in errors[number] for number in values):
            seen = [values[number][metric] for number in values]
            noise = [errors[number][metric] for number in values]
            found[metric] = selection_bias(seen, noise, maximise=objective.direction == "maximise")
    return found


def _matrix(values: Values, objectives: Sequence[Objective]) -> tuple[list[int], NDArray[np.float64]]:
    numbers = sorted(values)
    rows = [[values[number][objective.metric] for objective in objectives] for number in numbers]
    return numbers, np.array(rows, dtype=np.float64).reshape(-1, len(objectives))
