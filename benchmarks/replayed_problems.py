"""What replayed searches optimise: test problems with a known front, and recorded learning curves.

A problem turns a configuration into learning curves without training anything.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow.parquet as pq
from sklearn.ensemble import ExtraTreesRegressor

from serhpo.pareto import Objective, standard_objectives
from serhpo.search.parameter import Parameter
from serhpo.search.space import Space

Array = np.ndarray
EPOCHS = 27
MAGNITUDES = 4  # from the smallest model to the largest, in a test problem with sizes


class Problem(Protocol):
    """One thing to search.

    Attributes:
        name: For tables.
        space: What can be varied.
        objectives: UA and CCC, or what stands in for them; a count may follow.
        best: Hypervolume of the true front; None where nobody knows it.
        grace_period: Epoch of the first rung.
        paired_error: Standard error of the difference of two trials at one epoch; None where not known.
    """

    name: str
    space: Space
    objectives: tuple[Objective, ...]
    best: float | None
    grace_period: int
    paired_error: float | None

    def curves(self, assignment: Mapping[str, Any], rng: np.random.Generator) -> Array:
        """``(epochs, objectives)``: what a trial would report."""

    def truth(self, assignment: Mapping[str, Any]) -> Array:
        """``(objectives,)``: what the configuration is worth when fully trained, free of noise."""

    def seconds(self, assignment: Mapping[str, Any]) -> float:
        """Time of an epoch, in any unit."""


@dataclass
class QuarterCircle:
    """Two objectives whose front is a quarter of the unit circle, as in DTLZ2 (Deb et al. 2002).

    One parameter is the place on the front, five and a branch with a parameter of its own the distance to
    it; two of the five depend on each other. A curve rises to its end as 1 − exp(−t/τ). Well-behaved: τ is
    everybody's. Crossing: τ falls with a learning rate whose best value is a low one, and the second
    objective takes half as long again, so who is ahead early is often not who is ahead in the end.

    Sized: one more parameter is the size of the model, a third objective known without noise, 10⁴ to 10⁸.
    The larger the better the other two can be: the front is an eighth of a sphere, its third axis the
    orders of magnitude below 10⁸, a quarter of them.

    Attributes:
        crossing: Whether curves cross.
        sized: Whether there is a third objective.
        noise: Standard deviation of what is reported around the curve.
        lasting: Share of the noise's variance that a trial keeps over its epochs, as the luck of a model on
            few utterances does; the rest is new at every epoch.
    """

    crossing: bool
    noise: float = 0.015
    lasting: float = 0.0
    sized: bool = False

    def __post_init__(self) -> None:
        unit = {"float": [0.0, 1.0]}
        parameters = dict.fromkeys(("angle", "a", "b", "c", "d", "rate"), unit)
        parameters["branch"] = {"choice": ["left", "right", "dead end"]}
        parameters["depth"] = {**unit, "when": {"branch": "left"}}
        self.name = ("noisy " if self.lasting else "sized " if self.sized else "") + (
            "crossing curves" if self.crossing else "well-behaved curves"
        )
        self.objectives: tuple[Objective, ...] = Objective(metric="ua"), Objective(metric="ccc")
        self.best = math.pi / 4
        if self.sized:
            parameters["size"] = unit
            self.objectives += standard_objectives(4, ["parameters"])
            self.best = MAGNITUDES * math.pi / 6
        self.space = Space.model_validate({"parameters": parameters})
        self.grace_period = 1
        self.paired_error = math.sqrt(2) * self.noise

    def truth(self, assignment: Mapping[str, Any]) -> Array:
        a, b, c, d, rate = (assignment[name] for name in ("a", "b", "c", "d", "rate"))
        twist = (a - 0.7) + (b - 0.2), (a - 0.7) - (b - 0.2)
        distance = 0.5 * twist[0] ** 2 + 2 * twist[1] ** 2 + (c - 0.4) ** 2 + (d - 0.9) ** 2
        distance += (rate - 0.3) ** 2
        distance += {"left": (assignment.get("depth", 0) - 0.5) ** 2, "right": 0.1, "dead end": 0.3}[
            assignment["branch"]
        ]
        angle = assignment["angle"] * math.pi / 2
        quality = max(0.0, 1 - 0.4 * distance) * np.array([math.cos(angle), math.sin(angle)])
        if not self.sized:
            return quality
        small = 1 - assignment["size"]
        return np.array([*quality * math.sqrt(1 - small**2), 10 ** (8 - MAGNITUDES * small)])

    def curves(self, assignment: Mapping[str, Any], rng: np.random.Generator) -> Array:
        rate = assignment["rate"] if self.crossing else 0.6
        slowness = 1.5 * (14 / 1.5) ** (1 - rate) * np.array([1.0, 1.5 if self.crossing else 1.0])
        epoch = np.arange(1, EPOCHS + 1)[:, None]
        grown = (1 - np.exp(-epoch / slowness)) / (1 - np.exp(-EPOCHS / slowness))
        fresh = rng.normal(0, self.noise * math.sqrt(1 - self.lasting), (EPOCHS, 2))
        kept = rng.normal(0, self.noise * math.sqrt(self.lasting), 2)
        truth = self.truth(assignment)
        return np.hstack([truth[:2] * grown + fresh + kept, np.tile(truth[2:], (EPOCHS, 1))])

    def seconds(self, assignment: Mapping[str, Any]) -> float:
        return 1.0 + assignment["d"]


class Recorded:
    """Curves of ``benchmarks/record_curves.py``; an unseen configuration has those of its neighbours.

    Neighbours are the five recorded configurations that share most leaves of a forest with it, weighted by
    that share (Lin & Jeon 2006): what has no influence on UA and CCC then makes no distance either.
    """

    best = paired_error = None
    grace_period = 9
    neighbours = 5

    def __init__(self, path: Path) -> None:
        table = pq.read_table(path)
        rows = [row for row in table.to_pylist() if not row["diverged"]]
        self.name = path.stem
        self.space = Space.model_validate(json.loads(table.schema.metadata[b"space"]))
        self.objectives = standard_objectives(4)
        self.recorded = np.array([np.transpose([row["ua"], row["ccc"]]) for row in rows])
        self._seconds = np.array([np.mean(row["seconds"]) for row in rows])
        self._points = np.array([encode(self.space, json.loads(row["parameters"])) for row in rows])

    def curves(self, assignment: Mapping[str, Any], rng: np.random.Generator) -> Array:
        return np.tensordot(self._weights(assignment), self.recorded, axes=1)

    def truth(self, assignment: Mapping[str, Any]) -> Array:
        curves = self.curves(assignment, np.random.default_rng(0))
        return curves[np.argmax(curves.sum(axis=1))]

    def seconds(self, assignment: Mapping[str, Any]) -> float:
        return float(self._weights(assignment) @ self._seconds)

    def _weights(self, assignment: Mapping[str, Any]) -> Array:
        return self._similar(encode(self.space, assignment)[None])[0]

    @cached_property
    def _similar(self) -> Callable[[Array], Array]:
        return similar(self._points, self.recorded, self.neighbours)

    @cached_property
    def held_out_error(self) -> dict[str, float]:
        """Mean absolute error of the last epoch, each configuration from all others, and of their mean."""
        last, every = self.recorded[:, -1], np.arange(len(self.recorded))
        guesses = np.empty_like(last)
        for index in every:
            others = every != index
            weights = similar(self._points[others], self.recorded[others], self.neighbours)
            guesses[index] = weights(self._points[[index]])[0] @ last[others]
        means = (last.sum(axis=0) - last) / (len(last) - 1)
        return {
            f"{metric}{kind}": float(np.abs(guess - last)[:, column].mean())
            for column, metric in enumerate(("ua", "ccc"))
            for kind, guess in (("", guesses), (" of the mean", means))
        }


def similar(points: Array, curves: Array, neighbours: int) -> Callable[[Array], Array]:
    """Weights ``[m, n]`` of ``n`` known points for any ``m`` others, from their curves ``[n, epochs, 2]``."""
    epochs = curves.shape[1]
    shown = np.unique([0, max(0, epochs // 9 - 1), max(0, epochs // 3 - 1), epochs - 1])
    targets = curves[:, shown].reshape(len(curves), -1)
    targets = (targets - targets.mean(axis=0)) / np.maximum(targets.std(axis=0), 1e-9)
    forest = ExtraTreesRegressor(100, min_samples_leaf=2, max_features=0.5, random_state=0)
    trees = [tree.tree_ for tree in forest.fit(points, targets).estimators_]

    def leaves_of(some: Array) -> Array:
        return np.stack([tree.apply(some.astype(np.float32)) for tree in trees], axis=1)

    leaves = leaves_of(points)

    def weights(others: Array) -> Array:
        same = leaves[None] == leaves_of(others)[:, None]
        shares = (same / np.maximum(same.sum(axis=1, keepdims=True), 1)).mean(axis=2)
        least = np.sort(shares, axis=1)[:, [-min(neighbours, len(points))]]
        kept = np.where(shares >= least, shares, 0.0)
        return kept / kept.sum(axis=1, keepdims=True)

    return weights


def encode(space: Space, assignment: Mapping[str, Any]) -> Array:
    """A configuration as a point: ranges on 0 … 1 (−1 where absent), names one-hot, a column a member."""
    return np.concatenate([_encode(p, assignment.get(name)) for name, p in space.parameters.items()])


def _encode(parameter: Parameter, value: Any) -> Array:
    bounds = parameter.float_ or parameter.int_
    if bounds:
        if value is None:
            return np.array([-1.0])
        low, high, at = (math.log(x) if parameter.log else x for x in (*bounds, value))
        return np.array([(at - low) / (high - low)])
    if parameter.subset is not None:
        return np.array([float(member in str(value).split("+")) for member in parameter.subset])
    choices = parameter.values()
    if all(isinstance(choice, int | float) and not isinstance(choice, bool) for choice in choices):
        return np.array([-1.0 if value is None else choices.index(value) / max(1, len(choices) - 1)])
    return np.array([value == choice for choice in choices]) / math.sqrt(2)
