"""Who survives a rung: rankings of trials on several objectives at once.

A ranking answers which of the trials recorded at a rung belong to the kept fraction
``1 / reduction_factor``. The rule of halving (:mod:`serhpo.search.rungs`) does not know how. Objectives
are scaled to their range over the rung, so that no unit weighs more than another.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import moocore
import numpy as np
from numpy.typing import NDArray

from serhpo import pareto
from serhpo.errors import unknown_name

Losses = NDArray[np.float64]
"""``(trials, objectives)``, smaller is better, +inf where a trial broke."""

Order = NDArray[np.int64]
"""Row numbers, the best first."""

Mask = NDArray[np.bool_]
"""``(trials,)``: who goes on."""


class Ranking(Protocol):
    """One way to tell who goes on."""

    def kept(self, losses: Losses, quota: float) -> Mask:
        """Which rows are among the best ``quota``; what it says of a row that is not finite means nothing."""


@dataclass(frozen=True)
class NonDominated:
    """Front after front (Deb et al. 2002); where a front has to be divided, in the order of ``spread``."""

    spread: Callable[[Losses], Order]

    def kept(self, losses: Losses, quota: float) -> Mask:
        """See :class:`Ranking`. O(n log n) for two objectives."""
        ranks = pareto.loss_ranks(losses)
        sizes = np.bincount(ranks)
        ends = np.cumsum(sizes)
        mask: Mask = (ends <= quota)[ranks]
        divided = int(np.searchsorted(ends, quota, side="right"))
        room = math.ceil(quota - (ends - sizes)[divided]) if divided < len(ends) else 0
        members = np.flatnonzero(ranks == divided)
        if room > 0 and np.isfinite(losses[members]).all():
            mask[members[self.spread(scaled(losses)[members])[:room]]] = True
        return mask


@dataclass(frozen=True)
class Single:
    """One objective alone; of equal values none is preferred."""

    column: int

    def kept(self, losses: Losses, quota: float) -> Mask:
        """See :class:`Ranking`."""
        return ahead(losses[:, self.column]) < quota


@dataclass(frozen=True)
class Scalarised:
    """The plain sum of all objectives, each scaled to its range over the rung."""

    def kept(self, losses: Losses, quota: float) -> Mask:
        """See :class:`Ranking`."""
        # Equal sums are equal whatever was added first.
        return ahead(scaled(losses).sum(axis=1).round(12)) < quota


@dataclass(frozen=True)
class Either:
    """Kept when among the best in at least one single objective."""

    def kept(self, losses: Losses, quota: float) -> Mask:
        """See :class:`Ranking`."""
        best: Mask = np.any([ahead(column) < quota for column in losses.T], axis=0)
        return best


@dataclass(frozen=True)
class Union:
    """Kept when any of several rankings keeps it."""

    members: tuple[Ranking, ...]

    def kept(self, losses: Losses, quota: float) -> Mask:
        """See :class:`Ranking`."""
        by_any: Mask = np.any([member.kept(losses, quota) for member in self.members], axis=0)
        return by_any


@dataclass(frozen=True)
class Adaptive:
    """Strict where values at a rung have been seen to foretell later ones, lenient where they have not.

    Curves that cross make early ranks misleading: the strict ranking then cuts trials that would have
    come out ahead, and the lenient one wastes epochs where they do not cross.

    Where objectives are more than two, most of a rung is one front, and the strict ranking divides it by what
    each trial is worth: the farthest of them are often good in the model's size alone.
    """

    strict: Ranking
    lenient: Ranking
    least: float = 0.4

    def given(self, agreement: float) -> Ranking:
        """The ranking to use.

        Args:
            agreement: Kendall's τ between values at this rung and the next one, the smallest of all
                objectives, times that from there to the one after it, and so on to the last; 0 where too
                few trials have come so far.
        """
        return self.strict if agreement >= self.least else self.lenient

    def kept(self, losses: Losses, quota: float) -> Mask:
        """See :class:`Ranking`; without any knowledge about curves."""
        return self.lenient.kept(losses, quota)


def ahead(column: NDArray[np.float64]) -> NDArray[np.int64]:
    """For every row, how many of its column are smaller."""
    return np.searchsorted(np.sort(column), column, side="left")


def scaled(losses: Losses) -> Losses:
    """Every objective on 0 … 1 over the finite rows; a row that is not finite stays +inf."""
    finite = np.isfinite(losses).all(axis=1)
    if not finite.any():
        return losses
    low, high = losses[finite].min(axis=0), losses[finite].max(axis=0)
    result: Losses = (losses - low) / np.where(high > low, high - low, 1.0)
    return result


def epsilon_net(front: Losses) -> Order:
    """Each next row the farthest from all before it; the best sum first, of equals the first row.

    After Salinas et al. 2021, "A multi-objective perspective on jointly tuning hardware and
    hyperparameters". Distances count to 12 decimals. O(n log n) for two objectives, else O(n²).
    """
    start = int(np.argmin(front.sum(axis=1).round(12)))
    if front.shape[1] == 2:
        return _net_of_a_curve(front, start)
    order, distance = [start], np.full(len(front), np.inf)
    while len(order) < len(front):
        distance = np.minimum(distance, np.linalg.norm(front - front[order[-1]], axis=1).round(12))
        distance[order] = -1.0
        order.append(int(np.argmax(distance)))
    return np.array(order)


def _net_of_a_curve(front: Losses, start: int) -> Order:
    """The same for a front of two objectives.

    It is a falling curve: walking along it, the distance to the row one comes from only grows. So the
    nearest chosen row is a neighbour on the curve, and between two of them the farthest row is where the
    distances to both cross.
    """
    curve, rows, place = np.unique(front, axis=0, return_index=True, return_inverse=True)

    def apart(one: int, other: int) -> float:
        return round(float(np.hypot(*(curve[one] - curve[other]))), 12) if 0 <= other < len(curve) else np.inf

    gaps: list[tuple[float, int, int, int, int]] = []

    def add_gap(left: int, right: int) -> None:
        if right - left < 2:
            return
        low, high = left + 1, right  # the first place not nearer to the left end than to the right
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if apart(middle, left) < apart(middle, right) else (low, middle)
        options = [
            (-min(apart(at, left), apart(at, right)), int(rows[at]), at, left, right)
            for at in (low - 1, low)
            if left < at < right
        ]
        heapq.heappush(gaps, min(options))

    at = int(place[start])
    order = [int(rows[at])]
    add_gap(-1, at)
    add_gap(at, len(curve))
    while gaps:
        _, row, at, left, right = heapq.heappop(gaps)
        order.append(row)
        add_gap(left, at)
        add_gap(at, right)
    return np.array([*order, *np.setdiff1d(np.arange(len(front)), rows)])  # copies add nothing: last


def crowding(front: Losses) -> Order:
    """The loneliest first: largest crowding distance (Deb et al. 2002), the ends of the front before all."""
    distance = np.zeros(len(front))
    for column in front.T:
        order = np.argsort(column, kind="stable")
        distance[order[1:-1]] += column[order[2:]] - column[order[:-2]]
        distance[order[[0, -1]]] = np.inf
    return np.argsort(-distance.round(12), kind="stable")


def contribution(front: Losses) -> Order:
    """Who would be missed most first: the hypervolume that only this row dominates (Emmerich et al. 2005).

    The reference point lies a tenth of the rung's range beyond its worst values.
    """
    volumes = moocore.hv_contributions(front, ref=np.full(front.shape[1], 1.1))
    return np.argsort(-volumes.round(12), kind="stable")


NET = NonDominated(epsilon_net)
WORTH = NonDominated(contribution)
UNION = Union((Either(), NET))
RANKINGS: dict[str, Ranking] = {
    "union": UNION,
    "adaptive": Adaptive(strict=NET, lenient=UNION),
    "either": Either(),
    "epsilon_net": NET,
    "crowding": NonDominated(crowding),
    "hypervolume": WORTH,
    "scalarised": Scalarised(),
}


def make_ranking(name: str, objectives: Sequence[pareto.Objective]) -> Ranking:
    """The ranking of a name in :data:`RANKINGS`, or by the single objective of that name.

    Raises:
        UsageError: There is no such ranking and no such objective.
    """
    metrics = [objective.metric for objective in objectives]
    if name in metrics:
        return Single(metrics.index(name))
    if name not in RANKINGS:
        raise unknown_name("ranking", name, [*RANKINGS, *metrics])
    ranking = RANKINGS[name]
    if isinstance(ranking, Adaptive) and len(metrics) > 2:
        return replace(ranking, strict=WORTH)
    return ranking
