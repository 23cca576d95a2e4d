"""A whole search on a simulated clock: serhpo's own rungs, rankings and samplers, and no training.

Several workers run side by side; each takes what a sampler proposes, reports epoch after epoch, and takes
the next proposal when its trial is stopped or complete. Only the time of an epoch is made up.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState
from replayed_problems import EPOCHS, Problem

from serhpo import pareto
from serhpo.search.optuna_samplers import make_sampler, trial_seed
from serhpo.search.rungs import Rungs
from serhpo.search.settings import SearchSettings

optuna.logging.set_verbosity(optuna.logging.ERROR)

Rule = Callable[[int, int, Sequence[float]], bool]
"""``rule(trial, epoch, values)``: does the trial go on?"""

WORKERS = 8
OURS = ("adaptive", "union", "either", "epsilon_net", "crowding", "hypervolume", "scalarised", "ua", "ccc")
PEERS = ("moasha", "moasha corrected")


@dataclass(frozen=True)
class Method:
    """One way to search.

    Attributes:
        sampler: A name of ``search.sampler``.
        pruning: A name of ``search.ranking``, ``mean``, ``none``, or one of :data:`PEERS`.
        controls: As ``search.controls``.
        noise: Whether trials are cut only beyond noise, as with ``search.noise: paired``.
        grace: As ``search.grace_period``; None for the problem's own.
    """

    sampler: str
    pruning: str
    controls: int = 0
    noise: bool = False
    grace: int | None = None

    def __str__(self) -> str:
        controls = f", {self.controls} controls" if self.controls else ""
        grace = f", first rung {self.grace}" if self.grace else ""
        return f"{self.sampler}, {self.pruning}{controls}{', noise' if self.noise else ''}{grace}"


@dataclass
class _Running:
    trial: optuna.Trial
    curves: np.ndarray
    truth: np.ndarray
    seconds: float
    epoch: int = 0


def replay(problem: Problem, method: Method, seed: int, budget: int) -> list[float]:
    """Search until ``budget`` epochs are spent.

    Returns:
        Hypervolume of what was fully trained (true values, where they are known) after each tenth of the
        budget.
    """
    # About as many trials as the budget holds: each costs a quarter of a full one.
    settings = SearchSettings(
        epochs=EPOCHS,
        grace_period=method.grace or problem.grace_period,
        sampler=method.sampler,
        ranking=method.pruning if method.pruning in OURS else "union",
        controls=method.controls,
        trials=max(1, 4 * budget // EPOCHS),
        seed=seed,
    )
    directions = [objective.direction.replace("ise", "ize") for objective in problem.objectives]
    study = optuna.create_study(directions=directions, sampler=make_sampler(settings, 0))
    measured = [not objective.counts for objective in problem.objectives]
    goes_on = _rule(problem, method, settings)
    clock = np.random.default_rng([seed, 1])
    done: list[np.ndarray] = []
    trace: list[float] = []
    queue: list[tuple[float, int, _Running]] = []

    def start(now: float) -> None:
        trial = study.ask()
        assignment = problem.space.suggest(trial)
        rng = np.random.default_rng([seed, 2, trial.number])
        running = _Running(
            trial, problem.curves(assignment, rng), problem.truth(assignment), problem.seconds(assignment)
        )
        push(now, running)

    def push(now: float, running: _Running) -> None:
        finish = now + running.seconds * clock.lognormal(0, 0.1)
        heapq.heappush(queue, (finish, running.trial.number, running))

    for _ in range(WORKERS):
        start(0.0)
    for spent in range(1, budget + 1):
        now, number, running = heapq.heappop(queue)
        running.epoch += 1
        complete = running.epoch == EPOCHS
        values = running.curves[running.epoch - 1]
        if complete:
            best = running.curves[np.argmax(running.curves[:, measured].sum(axis=1))]
            study.tell(running.trial, [float(v) for v in best])
            done.append(running.truth)
            start(now)
        elif goes_on(number, running.epoch, values):
            push(now, running)
        else:
            study.tell(running.trial, state=TrialState.PRUNED)
            start(now)
        if spent % max(1, budget // 10) == 0:
            trace.append(pareto.hypervolume(done, problem.objectives) if done else 0.0)
    return trace


def _rule(problem: Problem, method: Method, settings: SearchSettings) -> Rule:
    if method.pruning == "none":
        return lambda trial, epoch, values: True
    if method.pruning in PEERS:
        return _moasha(problem, settings, corrected="corrected" in method.pruning)
    if method.pruning == "mean":
        alone = settings.model_copy(update={"ranking": "ua"})
        rungs = Rungs((pareto.Objective(metric="ua"),), alone)
        return lambda trial, epoch, values: _kept(rungs.report(trial, epoch, [float(np.mean(values[:2]))]))
    errors = [problem.paired_error or 0.0] * 2 + [0.0] * (len(problem.objectives) - 2)
    rungs = Rungs(problem.objectives, settings, (lambda *pair: errors) if method.noise else None)
    return lambda trial, epoch, values: _kept(rungs.report(trial, epoch, values))


def _kept(decision: Any) -> bool:
    return decision is None or decision.keep


def _moasha(problem: Problem, settings: SearchSettings, corrected: bool) -> Rule:
    """Syne Tune's own MOASHA; ``corrected`` turns the order its priority returns into ranks."""
    from datetime import datetime

    from syne_tune.backend.trial_status import Trial
    from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA
    from syne_tune.optimizer.schedulers.multiobjective.multiobjective_priority import NonDominatedPriority

    class RanksNotOrder(NonDominatedPriority):
        def priority_unsafe(self, objectives: np.ndarray) -> np.ndarray:
            return np.argsort(super().priority_unsafe(objectives))

    scheduler = MOASHA(
        config_space={},
        metrics=[objective.metric for objective in problem.objectives],
        time_attr="epoch",
        multiobjective_priority=RanksNotOrder() if corrected else NonDominatedPriority(),
        max_t=settings.epochs,
        grace_period=settings.grace_period,
        reduction_factor=settings.reduction_factor,
        random_seed=trial_seed(settings.seed, 0),
    )
    known: dict[int, Trial] = {}

    def rule(trial: int, epoch: int, values: Sequence[float]) -> bool:
        if trial not in known:
            known[trial] = Trial(trial, {}, datetime.now())
            scheduler.on_trial_add(known[trial])
        losses = pareto.losses(values, problem.objectives)[0]
        named = zip(problem.objectives, losses, strict=True)
        result = {"epoch": epoch, **{objective.metric: float(loss) for objective, loss in named}}
        return scheduler.on_trial_result(known[trial], result) == "CONTINUE"

    return rule
