"""The rows every front is read beside: majority class and class means, measured once per study."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import ray
import torch

from serhpo.files import replace_file
from serhpo.search.context import TrialContext
from serhpo.search.optuna_samplers import trial_seed
from serhpo.search.space import Space
from serhpo.study import Study, TrialRecord
from serhpo.training.baselines import baselines
from serhpo.training.config import TrialConfig
from serhpo.training.trainer import TrialTraining
from serhpo.weighting import FixedWeighting


def measure_baselines(
    study: Study, space: Space, context: TrialContext, trial: TrialRecord, interrupted: Callable[[], bool]
) -> None:
    """Train a trial's configuration for classification alone (λ = 1) and derive the baselines from it.

    Writes ``baselines.json`` into the study, unless interrupted before.

    Args:
        study: The study.
        space: Its space.
        context: Corpus, folds and features, as for a trial.
        trial: Whose configuration; the front's best in UA, since class means want the best classifier.
        interrupted: Asked every second whether to give up.

    Raises:
        RayError: The training failed.
        StorageError: The file cannot be written.
    """
    config = space.trial_config(trial.params).model_copy(update={"weighting": FixedWeighting(lambda_=1.0)})
    settings = space.search
    task = ray.remote(num_cpus=settings.cpus_per_trial, num_gpus=settings.gpus_per_trial)(_train_and_measure)
    running = task.remote(context, config, trial_seed(settings.seed, trial.number))
    while not ray.wait([running], timeout=1.0)[0]:
        if interrupted():
            ray.cancel(running, force=True)
            return
    document = {"trial": trial.number, **ray.get(running)}
    path = study.path / "baselines.json"
    text = json.dumps(document, indent=2) + "\n"
    replace_file(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _train_and_measure(context: TrialContext, config: TrialConfig, seed: int) -> dict[str, Any]:
    """Runs on a worker. The epoch is the one with the highest validation UA: nothing else is trained."""
    torch.set_num_threads(context.threads)
    data = context.data(config, {})
    training = TrialTraining(config, data, context.folds, seed, context.device)
    best_ua, best = -1.0, None
    for _ in range(config.epochs):
        ua = training.run_epoch().ua
        if ua > best_ua:
            best_ua, best = ua, training.predictions()
    return dict(baselines(best, data, context.folds)) if best else {}
