"""A study on an object store: its head is lost between two uploads, a fresh one goes on. S3 on loopback."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from serhpo.study.store import StudyStore
from tests.cache.test_remote import s3, s3_server  # noqa: F401 - fixtures
from tests.chaos.invariants import check_finished, check_ledger
from tests.conftest import environment

TRIALS = 20


class Head:
    """A machine with a disk of its own, which runs made-up trials."""

    def __init__(self, home: Path, storage: str) -> None:
        self.home, self.storage = home, storage
        (home / "tmp").mkdir(parents=True)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        keys = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        paths = {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "TMPDIR": str(self.home / "tmp"),
            "RAY_TMPDIR": "/tmp",
        }
        return subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.replayed", *arguments, "--storage", self.storage],
            env={**environment(self.home), **keys, **paths},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ask(self, command: str) -> Any:
        arguments = [sys.executable, "-m", "serhpo.cli.app", command, "s", "--json"]
        done = subprocess.run(arguments, env=environment(self.home), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @property
    def study(self) -> Path:
        return self.home / "studies" / "s"

    def trained(self) -> list[str]:
        """Seed and epoch of everything that was trained on this machine."""
        return [line for log in self.home.glob("tmp/*/trained.log") for line in log.read_text().splitlines()]


@pytest.mark.slow
def test_a_head_lost_between_two_uploads_costs_epochs_of_seconds_and_nothing_twice(
    tmp_path: Path,
    small_corpus: Path,
    s3: str,  # noqa: F811 - the fixture
) -> None:
    first, second = Head(tmp_path / "first", s3), Head(tmp_path / "second", s3)
    store = StudyStore(s3, "s")
    given = ["--space", "smoke", "--corpus", str(small_corpus), "--trials", str(TRIALS)]
    search = first.start("search", *given, "--name", "s")
    wait = threading.Event()
    while search.poll() is None and (store.read("epochs.jsonl") or b"").count(b"\n") < 15:
        wait.wait(0.5)
    search.send_signal(signal.SIGKILL)
    _, said = search.communicate(timeout=60)
    assert search.returncode == -signal.SIGKILL, said
    lost = first.study.joinpath("epochs.jsonl").read_bytes()
    saved = store.read("epochs.jsonl") or b""
    assert lost.startswith(saved)
    shutil.rmtree(first.study)  # its disk goes with it
    resumed = second.start("resume", "s")
    _, said = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, said
    before = [json.loads(line) for line in saved.splitlines()]
    rows = check_ledger(second.study, before)
    check_finished(second.study, second.ask("status"), second.ask("front"), replayed=True)
    again = len(first.trained()) + len(second.trained()) - len(rows)
    assert 0 <= again <= lost.count(b"\n") - len(before) + 2, "one more for each of the two trials under way"
    assert store.read("epochs.jsonl") == (second.study / "epochs.jsonl").read_bytes()
    assert store.read("journal.log") == (second.study / "journal.log").read_bytes()
    kept = {name.rpartition("/")[0] for name in store.names("trials") if name.endswith("checkpoint.json")}
    front = {f"trials/{row['number']}/best" for row in second.ask("front")["front"]}
    assert kept == front
    assert store.names("tune") == []
