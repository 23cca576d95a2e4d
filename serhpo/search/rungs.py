"""Asynchronous successive halving on several objectives: the rule alone, without Ray.

Li et al. 2020, "A system for massively parallel hyperparameter tuning", stopping variant: a trial that
reaches a rung is compared with those recorded there so far and either goes on or stops; nothing ever
waits for a rung to fill.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from serhpo import pareto
from serhpo.search.ranking import RANKINGS


@dataclass(frozen=True)
class Decision:
    """What happened to one trial at one rung.

    Attributes:
        trial: Trial number.
        rung: Epoch of the rung.
        position: Domination rank at that moment, 0 for the rung's front.
        recorded: Trials recorded at the rung, this one included.
        keep: Whether the trial goes on.
    """

    trial: int
    rung: int
    position: int
    recorded: int
    keep: bool


@dataclass
class _Rung:
    epoch: int
    values: dict[int, tuple[float, ...]] = field(default_factory=dict)
    decisions: dict[int, Decision] = field(default_factory=dict)


class Rungs:
    """The rungs of one search: ``grace_period · reduction_factorᵏ`` epochs, below ``epochs``."""

    def __init__(
        self,
        objectives: Sequence[pareto.Objective],
        *,
        epochs: int,
        grace_period: int,
        reduction_factor: int,
        ranking: str,
    ) -> None:
        self.objectives = tuple(objectives)
        self.epochs = epochs
        self._reduction_factor = reduction_factor
        self._survives = RANKINGS[ranking]
        self._rungs = {level: _Rung(level) for level in rung_levels(epochs, grace_period, reduction_factor)}

    def report(self, trial: int, epoch: int, values: Sequence[float]) -> Decision | None:
        """Record what a trial reached at an epoch; a decision where that epoch is a rung, else None.

        Reporting a trial twice at a rung changes nothing and repeats the first decision, so a resumed
        search may replay its ledger, and a restarted trial its last epoch.
        """
        rung = self._rungs.get(epoch)
        if rung is None:
            return None
        if trial not in rung.decisions:
            rung.values[trial] = tuple(values)
            rung.decisions[trial] = self._decide(rung, trial)
        return rung.decisions[trial]

    def stopped(self, trial: int) -> Decision | None:
        """The decision that stopped a trial, or None while it may go on."""
        for rung in self._rungs.values():
            decision = rung.decisions.get(trial)
            if decision is not None and not decision.keep:
                return decision
        return None

    def _decide(self, rung: _Rung, trial: int) -> Decision:
        losses = pareto.losses(list(rung.values.values()), self.objectives)
        index = list(rung.values).index(trial)
        quota = max(1.0, len(losses) / self._reduction_factor)
        finite = bool(np.isfinite(losses[index]).all())
        return Decision(
            trial=trial,
            rung=rung.epoch,
            position=int(pareto.ranks(list(rung.values.values()), self.objectives)[index]),
            recorded=len(losses),
            keep=finite and self._survives(losses, index, quota),
        )


def rung_levels(epochs: int, grace_period: int, reduction_factor: int) -> list[int]:
    """Epochs at which trials are compared. The last epoch is no rung: who reaches it is complete."""
    levels, level = [], grace_period
    while level < epochs:
        levels.append(level)
        level *= reduction_factor
    return levels


def expected_epochs(trials: int, epochs: int, grace_period: int, reduction_factor: int, ranking: str) -> int:
    """About how many epochs a search spends.

    A trial survives a rung with probability 1/η under a single order of the trials; where being best in
    either of two unrelated objectives is enough, with 1 − (1 − 1/η)².
    """
    share = 1 / reduction_factor
    keep = share if ranking == "nondominated" else 1 - (1 - share) ** 2
    spent, alive, previous = 0.0, float(trials), 0
    for level in [*rung_levels(epochs, grace_period, reduction_factor), epochs]:
        spent += alive * (level - previous)
        alive, previous = max(1.0, alive * keep), level
    return round(spent)
