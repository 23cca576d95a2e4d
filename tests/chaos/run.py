"""Kill searches at random moments, resume them, and check that nothing was lost.

    python -m tests.chaos.run --kills 160 --training replayed --seed 0

Each kill is a SIGKILL of a trial's worker, the driver, the parent that watches it, Ray's raylet or its GCS.
Who, when, and what the study held are printed; the first broken invariant ends the run with a traceback.

With ``--storage`` studies lie on an S3 server on loopback, which is cut off for a while now and then, and
whenever a search ends the next one goes on from an empty folder: its head is a new machine.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serhpo.corpus.synthetic import synthesise
from serhpo.study.store import StudyStore
from tests.chaos.invariants import check_finished, check_ledger, check_rows, ledger, rows_of
from tests.chaos.processes import of_home, targets
from tests.chaos.s3 import S3
from tests.conftest import environment

MODULES = {"replayed": "tests.chaos.replayed", "real": "serhpo.cli.app"}
KINDS = {"worker": 8, "driver": 3, "parent": 1, "raylet": 2, "gcs": 1, "store": 3}
"""Who is killed, and how often relative to the others; the store is only cut off."""


class Chaos:
    """A run of kills, one study after another.

    Args:
        home: Where studies and features lie.
        training: ``replayed`` or ``real``.
        seed: Decides who is killed and when, as far as the machine lets it.
        trials: Of every study.
        wait: Seconds a kill waits at most, once trials report.
        s3: Where studies lie, if not in their folder.
        kinds: As :data:`KINDS`.
    """

    def __init__(
        self,
        home: Path,
        training: str,
        seed: int,
        trials: int,
        wait: float,
        s3: S3 | None = None,
        kinds: Mapping[str, int] = KINDS,
    ) -> None:
        self.s3, self._kinds = s3, kinds
        self.behind_s = 0.0  # of the store, at most, when a head was lost
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        self.home, self.training, self.trials, self.wait = home, training, trials, wait
        self.killed: Counter[str] = Counter()
        self.resumes = self.studies = self.epochs = self.again = 0
        self._random = random.Random(seed)
        self._start = time.monotonic()
        self._corpus = home / "corpus"
        if not self._corpus.exists():
            synthesise(self._corpus, speakers=6, utterances=8, seed=1)

    def run(self, kills: int) -> None:
        """Kill so many times; every study is brought to its end and checked."""
        while sum(self.killed.values()) < kills:
            self._one_study(kills)
        left = self._wait_for_end()
        assert not left, f"processes are left: {left}"

    def _one_study(self, kills: int) -> None:
        name = f"chaos-{self.studies}"
        self.studies += 1
        study = self.home / "studies" / name
        rows: list[dict[str, Any]] = []
        while True:
            known = self._store(name).has("journal.log") if self.s3 else study.is_dir()
            process = self._begin("resume" if known else "search", name)
            self.resumes += known
            code = self._kill_some(process, study, kills)
            if self.s3:
                rows = self._check_store(name, study, rows)
            elif study.is_dir():
                rows = check_ledger(study, rows)
            if code == 0:
                break
            if self.s3:
                shutil.rmtree(study, ignore_errors=True)  # with the head
        self._check(name, study)

    def _store(self, name: str) -> StudyStore:
        return StudyStore(self.s3.address if self.s3 else "", name)

    def _check_store(self, name: str, study: Path, before: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What a new head will find there: all that was there before, and part of what the last one had."""
        there = check_rows(rows_of(self._store(name).read("epochs.jsonl") or b""), before)
        # Its last file says that a study was brought whole: before that its head was killed too early.
        here = ledger(study) if (study / "study.yaml").is_file() else there
        assert here[: len(there)] == there, "the store has other epochs than its head wrote"
        if lost := here[len(there) :]:
            self.behind_s = max(self.behind_s, lost[-1]["elapsed"] - lost[0]["elapsed"])
        return there

    def _begin(self, command: str, name: str) -> subprocess.Popen[bytes]:
        arguments = [command, name]
        if command == "search":
            settings = ["streams=mfcc", "model.width=16", "search.max_failures=99"]
            settings += [f"search.seed={self.studies}"]
            arguments = ["search", "--space", "smoke", "--corpus", str(self._corpus), "--name", name]
            arguments += ["--trials", str(self.trials), *(x for s in settings for x in ("--set", s))]
        if self.s3:
            arguments += ["--storage", self.s3.address]
        with (self.home / "driver.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", MODULES[self.training], *arguments],
                stdout=log,
                stderr=log,
                env=self._environment(),
                process_group=0,
            )

    def _environment(self) -> dict[str, str]:
        folders = {"TMPDIR": str(self.home / "tmp"), "RAY_TMPDIR": "/tmp"}  # whose paths have to be short
        return {**environment(self.home), "PYTHONPATH": os.pathsep.join(sys.path), **folders}

    def _kill_some(self, process: subprocess.Popen[bytes], study: Path, kills: int) -> int:
        """Kill parts of a running search until it has ended."""
        while True:
            try:
                code = process.wait(timeout=self._moment(process, study))
            except subprocess.TimeoutExpired:
                if sum(self.killed.values()) >= kills:
                    code = process.wait(timeout=900)
                elif not self._kill(process, study):
                    continue
                else:
                    code = process.wait(timeout=300)
            break
        assert code in (0, 5, -signal.SIGKILL), f"exit code {code}, see {self.home / 'driver.log'}"
        return code

    def _moment(self, process: subprocess.Popen[bytes], study: Path) -> float:
        """Seconds until the next kill: some at any moment, most while trials report."""
        if self._random.random() < 0.3:
            return self._random.random() * 3 * self.wait
        before = _lines(study)
        for _ in range(600):
            if process.poll() is not None or _lines(study) > before:
                break
            time.sleep(0.1)
        return self._random.random() * self.wait

    def _kill(self, process: subprocess.Popen[bytes], study: Path) -> bool:
        """Kill one process; whether that should end the search."""
        found = {kind: pids for kind, pids in targets(process.pid).items() if pids}
        if self.s3:
            found["store"] = [0]
        weights = {kind: self._kinds[kind] for kind in found if kind in self._kinds}
        if not weights:
            return False
        kind = self._random.choices(list(weights), list(weights.values()))[0]
        pid = self._random.choice(found[kind])
        written = _lines(study)
        if self.s3 and kind == "store":
            with self.s3.silent():
                time.sleep(self._random.random() * 2 * self.wait)
            self.killed[kind] += 1
            self._say(f"cut {sum(self.killed.values()):4d} {kind:6} {study.name}, {written} epochs written")
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        self.killed[kind] += 1
        self._say(f"kill {sum(self.killed.values()):3d} {kind:6} {study.name}, {written} epochs written")
        return kind != "worker"

    def _check(self, name: str, study: Path) -> None:
        status, front = (self._ask(command, name) for command in ("status", "front"))
        check_finished(study, status, front, replayed=self.training == "replayed")
        self.epochs += status["epochs"]
        if self.training == "replayed":
            self.again += self._trained(study) - status["epochs"]
        self._say(
            f"whole: {name}, {status['trials']}, {status['epochs']} epochs, resumed {status['resumed']}"
        )

    def _trained(self, study: Path) -> int:
        """Epochs trained since the last study; with a store each machine has a folder of its own."""
        if not self.s3:
            return len((study / "trials" / "trained.log").read_text().splitlines())
        logs = list((self.home / "tmp").glob("serhpo-*/trained.log"))
        count = sum(len(log.read_text().splitlines()) for log in logs)
        for log in logs:
            log.unlink()
        return count

    def _ask(self, command: str, name: str) -> dict[str, Any]:
        arguments = [sys.executable, "-m", "serhpo.cli.app", command, name, "--json"]
        done = subprocess.run(arguments, capture_output=True, text=True, env=self._environment(), timeout=120)
        assert done.returncode == 0, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def _wait_for_end(self) -> list[int]:
        """Processes that are still there after a minute and a half."""
        waited = threading.Event()
        for _ in range(90):
            if not (left := of_home(self.home)):
                break
            waited.wait(1.0)
        return left

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self._start:7.1f} s  {text}", flush=True)

    def summary(self) -> str:
        """One paragraph for a note."""
        kills = ", ".join(f"{count} {kind}" for kind, count in sorted(self.killed.items()))
        again = f"; {self.again} epochs trained twice" if self.training == "replayed" else ""
        behind = f"; a lost head's store was at most {self.behind_s:.1f} s behind" if self.s3 else ""
        return (
            f"{sum(self.killed.values())} kills ({kills}) on {self.training} training: "
            f"{self.studies} studies, {self.resumes} resumes, {self.epochs} epochs, "
            f"nothing lost{again}{behind}"
        )


def _lines(study: Path) -> int:
    ledger = study / "epochs.jsonl"
    return ledger.read_bytes().count(b"\n") if ledger.exists() else 0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--training", choices=MODULES, default="replayed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=30, help="of every study")
    parser.add_argument("--wait", type=float, default=4.0, help="seconds, at most, that a kill waits for")
    parser.add_argument("--storage", action="store_true", help="studies on S3, each head a new one")
    parser.add_argument("--home", type=Path, help="kept; without it a folder that is removed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="serhpo-chaos-") as scratch:
        home = (options.home or Path(scratch)).resolve()
        s3 = S3() if options.storage else None
        chaos = Chaos(home, options.training, options.seed, options.trials, options.wait, s3)
        chaos.run(options.kills)
        if s3:
            s3.stop()
    print(chaos.summary())


if __name__ == "__main__":
    main()
