"""The peers of ``search_end_to_end.py``: the searches that a user would write without serhpo.

    python benchmarks/end_to_end_peers.py NAME --space FILE --corpus FOLDER --seed 0 --scratch FOLDER

Each goes on until it is killed. All of them train ``end_to_end_trial.py``.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from end_to_end_trial import read_plan, train

WITHOUT_END = 100_000  # trials
TIME = "epoch"


def ray_tune(options: argparse.Namespace, scheduler: Any = None) -> None:
    """Ray Tune, a function trainable, ``OptunaSearch`` on both metrics."""
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    plan = read_plan(options.space, options.corpus)

    def trial(assignment: Mapping[str, Any]) -> None:
        for result in train(read_plan(options.space, options.corpus), assignment, options.seed):
            tune.report(result)

    ray.init(address="local", include_dashboard=False, num_cpus=2)
    tune.Tuner(
        trial,
        tune_config=tune.TuneConfig(
            search_alg=OptunaSearch(
                plan.space.suggest, metric=["ua", "ccc"], mode=["max", "max"], seed=options.seed
            ),
            scheduler=scheduler,
            num_samples=WITHOUT_END,
        ),
        run_config=tune.RunConfig(storage_path=options.scratch),
    ).fit()


def ray_tune_asha(options: argparse.Namespace) -> None:
    """The same, and whoever is behind in UA alone is stopped."""
    from ray.tune.schedulers import ASHAScheduler

    search = read_plan(options.space, options.corpus).space.search
    asha = ASHAScheduler(
        time_attr=TIME,
        metric="ua",
        mode="max",
        max_t=search.epochs,
        grace_period=search.grace_period,
        reduction_factor=search.reduction_factor,
    )
    ray_tune(options, asha)


def optuna_nsga2(options: argparse.Namespace) -> None:
    """Optuna alone: NSGA-II, two trials at a time in threads."""
    import optuna

    plan = read_plan(options.space, options.corpus)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        history = list(train(plan, plan.space.suggest(trial), options.seed))
        best = max(history, key=lambda result: result["ua"] + result["ccc"])
        return best["ua"], best["ccc"]

    sampler = optuna.samplers.NSGAIISampler(seed=options.seed)
    study = optuna.create_study(directions=["maximize"] * 2, sampler=sampler)
    study.optimize(objective, n_trials=WITHOUT_END, n_jobs=2, catch=(Exception,))


def syne_tune_moasha(options: argparse.Namespace) -> None:
    """Syne Tune's MOASHA, which draws at random, with its local backend: a process for each trial."""
    import numpy as np
    from syne_tune import Tuner
    from syne_tune.backend import LocalBackend
    from syne_tune.config_space import choice, loguniform, randint, uniform
    from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA

    space = read_plan(options.space, options.corpus).space
    np.random.seed(options.seed)  # where its configurations come from
    config: dict[str, Any] = {"space": options.space, "corpus": options.corpus, "seed": options.seed}
    for name, parameter in space.parameters.items():
        if parameter.float_:
            config[name] = (loguniform if parameter.log else uniform)(*parameter.float_)
        elif parameter.int_:
            config[name] = randint(*parameter.int_)
        else:
            config[name] = choice([json.dumps(value) for value in parameter.values()])
    scheduler = MOASHA(
        config,
        metrics=["ua", "ccc"],
        do_minimize=False,
        time_attr=TIME,
        max_t=space.search.epochs,
        grace_period=space.search.grace_period,
        reduction_factor=space.search.reduction_factor,
        random_seed=options.seed,
    )
    entry_point = str(Path(__file__).with_name("end_to_end_trial.py"))
    Tuner(
        trial_backend=LocalBackend(entry_point, pass_args_as_json=True),
        scheduler=scheduler,
        stop_criterion=lambda status: False,
        n_workers=2,
        max_failures=WITHOUT_END,
    ).run()


PEERS: dict[str, Callable[[argparse.Namespace], None]] = {
    "ray-tune": ray_tune,
    "ray-tune-asha": ray_tune_asha,
    "optuna-nsga2": optuna_nsga2,
    "syne-tune-moasha": syne_tune_moasha,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", choices=PEERS)
    parser.add_argument("--space", required=True)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", required=True)
    options = parser.parse_args()
    os.environ["SYNETUNE_FOLDER"] = options.scratch
    PEERS[options.name](options)


if __name__ == "__main__":
    main()
