"""How the driver of a search bears many trials: its own loop on a simulated cluster, without Ray or training.

    python benchmarks/scale.py [--trials 10000] [--workers 1000] [--sampler random] [--ask tpe …]
        [--profile] [--quick] [--json]

A thousand workers train ten thousand trials of the space `full`, whose curves are made up; a heap of events
is the cluster. All else is what `serhpo search` runs in its driver: bridge, sampler, rungs, journal, ledger
(both synced to the disk), budget and estimate. A decision is what the driver does about one event:
`report` an epoch (rungs, ledger), write the `end` of a trial (journal, checkpoints), `propose` the next one.
Costs are medians of wall time over the last hundred of each when so many trials have ended.

The loop runs with random proposals, since a proposal's own cost would hide everything else; what the samplers
take for one is measured beside it, on a study in memory that holds so many trials (`--ask`).
Ray Tune's own cost is not in it: see ``overhead.py``.
"""

from __future__ import annotations

import argparse
import cProfile
import heapq
import json
import os
import pstats
import statistics
import sys
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402
import optuna  # noqa: E402
from overhead import Silent, make_study  # noqa: E402

from serhpo.search import runner  # noqa: E402
from serhpo.search.epoch_writer import EpochWriter  # noqa: E402
from serhpo.search.estimate import Estimate  # noqa: E402
from serhpo.search.optuna_samplers import SAMPLERS, make_sampler, trial_seed  # noqa: E402
from serhpo.search.record import Record  # noqa: E402
from serhpo.search.rungs import Rungs  # noqa: E402
from serhpo.search.sampler import StudySearch  # noqa: E402
from serhpo.search.scheduler import ParetoASHA  # noqa: E402
from serhpo.search.space import Space, load_space  # noqa: E402
from serhpo.training.results import EpochResult  # noqa: E402

MARKS = (100, 1_000, 10_000)
KINDS = ("report", "end", "propose")
FIGURES = {field.name: 0.5 for field in fields(EpochResult)}


class Trial:
    """A trial as Tune knows it, in training on some worker."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self.config = job
        self.number: int = job["number"]
        self.trial_id = str(self.number)
        self.epoch = 0
        generator = np.random.default_rng(job["seed"])
        self.height = generator.uniform((0.3, 0.0), (0.7, 0.6))
        self.speed = generator.uniform(2, 12)
        self.seconds = generator.lognormal(0, 0.5)
        self._noise = generator.normal(0, 0.01, (100, 2))

    def next_epoch(self) -> dict[str, Any]:
        """What the worker would report."""
        self.epoch += 1
        ua, ccc = self.height * (1 - np.exp(-self.epoch / self.speed)) + self._noise[self.epoch]
        figures = {"epoch": self.epoch, "ua": float(ua), "ccc": float(ccc), "seconds": self.seconds}
        return {**FIGURES, **figures, "trial": self.number, "hostname": "simulated"}


class Cluster:
    """Has room for as many trials as it has workers: serhpo.search.machines.Room."""

    def __init__(self, workers: int) -> None:
        self.fitting = workers

    def __call__(self) -> int:
        return self.fitting


class SameThread:
    """In place of the bridge's thread, which a profile would not see."""

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(function(*arguments))
        return done


class Driver:
    """The driver's loop, with a heap of events in place of Tune's."""

    def __init__(self, folder: Path, space: Space, workers: int, profiled: bool) -> None:
        settings = space.search
        data = space.model_dump(mode="json", by_alias=True, exclude_unset=True)
        self.study, self.space, _ = make_study(folder, data)
        self.record = Record(self.study, Rungs(self.study.objectives, settings))
        driver: Any = runner._Search(
            self.study,
            self.space,
            SimpleNamespace(),
            Silent(),
            self.record,
            lambda: False,
            lambda: None,
            Cluster(workers),
        )
        driver._estimate, driver._left = Estimate(settings, workers), settings.trials
        self.search = StudySearch(self.record, self.space, driver._ended, driver._room)
        if profiled:
            self.search._turns = SameThread()
        self.scheduler = ParetoASHA(self.record.rungs, self.record.errors)
        self.writer = EpochWriter(self.record, driver.budget, driver._trained)
        self.workers, self.epochs = workers, settings.epochs
        self.spent: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=100))
        self.decisions = self.ended = 0
        self._queue: list[tuple[float, int, Trial]] = []

    def run(self) -> Iterator[int]:
        """Train everything; yields how many trials have ended after each end."""
        for _ in range(self.workers):
            self._start(0.0)
        while self._queue:
            now, _, trial = heapq.heappop(self._queue)
            result = trial.next_epoch()
            with self._timed("report"):
                stop = self.scheduler.on_trial_result(None, trial, result) == "STOP"
                self.writer.on_trial_result(0, [], trial, result)
            if not stop and trial.epoch < self.epochs:
                self._push(now, trial)
                continue
            with self._timed("end"):
                self.search.on_trial_complete(str(trial.number), result)
                self.search.settle()
            self.ended += 1
            self._start(now)
            yield self.ended
        self.record.close()

    def _start(self, now: float) -> None:
        if not self.search.missing:  # at the end nothing is proposed that could be timed
            return
        name = f"of {self.decisions}"
        with self._timed("propose"):
            while (job := self.search.suggest(name)) is None and self.search._asking:
                pass  # the sampler still thinks
        if isinstance(job, dict):
            self.search._numbers[str(job["number"])] = self.search._numbers.pop(name)
            self._push(now, Trial(job))

    def _push(self, now: float, trial: Trial) -> None:
        heapq.heappush(self._queue, (now + trial.seconds, trial.number, trial))

    @contextmanager
    def _timed(self, kind: str) -> Iterator[None]:
        self.decisions += 1
        start = time.perf_counter()
        yield
        self.spent[kind].append(time.perf_counter() - start)


def resident_mib() -> float:
    """Memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def simulate(folder: Path, space: Space, workers: int, profiled: bool) -> list[dict[str, float]]:
    """One search; a row when 100, 1,000, 10,000 or all trials have ended."""
    base = resident_mib()
    driver = Driver(folder, space, workers, profiled)
    marks, start = {*MARKS, space.search.trials}, time.perf_counter()
    rows, last = [], (0, start)
    for ended in driver.run():
        if ended not in marks:
            continue
        now = time.perf_counter()
        rows.append(
            {
                "trials": ended,
                "decisions_per_s": (driver.decisions - last[0]) / (now - last[1]),
                **{f"{kind}_ms": 1e3 * statistics.median(driver.spent[kind]) for kind in KINDS},
                "memory_mib": resident_mib() - base,
                "journal_mib": (driver.study.path / "journal.log").stat().st_size / 2**20,
                "ledger_mib": (driver.study.path / "epochs.jsonl").stat().st_size / 2**20,
            }
        )
        last = driver.decisions, now
        print(f"{ended} trials after {now - start:.0f} s", file=sys.stderr)
    return rows


def proposal_ms(space: Space, name: str, trials: int, asked: int) -> float:
    """What a sampler takes for one proposal on top of so many trials, a third of them complete."""
    settings = space.search.model_copy(update={"sampler": name, "trials": trials})
    study = optuna.create_study(directions=["maximize"] * 2, sampler=optuna.samplers.RandomSampler(seed=0))
    generator = np.random.default_rng(0)
    for number in range(trials):
        trial = study.ask()
        space.suggest(trial)
        if number % 3:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, generator.uniform(0, 1, 2).tolist())
    study.sampler = make_sampler(settings, 0)
    times = []
    for _ in range(asked):
        start = time.perf_counter()
        space.suggest(study.ask())
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def print_tables(rows: list[dict[str, float]], asks: list[dict[str, Any]], marks: list[int]) -> None:
    print("| trials | decisions/s | report | end | propose | memory | journal | ledger |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['trials']:,} | {row['decisions_per_s']:,.0f} | {row['report_ms']:.1f} ms | "
            f"{row['end_ms']:.1f} ms | {row['propose_ms']:.1f} ms | {row['memory_mib']:.0f} MiB | "
            f"{row['journal_mib']:.1f} MiB | {row['ledger_mib']:.1f} MiB |"
        )
    if asks:
        print(f"\n| one proposal after | {' | '.join(f'{mark:,} trials' for mark in marks)} |")
        print("|---|" + "---|" * len(marks))
    for ask in asks:
        print(f"| {ask['sampler']} | {' | '.join(f'{ms:,.1f} ms' for ms in ask['ms'])} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    proposing = [name for name in SAMPLERS if name != "grid"]
    parser.add_argument("--trials", type=int, default=MARKS[-1])
    parser.add_argument("--workers", type=int, default=1_000)
    parser.add_argument("--sampler", default="random", choices=proposing)
    parser.add_argument(
        "--ask",
        nargs="*",
        default=["tpe", "nsga2", "nsga3", "qmc", "random"],
        choices=proposing,
    )
    parser.add_argument("--profile", action="store_true", help="where the driver's time goes")
    parser.add_argument("--quick", action="store_true", help="few trials: only whether it runs")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.trials, options.workers, options.ask = 120, 20, options.ask[:2]
    changes = {"trials": options.trials, "sampler": options.sampler, "seed": trial_seed(0, 0)}
    space = load_space("full").pinned({f"search.{name}": value for name, value in changes.items()})
    profile = cProfile.Profile()
    with tempfile.TemporaryDirectory() as folder:
        if options.profile:
            profile.enable()
        rows = simulate(Path(folder), space, options.workers, options.profile)
        profile.disable()
    marks = [mark for mark in MARKS if mark <= options.trials]
    count = 2 if options.quick else 5
    asks = [
        {"sampler": name, "ms": [proposal_ms(space, name, mark, count) for mark in marks]}
        for name in options.ask
    ]
    if options.json:
        print(json.dumps({"schema_version": 1, "rows": rows, "asks": asks}))
        return
    print(f"{options.trials:,} trials, {options.workers:,} workers, {options.sampler}\n")
    print_tables(rows, asks, marks)
    if options.profile:
        pstats.Stats(profile, stream=sys.stdout).sort_stats("cumulative").print_stats(40)


if __name__ == "__main__":
    main()
