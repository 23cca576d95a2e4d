"""Pareto fronts: domination ranks, hypervolume, knee. The algorithms are moocore's.

Rows are candidates, columns objectives. A row with a value that is not finite is dominated by every
finite row and never on a front.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

from serhpo.config import Config

COUNTS = frozenset({"parameters"})
"""Metrics that are whole numbers, known before training and free of noise."""


class Objective(Config):
    """One quantity a search optimises.

    Attributes:
        metric: Name of the metric in an ``EpochResult``.
        direction: Whether larger or smaller is better.
        reference: The worst value that still counts in the hypervolume, in raw units.
    """

    metric: str
    direction: Literal["maximise", "minimise"] = "maximise"
    reference: float = 0.0

    @property
    def counts(self) -> bool:
        """Whether it is one of :data:`COUNTS`: compared by orders of magnitude, without standard error."""
        return self.metric in COUNTS


def standard_objectives(classes: int, names: Sequence[str] = ("ua", "ccc")) -> tuple[Objective, ...]:
    """Unweighted accuracy and mean CCC, each against what guessing achieves: 1/classes and 0.

    Trainable parameters, if they are asked for, against 100 million.
    """
    known = {
        "ua": Objective(metric="ua", reference=1.0 / classes),
        "ccc": Objective(metric="ccc", reference=0.0),
        "parameters": Objective(metric="parameters", direction="minimise", reference=1e8),
    }
    return tuple(known[name] for name in names)


def figure(metric: str, value: float) -> str:
    """A value as tables show it: three digits, none of them a minus zero, or a count in full."""
    return f"{value:,.0f}" if metric in COUNTS else f"{value:z.3f}"


def losses(values: ArrayLike, objectives: Sequence[Objective]) -> NDArray[np.float64]:
    """Values turned so that smaller is better in every column; not finite becomes +inf everywhere.

    Of counts it is the logarithm to base 10.

    Args:
        values: ``(candidates, objectives)`` in raw units.
        objectives: One per column.
    """
    signs = np.array([-1.0 if objective.direction == "maximise" else 1.0 for objective in objectives])
    counted = np.array([objective.counts for objective in objectives])
    turned: NDArray[np.float64] = np.array(values, dtype=np.float64).reshape(-1, len(objectives))
    turned[:, counted] = np.log10(turned[:, counted])
    turned *= signs
    turned[~np.isfinite(turned).all(axis=1)] = np.inf
    return turned


def front(values: ArrayLike, objectives: Sequence[Objective]) -> NDArray[np.bool_]:
    """Which candidates no other dominates; of equal ones all are kept. Shape ``(candidates,)``."""
    turned = losses(values, objectives)
    finite = np.isfinite(turned).all(axis=1)
    kept: NDArray[np.bool_] = np.zeros(len(turned), dtype=np.bool_)
    if finite.any():
        kept[finite] = moocore.is_nondominated(turned[finite], keep_weakly=True)
    return kept


def ranks(values: ArrayLike, objectives: Sequence[Objective]) -> NDArray[np.int64]:
    """Domination rank of every candidate, 0 for the front (Deb et al. 2002). Shape ``(candidates,)``.

    O(n log n) for two objectives (Jensen 2003).
    """
    return loss_ranks(losses(values, objectives))


def loss_ranks(turned: NDArray[np.float64]) -> NDArray[np.int64]:
    """Like :func:`ranks`, of what :func:`losses` returns."""
    finite = np.isfinite(turned).all(axis=1)
    result = np.zeros(len(turned), dtype=np.int64)
    if finite.any():
        result[finite] = moocore.pareto_rank(turned[finite])
        result[~finite] = result[finite].max() + 1
    return result


def hypervolume(values: ArrayLike, objectives: Sequence[Objective]) -> float:
    """Volume dominated by the candidates above the objectives' reference point.

    In raw units; in orders of magnitude along a count.
    """
    turned = losses(values, objectives)
    reference = losses([objective.reference for objective in objectives], objectives)[0]
    inside = turned[(turned < reference).all(axis=1)]
    return float(moocore.hypervolume(inside, ref=reference)) if len(inside) else 0.0


def knee(values: ArrayLike, objectives: Sequence[Objective]) -> int | None:
    """Index of the front's knee; None where the front has fewer than three members, so no bend.

    The member with the smallest sum of losses, each scaled to its range over the front: for two
    objectives the one farthest from the line through the front's ends (Das 1999).
    """
    members = np.flatnonzero(front(values, objectives))
    if len(members) < 3:
        return None
    turned = losses(values, objectives)[members]
    span = np.ptp(turned, axis=0)
    scaled = (turned - turned.min(axis=0)) / np.where(span > 0, span, 1.0)
    return int(members[np.argmin(scaled.sum(axis=1))])
