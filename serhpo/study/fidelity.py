"""How far values at a rung can be trusted, measured on the trials that were never pruned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from serhpo.study.folder import Study


@dataclass(frozen=True)
class Agreement:
    """How well the order of trials at a rung foretold their final order.

    Attributes:
        rung: Epoch of the rung.
        metric: An objective.
        tau: Kendall's τ_b; None where there are fewer than two trials, or no order among them.
        trials: Control trials it was measured on.
    """

    rung: int
    metric: str
    tau: float | None
    trials: int


def agreement(study: Study) -> list[Agreement]:
    """Rank correlation between values at each rung and final ones, rung after rung.

    It is measured on complete control trials alone: among the others only those survived whose early
    values were good. Empty for a study without rungs or controls.
    """
    final = {trial.number: trial.values or {} for trial in study.trials() if trial.state == "COMPLETE"}
    at_rung: dict[int, dict[int, dict[str, float]]] = {}
    for row in study.epochs():
        if row.get("decision", {}).get("control") and row["trial"] in final:
            at_rung.setdefault(row["epoch"], {})[row["trial"]] = row
    return [
        Agreement(
            rung,
            objective.metric,
            kendall_tau(
                [row[objective.metric] for row in rows.values()],
                [final[trial][objective.metric] for trial in rows],
            ),
            len(rows),
        )
        for rung, rows in sorted(at_rung.items())
        for objective in study.objectives
        if not objective.counts
    ]


def agreement_sentence(rows: Sequence[Agreement]) -> str:
    """The same in words; empty where there is nothing to tell."""
    by_rung: dict[int, list[str]] = {}
    for row in rows:
        if row.tau is not None:
            by_rung.setdefault(row.rung, []).append(f"{row.metric.upper()} {row.tau:.2f}")
    if not by_rung:
        return ""
    parts = "; ".join(f"epoch {rung}: {', '.join(taus)}" for rung, taus in by_rung.items())
    count = max(row.trials for row in rows)
    return f"Rank correlation (Kendall's τ) with final values over {count} trials never pruned: {parts}."


def kendall_tau(one: ArrayLike, other: ArrayLike) -> float | None:
    """Kendall's τ_b (Kendall 1945), which allows for ties; None where either has no order at all."""
    pairs = np.triu_indices(np.size(one), k=1)
    first, second = (np.sign(np.subtract.outer(values, values)[pairs]) for values in (one, other))
    scale = np.sqrt(np.count_nonzero(first) * np.count_nonzero(second))
    return float((first * second).sum() / scale) if scale else None
