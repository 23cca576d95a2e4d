"""What a checkpoint after every epoch costs beside the epoch.

    python benchmarks/checkpoints.py [--space full] [--configurations 6] [--quick] [--json]

Random configurations of a space train an epoch on 500 synthetic utterances, one core, and save three times.
Shares are of CPU seconds, which other processes on the machine do not change. A trial saves once after an
epoch, and twice where the epoch is its best so far.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy and torch read it

import torch

from serhpo.cache import fill, open_store
from serhpo.corpus import read_corpus
from serhpo.corpus.synthetic import synthesise
from serhpo.search.explore import draws
from serhpo.search.prepare import Plan, make_plan, plan_of
from serhpo.search.space import load_space
from serhpo.training.data import from_corpus
from serhpo.training.trainer import TrialTraining


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(plan: Plan, draw: dict[str, Any], folder: Path) -> dict[str, Any]:
    config = plan.space.trial_config(draw)
    stores = {s: open_store(fill(plan_of(plan.corpus, config.features[s]))) for s in config.streams}
    training = TrialTraining(config, from_corpus(plan.corpus, stores), plan.folds, seed=0)
    epoch = cpu_seconds(training.run_epoch)
    save = statistics.median(cpu_seconds(lambda: training.save(folder)) for _ in range(3))
    return {
        "streams": "+".join(config.streams),
        "parameters": training.history[0].parameters,
        "epoch_s": epoch,
        "save_s": save,
        "megabytes": sum(path.stat().st_size for path in folder.iterdir()) / 1e6,
        "share": save / epoch,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--space", default="full")
    parser.add_argument("--configurations", type=int, default=6)
    parser.add_argument("--quick", action="store_true", help="one configuration of smoke, few utterances")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    torch.set_num_threads(1)
    space = load_space("smoke" if args.quick else args.space)
    with tempfile.TemporaryDirectory() as scratch:
        corpus = Path(scratch) / "corpus"
        synthesise(corpus, 10, 8 if args.quick else 40, 1)
        plan = make_plan(space, args.space, read_corpus(corpus))
        some = draws(space, 1 if args.quick else args.configurations, seed=3)
        rows = [measure(plan, draw, Path(scratch) / str(n)) for n, draw in enumerate(some)]
    if args.json:
        print(json.dumps({"rows": rows}))
        return
    print("| streams | weights | epoch, CPU s | save, CPU s | MB | share |\n|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['streams']} | {row['parameters']:,} | {row['epoch_s']:.2f} | {row['save_s']:.3f} "
            f"| {row['megabytes']:.1f} | {row['share']:.1%} |"
        )


if __name__ == "__main__":
    main()
