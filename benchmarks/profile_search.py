"""Where the time of a search goes: every worker's wall time, from the command to the end, by what it was for.

    python benchmarks/profile_search.py [--space smoke] [--trials 12] [--png docs/profile.png] [--json]

A real search on a synthesised corpus, features not cached yet, two trials at a time, with workers that write
down when they open, train, evaluate and save. What lies between is what the driver and Ray take: `between
epochs` a worker waits to hear whether its trial goes on, `between trials` for the next one. Until its first
trial a worker is `starting` (features, Ray, imports), after its last one `out of work`; at the end the class
means are trained once. Shares are of all workers' time together.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from overhead import Silent

from serhpo.corpus import read_corpus
from serhpo.corpus.synthetic import synthesise
from serhpo.search import prepare, runner
from serhpo.search.space import load_space
from serhpo.search.trainable import TrialTrainable

PHASES = (
    "starting",
    "opening",
    "training",
    "evaluating",
    "saving",
    "between epochs",
    "between trials",
    "out of work",
    "class means",
)
WORKERS = 2
FILE = "PROFILE_SEARCH_FILE"


@contextmanager
def noted(phase: str, **more: Any) -> Iterator[None]:
    """A line for what happens inside."""
    start = time.time()
    try:
        yield
    finally:
        row = {"pid": os.getpid(), "phase": phase, "start": start, "end": time.time(), **more}
        with Path(os.environ[FILE]).open("a") as file:
            file.write(json.dumps(row) + "\n")


def wrapped(phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        with noted(phase):
            return function(*arguments)

    return call


class NotedTrainable(TrialTrainable):
    """A trial that writes down what it does when."""

    def step(self) -> dict[str, Any]:
        with noted("step", trial=self._number):
            return super().step()

    def _open_training(self) -> Any:
        with noted("opening"):
            return super()._open_training()

    def _fresh_training(self) -> Any:
        training = super()._fresh_training()
        training.run_epoch = wrapped("training", training.run_epoch)
        training.save = wrapped("saving", training.save)
        for fold in training._folds:
            fold.predict = wrapped("evaluating", fold.predict)
        return training


def search(home: Path, options: argparse.Namespace) -> dict[str, float]:
    """Run a search; when it began, when its trials were done, and when it ended."""
    times = {"began": time.time()}
    settings = {"search.trials": options.trials, "search.concurrent": WORKERS}
    space = load_space(options.space).pinned(settings)
    plan = prepare.make_plan(space, options.space, read_corpus(home / "corpus"))
    runner.TrialTrainable = NotedTrainable
    conclude = runner._Search.conclude

    def timed_conclude(self: Any) -> None:
        times["trained"] = time.time()
        conclude(self)

    runner._Search.conclude = timed_conclude
    with ExitStack() as session:
        shards = prepare.fill_features(
            plan.corpus, plan.space.extractors(), lambda stream, made: None, session, ray_follows=True
        )
        study = prepare.create_study(plan, "profile", shards)
        context = prepare.make_context(plan, shards, study.path / "trials")
        runner.run(study, plan.space, context, Silent())
    return {**times, "ended": time.time()}


def phases(rows: list[dict[str, Any]], times: dict[str, float]) -> dict[str, float]:
    """Seconds of all workers together, by what they were for."""
    spent = dict.fromkeys(PHASES, 0.0)
    for row in rows:
        if row["phase"] in spent:
            spent[row["phase"]] += row["end"] - row["start"]
    spent["training"] -= spent["evaluating"]  # an epoch ends with it
    for pid in {row["pid"] for row in rows}:
        steps = sorted(
            (row for row in rows if row["pid"] == pid and row["phase"] == "step"),
            key=lambda row: row["start"],
        )
        spent["starting"] += steps[0]["start"] - times["began"]
        spent["out of work"] += times["trained"] - steps[-1]["end"]
        for last, following in pairwise(steps):
            same = last["trial"] == following["trial"]
            spent["between epochs" if same else "between trials"] += following["start"] - last["end"]
    spent["class means"] = WORKERS * (times["ended"] - times["trained"])
    return spent


def draw(spent: dict[str, float], title: str, path: Path) -> None:
    """One bar, its parts named."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 2.2), layout="constrained")
    colours, whole, left = pyplot.get_cmap("tab20").colors, sum(spent.values()), 0.0
    for number, (phase, seconds) in enumerate(spent.items()):
        share = 100 * seconds / whole
        axes.barh([0], [share], left=[left], color=colours[number], label=f"{phase} {share:.1f} %")
        left += share
    axes.set(xlim=(0, 100), yticks=[], xlabel="share of all workers' time, %", title=title)
    axes.title.set_fontsize(9)
    axes.spines[["left", "top", "right"]].set_visible(False)
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=7, frameon=False
    )
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--space", default="smoke")
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--utterances", type=int, default=300, help="with one of the four classes")
    parser.add_argument("--png", type=Path, help="draw a bar there")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        home = Path(place)
        os.environ |= {"SERHPO_HOME": place, FILE: str(home / "noted.jsonl")}
        synthesise(home / "corpus", 10, options.utterances // 10, seed=7)
        times = search(home, options)
        rows = [json.loads(line) for line in (home / "noted.jsonl").read_text().splitlines()]
    spent = phases(rows, times)
    whole = times["ended"] - times["began"]
    if options.json:
        print(json.dumps({"schema_version": 1, "seconds": whole, "worker_seconds": spent}))
    else:
        print(f"{options.trials} trials of `{options.space}` in {whole:.0f} s, {WORKERS} workers\n")
        for phase, seconds in spent.items():
            print(f"{phase:16}{seconds:8.1f} s{100 * seconds / sum(spent.values()):7.1f} %")
    if options.png:
        draw(spent, f"{options.trials} trials of {options.space}, {whole:.0f} s by the clock", options.png)


if __name__ == "__main__":
    main()
