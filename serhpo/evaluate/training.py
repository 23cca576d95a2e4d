"""One job in a worker: train, choose the epoch on validation speakers, read the test speakers once."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from serhpo.corpus.folds import Fold
from serhpo.evaluate.jobs import Job, Variant
from serhpo.search.context import TrialContext
from serhpo.training.baselines import Knowledge
from serhpo.training.config import TrialConfig
from serhpo.training.device import seed_of
from serhpo.training.fold import FoldTraining, NonFiniteError
from serhpo.training.results import measure
from serhpo.weighting import FixedWeighting

Array: TypeAlias = npt.NDArray[Any]

_LAMBDAS: dict[Variant, float] = {"classes": 1.0, "dimensions": 0.0}


@dataclass(frozen=True)
class Work:
    """A job with all it takes.

    Attributes:
        job: Which one.
        config: What it trains.
        fold: Its speakers.
        seed: Seed of the training; that of all candidates alike.
    """

    job: Job
    config: TrialConfig
    fold: Fold
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What a job yields.

    Attributes:
        epoch: The chosen one.
        validation: UA and CCC of the validation speakers at that epoch.
        weights: Digest of every tensor of the training at that epoch.
        seconds: Wall time.
        rows: ``[n]`` test utterances, as indices into the corpus.
        log_probabilities: ``[n, K]``.
        dimensions: ``[n, 3]``, the corpus' range scaled to −1 … 1.
        knowledge: What the baselines know of the training speakers.
    """

    epoch: int
    validation: Mapping[str, float]
    weights: str
    seconds: float
    rows: Array
    log_probabilities: Array
    dimensions: Array
    knowledge: Knowledge


@dataclass(frozen=True)
class Failure:
    """Why a job has no result, and would have none if it were repeated."""

    reason: str


def config_of(config: TrialConfig, variant: Variant) -> TrialConfig:
    """A trial's configuration, or it for one task alone."""
    if variant == "joint":
        return config
    return config.model_copy(update={"weighting": FixedWeighting(lambda_=_LAMBDAS[variant])})


def seed_for(study_seed: int, repetition: int) -> int:
    """Seed of a training: none that the search has used, and the same for all candidates."""
    return seed_of(study_seed, "evaluate", repetition)


def run_job(context: TrialContext, work: Work) -> Outcome | Failure:
    """Train for all epochs, keep the weights of the best one, and predict the test speakers with them.

    The best epoch has the highest (UA + CCC)/2 on the fold's own validation speakers, UA or CCC alone
    where one task is trained. Folds do not share an epoch as they do in a search: under leave-one-speaker-out
    a fold's validation speaker is another one's test speaker.
    """
    torch.set_num_threads(context.threads)
    try:
        return _measured(context, work)
    except NonFiniteError as error:
        return Failure(f"{error.what} ({error.where})" if error.where else error.what)


def _measured(context: TrialContext, work: Work) -> Outcome:
    start = time.perf_counter()
    config, fold = work.config, work.fold
    data = context.data(config, {})
    training = FoldTraining(config, data, fold, 0, work.seed, torch.device(context.device))
    best, kept = -math.inf, None
    for epoch in range(1, config.epochs + 1):
        training.train_epoch(epoch)
        figures = measure(training.predict(), data, work.seed)
        reached = {name: float(figures[name] or 0.0) for name in ("ua", "ccc")}
        score = _score(reached, work.job.variant)
        if kept is None or score > best:
            best, kept = score, (epoch, reached, _copy(training.tensors()), training.state())
    if kept is None:
        raise NonFiniteError("No epoch could be measured")
    epoch, reached, tensors, state = kept
    training.restore(tensors, state)
    test = training.predict(data.rows(fold.test))  # the one reading
    return Outcome(
        epoch=epoch,
        validation=reached,
        weights=_digest(tensors),
        seconds=time.perf_counter() - start,
        rows=test.utterances,
        log_probabilities=test.log_probabilities,
        dimensions=test.dimensions,
        knowledge=Knowledge.of(data, fold),
    )


def _score(reached: Mapping[str, float], variant: Variant) -> float:
    if variant == "joint":
        return (reached["ua"] + reached["ccc"]) / 2
    return reached["ua" if variant == "classes" else "ccc"]


def _copy(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def _digest(tensors: Mapping[str, Tensor]) -> str:
    hasher = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        hasher.update(name.encode())
        hasher.update(np.ascontiguousarray(tensors[name].cpu().numpy()).tobytes())
    return hasher.hexdigest()
