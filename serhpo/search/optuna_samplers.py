"""Who proposes: Optuna's samplers by the names a space file gives them, and every seed of a study."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable

from optuna.samplers import (
    BaseSampler,
    GPSampler,
    NSGAIIISampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)

from serhpo.search.settings import SearchSettings


def make_sampler(settings: SearchSettings, trials_so_far: int) -> BaseSampler:
    """The sampler of a search.

    A resumed search draws on from another seed: the first one would repeat its first proposals.
    """
    return SAMPLERS[settings.sampler](settings, trial_seed(settings.seed, -1 - trials_so_far))


def trial_seed(study_seed: int, number: int) -> int:
    """A trial's own 31-bit seed: a hash of the study's seed and the trial's number."""
    text = f"{study_seed}:{number}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=4).digest(), "big") >> 1


def _tpe(settings: SearchSettings, seed: int) -> BaseSampler:
    # The constant liar keeps trials that run side by side apart.
    return TPESampler(seed=seed, n_startup_trials=settings.startup_trials, constant_liar=True)


def _gp(settings: SearchSettings, seed: int) -> BaseSampler:
    # A Gaussian process models the parameters that every trial has; the conditional ones are TPE's.
    return GPSampler(
        seed=seed,
        n_startup_trials=settings.startup_trials,
        independent_sampler=_tpe(settings, seed),
        warn_independent_sampling=False,
    )


def _generation(settings: SearchSettings) -> int:
    """A generation must come to its end within the search; Optuna's default is 50 complete trials."""
    return min(50, max(8, settings.trials // 10))


def _nsga2(settings: SearchSettings, seed: int) -> BaseSampler:
    return NSGAIISampler(seed=seed, population_size=_generation(settings))


def _nsga3(settings: SearchSettings, seed: int) -> BaseSampler:
    return NSGAIIISampler(seed=seed, population_size=_generation(settings))


def _random(settings: SearchSettings, seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


def _qmc(settings: SearchSettings, seed: int) -> BaseSampler:
    # That conditional parameters are left to chance stands in docs/search.md, and need not be told at each.
    logging.getLogger("optuna.samplers._qmc").setLevel(logging.ERROR)
    # The study remembers how far along the sequence it is, under the sequence's own seed.
    return QMCSampler(
        scramble=True,
        seed=trial_seed(settings.seed, -1),
        independent_sampler=RandomSampler(seed=seed),
        warn_independent_sampling=False,
    )


SAMPLERS: dict[str, Callable[[SearchSettings, int], BaseSampler]] = {
    "tpe": _tpe,
    "gp": _gp,
    "nsga2": _nsga2,
    "nsga3": _nsga3,
    "random": _random,
    "qmc": _qmc,
    "grid": _random,  # never asked: the bridge lays out the points
}
