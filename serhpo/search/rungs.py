"""Asynchronous successive halving on several objectives: the rule alone, without Ray.

Li et al. 2020, "A system for massively parallel hyperparameter tuning", stopping variant: a trial that
reaches a rung is compared with those recorded there so far and either goes on or stops; nothing ever
waits for a rung to fill.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from serhpo import pareto
from serhpo.search.ranking import Adaptive, Losses, Mask, Ranking, make_ranking, scaled
from serhpo.search.settings import SearchSettings
from serhpo.study import kendall_tau

FEWEST = 8
"""Trials at two rungs from which on their order says something about curves."""

LATEST = 100
"""No more than so many are looked at, the latest: a sampler moves on, and the cost stays the same."""

Noise: TypeAlias = Callable[[int, int, int], Sequence[float] | None]
"""``noise(trial, other, rung)``: standard error of their difference per objective; None if not known."""


@dataclass(frozen=True)
class Decision:
    """What happened to one trial at one rung.

    Attributes:
        trial: Trial number.
        rung: Epoch of the rung.
        rank: Domination rank at that moment, 0 for the rung's front.
        recorded: Trials recorded at the rung, this one included.
        keep: Whether the trial goes on.
        control: It goes on whatever its rank, to tell how far early values can be trusted.
        noise: It goes on because it is not worse than the last survivor beyond noise.
    """

    trial: int
    rung: int
    rank: int
    recorded: int
    keep: bool
    control: bool = False
    noise: bool = False

    def to_json(self) -> dict[str, Any]:
        """What the ledger's line of that trial and epoch says about it."""
        return {name: value for name, value in asdict(self).items() if name not in ("trial", "rung")}


@dataclass
class _Rung:
    epoch: int
    values: dict[int, tuple[float, ...]] = field(default_factory=dict)
    decisions: dict[int, Decision] = field(default_factory=dict)


class Rungs:
    """The rungs of one search: ``grace_period · reduction_factorᵏ`` epochs, below ``epochs``.

    Args:
        objectives: What trials are compared on.
        settings: The space's ``search`` section.
        noise: Trials are cut only beyond it; None to go by the values alone.

    Attributes:
        objectives: As given.
        epochs: Epochs of a trial that is never stopped.
    """

    def __init__(
        self,
        objectives: Sequence[pareto.Objective],
        settings: SearchSettings,
        noise: Noise | None = None,
    ) -> None:
        self.objectives = tuple(objectives)
        self.epochs = settings.epochs
        self._reduction_factor = settings.reduction_factor
        self._ranking = make_ranking(settings.ranking, objectives)
        self._noise = noise
        self._control_places = control_places(settings.trials, settings.controls)
        self._controls: set[int] = set()
        levels = rung_levels(settings.epochs, settings.grace_period, settings.reduction_factor)
        self._rungs = {level: _Rung(level) for level in levels}

    def report(
        self, trial: int, epoch: int, values: Sequence[float], decided: Mapping[str, Any] | None = None
    ) -> Decision | None:
        """Record what a trial reached at an epoch; a decision where that epoch is a rung, else None.

        Reporting a trial twice at a rung changes nothing and repeats the first decision, so a resumed
        search may replay its ledger, and a restarted trial its last epoch.

        Args:
            trial: Trial number.
            epoch: Epochs trained.
            values: One per objective, raw.
            decided: :meth:`Decision.to_json` of an earlier run, which stands as it is.
        """
        rung = self._rungs.get(epoch)
        if rung is None:
            return None
        if trial not in rung.decisions:
            rung.values[trial] = tuple(values)
            decision = Decision(trial, epoch, **decided) if decided else self._decide(rung, trial)
            rung.decisions[trial] = decision
            if decision.control:
                self._controls.add(trial)
        return rung.decisions[trial]

    def decision(self, trial: int, epoch: int) -> Decision | None:
        """What was decided on a trial at an epoch; None where nothing was."""
        rung = self._rungs.get(epoch)
        return rung.decisions.get(trial) if rung else None

    def stopped(self, trial: int) -> Decision | None:
        """The decision that stopped a trial, or None while it may go on."""
        for rung in self._rungs.values():
            decision = rung.decisions.get(trial)
            if decision is not None and not decision.keep:
                return decision
        return None

    def _decide(self, rung: _Rung, trial: int) -> Decision:
        losses = pareto.losses(list(rung.values.values()), self.objectives)
        index, recorded = len(losses) - 1, len(losses)
        first = rung is next(iter(self._rungs.values()))
        finite = bool(np.isfinite(losses[index]).all())
        control = finite and (trial in self._controls or (first and recorded in self._control_places))
        quota = max(1.0, recorded / self._reduction_factor)
        ranking = self._ranking_at(rung)
        kept = np.isfinite(losses).all(axis=1) & ranking.kept(losses, quota)
        good = control or bool(kept[index])
        level = finite and not good and self._level_with_the_last(rung, trial, losses, kept, quota, ranking)
        return Decision(
            trial=trial,
            rung=rung.epoch,
            rank=int(pareto.loss_ranks(losses)[index]),
            recorded=recorded,
            keep=good or level,
            control=control,
            noise=level,
        )

    def _level_with_the_last(
        self, rung: _Rung, trial: int, losses: Losses, kept: Mask, quota: float, ranking: Ranking
    ) -> bool:
        """Whether a trial that falls out would go on if it were better by one standard error.

        Of its difference, that is, to the last survivor: the nearest of those kept, objectives scaled to
        their range; with a single objective the last one of them.
        """
        if self._noise is None or not kept.any():
            return False
        points = scaled(losses)
        index, survivors = len(losses) - 1, np.flatnonzero(kept)
        distances = np.linalg.norm(points[survivors] - points[index], axis=1)
        last = list(rung.values)[survivors[int(np.argmin(distances))]]
        errors = self._noise(trial, last, rung.epoch)
        if errors is None:
            return False
        lifted = losses.copy()
        lifted[index] -= errors
        return bool(ranking.kept(lifted, quota)[index])

    def _ranking_at(self, rung: _Rung) -> Ranking:
        if not isinstance(self._ranking, Adaptive):
            return self._ranking
        rungs = list(self._rungs.values())
        first = min(rungs.index(rung), len(rungs) - 2)  # the last rung is judged with the one before
        steps = [self._agreement(*pair) for pair in pairwise(rungs[max(first, 0) :])]
        return self._ranking.given(math.prod(steps) if steps else 0.0)

    def _agreement(self, rung: _Rung, later: _Rung) -> float:
        """Kendall's τ between two rungs, the smallest of all objectives; 0 where too little is known."""
        both = [
            (rung.values[trial], values)
            for trial, values in list(later.values.items())[-LATEST:]
            if trial in rung.values and np.isfinite([rung.values[trial], values]).all()
        ]
        if len(both) < FEWEST:
            return 0.0
        measured = [not objective.counts for objective in self.objectives]  # a count foretells itself
        early, late = np.array(both).transpose(1, 2, 0)[:, measured]
        return max(0.0, min(kendall_tau(*columns) or 0.0 for columns in zip(early, late, strict=True)))


def control_places(trials: int, controls: int) -> frozenset[int]:
    """Which trials to reach the first rung are controls, counted from 1: spread evenly over the search.

    At most one in twenty trials, so that a short search does not spend itself on them.
    """
    controls = min(controls, trials // 20)
    return frozenset(round((place + 0.5) * trials / controls) for place in range(controls))


def rung_levels(epochs: int, grace_period: int, reduction_factor: int) -> list[int]:
    """Epochs at which trials are compared. The last epoch is no rung: who reaches it is complete."""
    levels, level = [], grace_period
    while level < epochs:
        levels.append(level)
        level *= reduction_factor
    return levels


def expected_epochs(
    trials: int, epochs: int, grace_period: int, reduction_factor: int, ranking: str, objectives: int = 2
) -> int:
    """About how many epochs a search spends.

    A trial survives a rung with probability 1/η under a single order of the trials; where being best in
    any of k unrelated objectives is enough, with 1 − (1 − 1/η)ᵏ.
    """
    share = 1 / reduction_factor
    keep = 1 - (1 - share) ** objectives if ranking in ("adaptive", "union", "either") else share
    spent, alive, previous = 0.0, float(trials), 0
    for level in [*rung_levels(epochs, grace_period, reduction_factor), epochs]:
        spent += alive * (level - previous)
        alive, previous = max(1.0, alive * keep), level
    return round(spent)


def early_rungs(levels: Sequence[int], peak: int, epochs: int) -> str | None:
    """What a user should know of rungs at which some trial's learning rate still rises; None without any.

    Args:
        levels: The rungs.
        peak: The epoch at which a learning rate is at its highest, the latest of all trials.
        epochs: Of a whole trial.
    """
    early = [level for level in levels if level < peak]
    if not early:
        return None
    return (
        f"Trials are compared at epoch {', '.join(map(str, early))} already, and the learning rate of some "
        f"rises until epoch {peak} of {epochs}: they would be stopped before they learn. "
        f"--set search.grace_period={peak} waits for them"
    )
