"""Ten faults of machines and head in one search, and what is left of it: ``make chaos-cluster``.

    python -m tests.cluster.chaos --seed 0

Each fault strikes while trials report. Nothing that was written may change, and in the end the study must be
as it would have been: every trial once, none lost, each whole. The first thing that is not so ends the run.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.chaos.invariants import check_finished, check_ledger, journal
from tests.cluster.rack import MACHINES, Rack, why_not

FAULTS = (
    "worker's power",
    "worker's cable",
    "worker's raylet",
    "a trial",
    "one worker less",
    "one worker more",
    "driver",
    "head's raylet",
    "head's power",
    "ray job stop",
)

SETTINGS = ("streams=mfcc", "search.concurrent=3", "search.max_failures=99")
SEARCH = f"serhpo search --space smoke {' '.join(f'--set {setting}' for setting in SETTINGS)}"
STUDY = "storm"


class Storm:
    """One search and all the faults, in an order that the seed decides."""

    def __init__(self, rack: Rack, seed: int) -> None:
        self.rack = rack
        self.folder = rack.shared / "studies" / STUDY
        self.jobs = self.trials = 0
        self.workers = len(MACHINES) - 1
        self._random = random.Random(seed)
        self._start = time.monotonic()

    def run(self) -> None:
        """All of it, and the check at the end."""
        self._grow()
        faults = list(FAULTS)
        self._random.shuffle(faults)
        low, high = faults.index("one worker less"), faults.index("one worker more")
        if low > high:  # it can only come back after it went
            faults[low], faults[high] = faults[high], faults[low]
        rows: list[dict[str, Any]] = []
        for number, fault in enumerate(faults, 1):
            self._progress(3)
            rows = check_ledger(self.folder, rows)
            what = self._strike(fault)
            self._say(f"{number:2d} {fault}: {what}; {len(rows)} epochs were written")
        words = self._end_of_job()
        assert "succeeded" in words, words[-3000:]
        check_ledger(self.folder, rows)
        self._check()

    def _job(self, command: str) -> None:
        self.jobs += 1
        self.rack.submit(f"storm-{self.jobs}", command)

    def _end_of_job(self) -> str:
        return self.rack.follow(f"storm-{self.jobs}", timeout=3000)

    def _grow(self) -> None:
        """More trials: a search that is over cannot be struck."""
        self.trials += 15
        command = f"serhpo resume {STUDY}" if self.jobs else f"{SEARCH} --name {STUDY}"
        self._job(f"{command} --trials {self.trials}")

    def _progress(self, epochs: int) -> None:
        """Wait until trials report."""
        known, end = len(self.rack.rows(STUDY)), time.monotonic() + 900
        while len(self.rack.rows(STUDY)) < known + epochs:
            assert time.monotonic() < end, f"no {epochs} epochs in 15 minutes"
            if (self.folder / "journal.log").exists() and self._ended() >= self.trials:
                words = self._end_of_job()
                assert "succeeded" in words, words[-3000:]
                self._grow()
            time.sleep(1)

    def _ended(self) -> int:
        return sum(trial.state.is_finished() for trial in journal(self.folder))

    def _strike(self, fault: str) -> str:
        worker = self._random.choice(MACHINES[1:])
        match fault:
            case "worker's power":
                self.rack.hosts("kill", worker)
                time.sleep(20)
                self.rack.hosts("boot", worker)
                return worker
            case "worker's cable":
                self.rack.hosts("cut", worker)
                time.sleep(60)
                self.rack.hosts("heal", worker)
                return f"{worker}, out for a minute"
            case "worker's raylet":
                return self._kill(MACHINES[1:], "/raylet/raylet")
            case "a trial":
                return self._kill(MACHINES, "Trainable")
            case "driver":
                what = self._kill(["h1"], "bin/serhpo")
            case "ray job stop":
                what = self.rack.stop(f"storm-{self.jobs}")
            case "head's raylet":
                what = self._kill(["h1"], "/raylet/raylet")
            case "head's power":
                what = "h1"
                self.rack.hosts("kill", what)
                self.rack.hosts("replace", what)
            case _:
                return self._scale(1 if fault.endswith("less") else 2)
        if fault.startswith("head"):
            self.rack.laptop("ray down -y cluster/on-premises.yaml")
            self.rack.up(self.workers)
        else:
            self._end_of_job()
        self._job(f"serhpo resume {STUDY}")
        return what

    def _scale(self, workers: int) -> str:
        """Change the file while a search runs, as its page says."""
        limits = f"min_workers: {workers}\\nmax_workers: {workers}"
        edit = f"sed -i '/^m.._workers:/d; 1i {limits}' cluster/on-premises.yaml"
        self.rack.laptop(f"{edit} && ray up -y --no-restart cluster/on-premises.yaml", timeout=600)
        self.rack.wait(lambda: len(self.rack.nodes()) == workers + 1, f"{workers + 1} nodes")
        self.workers = workers
        return f"{workers} workers"

    def _kill(self, names: Sequence[str], part: str) -> str:
        """Kill one process of this kind, as soon as there is one on these machines."""

        def targets() -> list[tuple[str, str]]:
            return [(name, pid) for name in names for pid in self._pids(name, part)]

        name, pid = self._random.choice(self.rack.wait(targets, part))
        self.rack.hosts("exec", name, "kill", "-9", pid)
        return f"kill -9 on {name}"

    def _pids(self, name: str, part: str) -> list[str]:
        lines = self.rack.hosts("exec", name, "ps", "-eo", "pid=,args=").splitlines()
        return [line.split()[0] for line in lines if part in line]

    def _check(self) -> None:
        status, front = (
            json.loads(self.rack.machine("h1", f"serhpo {command} {STUDY} --json"))
            for command in ("status", "front")
        )
        check_finished(self.folder, status, front, replayed=False)
        hosts: dict[int, set[str]] = defaultdict(set)
        for row in self.rack.rows(STUDY):
            hosts[row["trial"]].add(row["host"])
        moved = sum(len(mine) > 1 for mine in hosts.values())
        self._say(f"whole: {status['trials']}, {status['epochs']} epochs, {self.jobs} jobs")
        self._say(f"trials that moved to another machine: {moved}")

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self._start:6.0f} s  {text}", flush=True)


def main() -> None:
    """Run it, where machines can be made."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    if reason := why_not():
        sys.exit(f"not here: {reason}")
    with tempfile.TemporaryDirectory() as folder, Rack(Path(folder) / "hosts") as rack:
        rack.up()
        Storm(rack, seed).run()


if __name__ == "__main__":
    main()
