"""What a setting is worth over many trials: means with it against means without it, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serhpo.report.numbers import Numbers, Trial

FEWEST = 3
"""Complete trials on each side below which nothing is said."""

_LEVELS = 6
"""Values a parameter may have at most to be compared one by one."""

_DRAWS = 2000
_LAMBDA = "weighting.lambda"


@dataclass(frozen=True)
class Effect:
    """How much better or worse trials with a setting did than those without.

    Attributes:
        setting: In words: ``mel``, ``model.co_attention = cross``, ``λ below 0.33``.
        having: Complete trials with it.
        others: Complete trials without it that could have had it.
        differences: By metric: difference of the means, low and high end of its 95 % interval.
    """

    setting: str
    having: int
    others: int
    differences: Mapping[str, tuple[float, float, float]]


def effects(numbers: Numbers) -> tuple[Effect, ...]:
    """Effects of every encoder, of every value of the parameters with few values, and of λ by thirds.

    Compared are complete trials that have the parameter at all, at the epoch that stands for them. The
    interval is a percentile bootstrap over trials. A sampler that learns does not vary one setting at a
    time: an effect says what went together with better figures.
    """
    complete = [trial for trial in numbers.trials if trial.state == "COMPLETE"]
    metrics = [objective.metric for objective in numbers.measured]
    found = []
    for name, having, others in _splits(complete):
        if min(len(having), len(others)) >= FEWEST:
            differences = {metric: _difference(having, others, metric) for metric in metrics}
            found.append(Effect(name, len(having), len(others), differences))
    return tuple(found)


def _splits(trials: Sequence[Trial]) -> Iterator[tuple[str, list[Trial], list[Trial]]]:
    """Every setting with the trials that have it and those that could have had it."""
    searched = [trial for trial in trials if trial.streams]
    for stream in sorted({name for trial in searched for name in (trial.streams or "").split("+")}):
        yield _part(f"encoder {stream}", searched, [stream in (t.streams or "").split("+") for t in searched])
    for name in dict.fromkeys(name for trial in trials for name in trial.params):
        own = [trial for trial in trials if name in trial.params]
        values = sorted({trial.params[name] for trial in own}, key=str)
        if name == _LAMBDA:
            yield from _thirds(own)
        elif 2 <= len(values) <= _LEVELS and not any(isinstance(value, float) for value in values):
            for value in values[1:] if len(values) == 2 else values:
                yield _part(f"{name} = {_text(value)}", own, [t.params[name] == value for t in own])


def _thirds(trials: Sequence[Trial]) -> Iterator[tuple[str, list[Trial], list[Trial]]]:
    lambdas = [float(trial.params[_LAMBDA]) for trial in trials]
    yield _part("λ below 1/3", trials, [value < 1 / 3 for value in lambdas])
    yield _part("λ from 1/3 to 2/3", trials, [1 / 3 <= value <= 2 / 3 for value in lambdas])
    yield _part("λ above 2/3", trials, [value > 2 / 3 for value in lambdas])


def _part(name: str, trials: Sequence[Trial], having: Sequence[bool]) -> tuple[str, list[Trial], list[Trial]]:
    inside = [trial for trial, has in zip(trials, having, strict=True) if has]
    return name, inside, [trial for trial, has in zip(trials, having, strict=True) if not has]


def _difference(having: Sequence[Trial], others: Sequence[Trial], metric: str) -> tuple[float, float, float]:
    rng = np.random.default_rng(0)
    ours, theirs = (np.array([trial.values[metric] for trial in part]) for part in (having, others))
    draws = _resampled(ours, rng) - _resampled(theirs, rng)
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(ours.mean() - theirs.mean()), float(low), float(high)


def _resampled(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    means: NDArray[np.float64] = values[rng.integers(0, len(values), (_DRAWS, len(values)))].mean(axis=1)
    return means


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
