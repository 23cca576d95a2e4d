"""Is one model for both tasks worth it? Joint against single-task training on the embedded speech.

    python benchmarks/joint_tasks.py [--utterances 1000] [--seeds 3] [--quick] [--json]

The same configuration three times: joint (λ = 0.5), classification only (λ = 1), dimensions only (λ = 0),
for several seeds, on two folds of the `holdout` protocol. Figures are those of the epoch that validation
chose: the best (UA + CCC)/2, UA, and CCC. Beside them stands the class-mean baseline: ratings looked up by
the class that the classification-only model of the same seed predicts. The speech is synthetic: these
figures say that the machinery works, and nothing about IEMOCAP or any human speech.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from serhpo.cache import fill, open_store, plan
from serhpo.config import home
from serhpo.corpus import read_corpus
from serhpo.corpus.folds import ProtocolConfig, make_folds
from serhpo.corpus.synthetic import synthesise
from serhpo.training.baselines import baselines
from serhpo.training.config import TrialConfig
from serhpo.training.data import TrainingData, from_corpus
from serhpo.training.results import EpochResult
from serhpo.training.trainer import TrialTraining

SPEAKERS = 10
CONFIGURATION: dict[str, Any] = {"streams": ["mfcc", "mel"], "model": {"width": 48}, "max_seconds": 4.0}
KINDS: dict[str, tuple[float, Callable[[EpochResult], float]]] = {
    "joint": (0.5, lambda result: result.score),
    "classification only": (1.0, lambda result: result.ua),
    "dimensions only": (0.0, lambda result: result.ccc),
}


def train(kind: str, seed: int, epochs: int, data: TrainingData, folds: Any) -> tuple[EpochResult, Any]:
    """The chosen epoch of a training, and its predictions."""
    lambda_, worth = KINDS[kind]
    weighting = {"name": "fixed", "lambda": lambda_}
    config = TrialConfig.model_validate(CONFIGURATION | {"weighting": weighting, "epochs": epochs})
    training = TrialTraining(config, data, folds, seed)
    best = None
    for _ in range(epochs):
        result = training.run_epoch()
        if best is None or worth(result) > worth(best[0]):
            best = result, training.predictions()
    assert best is not None
    return best


def measure(corpus_folder: Path, seeds: int, epochs: int) -> list[dict[str, float | str | int]]:
    """Rows of seed, kind, UA and CCC, and those of the class means."""
    corpus = read_corpus(corpus_folder)
    config = TrialConfig.model_validate(CONFIGURATION)
    stores = {
        stream: open_store(fill(plan(corpus, config.features[stream], home() / "cache")))
        for stream in config.streams
    }
    data, folds = from_corpus(corpus, stores), make_folds(corpus, ProtocolConfig(folds=2))
    rows: list[dict[str, float | str | int]] = []
    for seed in range(seeds):
        for kind in KINDS:
            result, predictions = train(kind, seed, epochs, data, folds)
            rows.append({"seed": seed, "kind": kind, "ua": result.ua, "ccc": result.ccc})
            if kind == "classification only":
                means = baselines(predictions, data, folds)["class_mean"]
                rows.append({"seed": seed, "kind": "class means", "ua": means["ua"], "ccc": means["ccc"]})
    return rows


def spread(values: list[float]) -> str:
    """Mean and standard error over seeds."""
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.3f} ± {error:.3f}"


def print_table(rows: list[dict[str, Any]]) -> None:
    print("| trained for | UA | mean CCC |\n|---|---|---|")
    for kind in ("joint", "classification only", "dimensions only", "class means"):
        mine = [row for row in rows if row["kind"] == kind]
        ua = "–" if kind == "dimensions only" else spread([row["ua"] for row in mine])
        ccc = "–" if kind == "classification only" else spread([row["ccc"] for row in mine])
        print(f"| {kind} | {ua} | {ccc} |")
    by = {(row["seed"], row["kind"]): row for row in rows}
    seeds = sorted({row["seed"] for row in rows})
    gain = [by[s, "joint"]["ccc"] - by[s, "class means"]["ccc"] for s in seeds]
    cost = [by[s, "joint"]["ua"] - by[s, "classification only"]["ua"] for s in seeds]
    print(f"\njoint − class means, CCC, paired by seed: {spread(gain)}")
    print(f"joint − classification only, UA, paired by seed: {spread(cost)}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Joint against single-task training on synthetic speech.")
    parser.add_argument("--utterances", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--quick", action="store_true", help="little of everything: only whether it runs")
    parser.add_argument("--json", action="store_true", help="every seed's figures instead of the table")
    options = parser.parse_args()
    if options.quick:
        options.utterances, options.seeds, options.epochs = 80, 1, 2
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        corpus = synthesise(Path(folder) / "corpus", SPEAKERS, options.utterances // SPEAKERS)
        rows = measure(corpus, options.seeds, options.epochs)
    if options.json:
        print(json.dumps({"schema_version": 1, "utterances": options.utterances, "rows": rows}))
        return
    print(
        f"{options.utterances} labelled utterances, 2 folds, {options.epochs} epochs; mean ± standard error"
    )
    print(f"over {options.seeds} seeds\n")
    print_table(rows)


if __name__ == "__main__":
    main()
