"""What a trial costs besides training: serhpo's search against a plain Ray Tune function that imports torch.

    python benchmarks/overhead.py [--trials 40] [--rounds 3] [--results 1000] [--quick] [--json]

Trivial trials of one epoch that compute nothing, two at a time. Plain is what a user would write: a function
trainable that imports torch and reports once, Tune's defaults but for its printing, a fresh process for each
trial. Ours is a whole study: journal, ledger, rungs, checkpoints, reused processes. Rounds are interleaved in
processes of their own, and Ray's start is left out of both. Besides: results a second the driver handles,
CPU seconds of ``serhpo --help``, and seconds to the first result of ``serhpo search`` on a warm cache.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

GOALS = {"ratio": 10.0, "help_cpu_s": 0.3}
OURS = """
import json, sys, time, tempfile
from pathlib import Path
from benchmarks.overhead import Silent, make_study, trivial_space
from serhpo.cluster import connected
from serhpo.search import runner

trials, epochs = int(sys.argv[1]), int(sys.argv[2])
with tempfile.TemporaryDirectory() as folder, connected(False):
    study, space, context = make_study(Path(folder), trivial_space(trials, epochs))
    runner._Search.conclude = lambda search: None  # no baselines: there is no model
    start = time.perf_counter()
    runner.run(study, space, context, Silent())
    seconds = time.perf_counter() - start
    times = [row["elapsed"] for row in study.epochs()]
    print(json.dumps({"seconds": seconds, "between": (times[-1] - times[0]) / (len(times) - 1)}))
"""
PLAIN = """
import os, sys, time, tempfile
os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
import ray
from ray import tune

def trial(config):
    import torch
    tune.report({"ua": config["x"], "ccc": float(torch.zeros(1)[0])})

ray.init(include_dashboard=False, log_to_driver=False, num_cpus=2)
with tempfile.TemporaryDirectory() as folder:
    start = time.perf_counter()
    tune.Tuner(
        tune.with_resources(trial, {"CPU": 1}),
        param_space={"x": tune.uniform(0, 1)},
        tune_config=tune.TuneConfig(num_samples=int(sys.argv[1])),
        run_config=tune.RunConfig(storage_path=folder, verbose=0),
    ).fit()
    print('{"seconds": %f}' % (time.perf_counter() - start))
"""


class Silent:
    """Hears of a search and says nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: None


class NothingToTrain:
    """A training that is done before it began; checkpoints are real, small ones."""

    def __init__(self, seed: int) -> None:
        self.epoch, self._seed = 0, seed
        self.history: list[Any] = []
        self.best_epoch = 1

    def run_epoch(self) -> None:
        from dataclasses import fields

        from serhpo.training.results import EpochResult

        self.epoch += 1
        figures = {field.name: self._seed % 997 / 1000 for field in fields(EpochResult)}
        self.history.append(EpochResult(**{**figures, "epoch": self.epoch}))

    def load(self, folder: Path) -> None:
        from serhpo.training.checkpoint import read_checkpoint

        read_checkpoint(folder)  # which is never there

    def save(self, folder: Path) -> None:
        import torch

        from serhpo.training.checkpoint import write_checkpoint

        write_checkpoint(folder, {"epoch": self.epoch}, {"weights": torch.zeros(10)})


def nothing_to_read(trials: Path, protocol: Any) -> Any:
    """What such trainings share: a folder."""
    from serhpo.search.context import TrialContext

    class NoData(TrialContext):
        def about(self) -> dict[str, Any]:
            return {}

        def training(self, config: Any, seed: int, stores: Any) -> NothingToTrain:  # type: ignore[override]
            return NothingToTrain(seed)

    nothing: Any = None
    return NoData(
        corpus=nothing,
        folds=(),
        protocol=protocol,
        shards={},
        trials=trials,
        threads=1,
        epoch_limit_s=600.0,
        device="cpu",
    )


def trivial_space(trials: int, epochs: int) -> dict[str, Any]:
    """Trials of so many epochs, two at a time, none pruned."""
    return {
        "parameters": {"model.dropout": {"float": [0.0, 0.5]}, "optimiser.lr": {"float": [1e-4, 1e-2]}},
        "search": {
            "trials": trials,
            "epochs": epochs,
            "grace_period": epochs,
            "concurrent": 2,
            "sampler": "random",
        },
    }


def make_study(folder: Path, data: dict[str, Any]) -> tuple[Any, Any, Any]:
    """A study of trials that train nothing, in a space given as data, without a corpus."""
    from serhpo.corpus.folds import ProtocolConfig
    from serhpo.pareto import standard_objectives
    from serhpo.search.space import load_space_data
    from serhpo.study import StudySettings, new_study

    space = load_space_data(data, "overhead")
    settings = StudySettings(
        name="overhead",
        created="2026-01-01",
        corpus="",
        corpus_name="none",
        classes=("angry", "happy", "neutral", "sad"),
        space="",
        objectives=standard_objectives(4),
        protocol=ProtocolConfig(),
        claim="",
        epochs=space.search.epochs,
        rungs=(),
        seed=0,
    )
    study = new_study(folder / "study", settings, data, {"folds": []}, space.search.trials)
    context = nothing_to_read(study.path / "trials", settings.protocol)
    return study, space, context


def timed(script: str, *arguments: int) -> dict[str, float]:
    """What a script in a process of its own prints last."""
    root = Path(__file__).resolve().parents[1]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={name: value for name, value in environ.items() if name != "RAY_ADDRESS"},
    )
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    document: dict[str, float] = json.loads(done.stdout.strip().rpartition("\n")[2])
    return document


def help_cpu_seconds() -> float:
    """CPU time of ``serhpo --help``."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "serhpo.cli.app", "--help"], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def first_result_seconds(home: Path) -> float:
    """From the command to its first epoch, features cached, Ray's start included."""
    from serhpo.corpus.synthetic import synthesise

    corpus = home / "corpus"
    synthesise(corpus, speakers=6, utterances=8, seed=1)
    known = {key: text for key, text in os.environ.items() if key not in ("SERHPO_CACHE", "SERHPO_STORAGE")}
    environ = {**known, "SERHPO_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    common = ["--space", "smoke", "--corpus", str(corpus), "--set", "streams=mfcc"]
    command = [sys.executable, "-m", "serhpo.cli.app"]
    subprocess.run([*command, "features", *common], env=environ, capture_output=True, check=True)
    start = time.perf_counter()
    search = [*command, "search", *common, "--name", "first", "--epochs", "1"]
    process = subprocess.Popen(
        search, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    seconds = float("nan")
    for line in process.stderr or ():
        if re.match("estimate after one epoch", line):
            seconds = time.perf_counter() - start
    process.wait()
    return seconds


def measure(trials: int, rounds: int, results: int) -> dict[str, list[float]]:
    """Every figure, with one entry a round; seconds unless the name says otherwise."""
    names = ("ours", "ours_steady", "plain", "ratio", "results_per_s", "help_cpu_s", "first_result_s")
    found: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        ours, plain = timed(OURS, trials, 1), timed(PLAIN, trials)
        found["ours"].append(ours["seconds"] / trials)
        found["ours_steady"].append(ours["between"])
        found["plain"].append(plain["seconds"] / trials)
        found["ratio"].append(plain["seconds"] / ours["seconds"])
        found["results_per_s"].append(1 / timed(OURS, 2, results // 2)["between"])
        found["help_cpu_s"].append(help_cpu_seconds())
        with tempfile.TemporaryDirectory() as home:
            found["first_result_s"].append(first_result_seconds(Path(home)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=int, default=1000, help="results the driver is to handle")
    parser.add_argument("--quick", action="store_true", help="a smoke test: the figures mean nothing")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.trials, options.rounds, options.results = 4, 1, 20
    figures = measure(options.trials, options.rounds, options.results)
    if options.json:
        print(json.dumps({"goals": GOALS, **figures}, indent=2))
        return
    for name, values in figures.items():
        spread = f" ({min(values):.3g}–{max(values):.3g})" if len(values) > 1 else ""
        print(f"{name:14} {statistics.median(values):8.3g}{spread}")
    if not options.quick:
        ratio, cpu = statistics.median(figures["ratio"]), statistics.median(figures["help_cpu_s"])
        said = {True: "met", False: "MISSED"}
        print(f"\ngoal {GOALS['ratio']:g}× less per trial: {said[ratio >= GOALS['ratio']]}, {ratio:.1f}×")
        print(
            f"goal --help in {GOALS['help_cpu_s']:g} CPU s: {said[cpu <= GOALS['help_cpu_s']]}, {cpu:.2f} s"
        )


if __name__ == "__main__":
    main()
