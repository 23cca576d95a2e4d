"""Who survives a rung: rankings of trials on several objectives at once.

A ranking answers, for every trial recorded at a rung, whether it belongs to the kept fraction
``1 / reduction_factor``. The rule of halving (:mod:`serhpo.search.rungs`) does not know how.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from serhpo import pareto

Losses = NDArray[np.float64]
"""``(trials, objectives)``, smaller is better, +inf where a trial broke."""

Ranking = Callable[[Losses, int, float], bool]
"""``ranking(losses, index, quota)``: is the trial in row ``index`` among the best ``quota`` rows?"""


def best_in_any(losses: Losses, index: int, quota: float) -> bool:
    """Kept when fewer than ``quota`` trials are better in at least one single objective."""
    better = (losses < losses[index]).sum(axis=0)
    return bool((better < quota).any())


def nondominated(losses: Losses, index: int, quota: float) -> bool:
    """Kept when among the first ``quota`` by domination rank, then by spread inside the front.

    Inside one front trials are ordered by an epsilon-net: each next one is the farthest from those
    already taken, on objectives scaled to the front's range (Salinas et al. 2021, "A multi-objective
    perspective on jointly tuning hardware and hyperparameters").
    """
    objectives = [pareto.Objective(metric=str(i), direction="minimise") for i in range(losses.shape[1])]
    ranks = pareto.ranks(losses, objectives)
    ahead = int((ranks < ranks[index]).sum())
    members = np.flatnonzero(ranks == ranks[index])
    if ahead >= quota:
        return False
    if ahead + len(members) <= quota:
        return True
    position = list(members[epsilon_net(losses[members])]).index(index)
    return ahead + position < quota


def union(losses: Losses, index: int, quota: float) -> bool:
    """Kept when kept by :func:`nondominated` or by :func:`best_in_any`.

    Strict domination alone loses trials whose curves cross; this never did worse than no pruning.
    """
    return best_in_any(losses, index, quota) or nondominated(losses, index, quota)


def epsilon_net(losses: Losses) -> NDArray[np.int64]:
    """Order of (finite) rows such that each is the farthest from all before it; starts with the best sum."""
    span = np.ptp(losses, axis=0)
    scaled = (losses - losses.min(axis=0)) / np.where(span > 0, span, 1.0)
    order = [int(np.argmin(scaled.sum(axis=1)))]
    distance = np.full(len(scaled), np.inf)
    while len(order) < len(scaled):
        distance = np.minimum(distance, np.linalg.norm(scaled - scaled[order[-1]], axis=1))
        distance[order] = -1.0
        order.append(int(np.argmax(distance)))
    return np.array(order)


RANKINGS: dict[str, Ranking] = {"union": union, "nondominated": nondominated, "best_in_any": best_in_any}
