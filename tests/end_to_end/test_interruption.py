"""Searches that are killed or interrupted, and what ``serhpo resume`` makes of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tests.conftest import COMMAND, Done, environment

pytestmark = pytest.mark.slow

SEARCH = ["search", "--space", "smoke", "--set", "streams=mfcc", "--set", "model.width=16"]


def start(home: Path, corpus: Path, trials: int = 6) -> subprocess.Popen[str]:
    """A search in a process group of its own, as a shell would start it."""
    command = [*COMMAND, *SEARCH, "--corpus", str(corpus), "--name", "cut", "--trials", str(trials)]
    return subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=environment(home),
        process_group=0,
    )


def read_until(process: subprocess.Popen[str], text: str) -> None:
    """Follow what the search prints until a line has this text."""
    assert process.stderr
    for line in process.stderr:
        if text in line:
            return
    pytest.fail(f"the search ended before it said {text!r}")


def epochs(home: Path) -> list[tuple[int, int]]:
    lines = (home / "studies" / "cut" / "epochs.jsonl").read_text().splitlines()
    return [(row["trial"], row["epoch"]) for row in map(json.loads, lines)]


def states(home: Path) -> Counter[str]:
    storage = JournalStorage(JournalFileBackend(str(home / "studies" / "cut" / "journal.log")))
    study = optuna.load_study(study_name=None, storage=storage)
    return Counter(trial.state.name for trial in study.trials)


def check_whole(home: Path, serhpo: Callable[..., Done], trials: int = 6) -> None:
    """Nothing lost, nothing twice, nothing left running."""
    status = serhpo("status", "cut", "--json").json
    assert states(home) == {state: n for state, n in status["trials"].items() if n}
    assert status["trials"]["RUNNING"] == status["trials"]["WAITING"] == status["trials"]["FAIL"] == 0
    assert sum(status["trials"].values()) == trials
    reported = epochs(home)
    assert len(reported) == len(set(reported))
    for trial in range(trials):
        mine = sorted(epoch for number, epoch in reported if number == trial)
        assert mine == list(range(1, len(mine) + 1)), f"trial {trial} has a gap"


def test_killed_driver_is_resumed(home: Path, small_corpus: Path, serhpo: Callable[..., Done]) -> None:
    search = start(home, small_corpus)
    read_until(search, "2/6 trial")
    search.kill()
    search.wait()
    before = epochs(home)
    assert serhpo("status", "cut", "--json").json["trials"]["RUNNING"] >= 1

    done = serhpo("resume", "cut")
    assert done.code == 0, done.err
    check_whole(home, serhpo)
    assert epochs(home)[: len(before)] == before
    assert serhpo("status", "cut", "--json").json["resumed"] == 1


def test_torn_journal_and_ledger_are_mended(
    home: Path, small_corpus: Path, serhpo: Callable[..., Done]
) -> None:
    search = start(home, small_corpus, trials=3)
    read_until(search, "1/3 trial")
    search.kill()
    search.wait()
    folder = home / "studies" / "cut"
    for name in ("journal.log", "epochs.jsonl"):
        with (folder / name).open("a") as file:
            file.write('{"torn": ')
    lock = folder / "journal.log.lock"
    lock.unlink(missing_ok=True)  # the kill may itself have left one
    lock.symlink_to(folder / "journal.log")

    done = serhpo("resume", "cut")
    assert done.code == 0, done.err
    check_whole(home, serhpo, trials=3)


def test_killed_worker_continues_from_its_checkpoint(
    home: Path, small_corpus: Path, serhpo: Callable[..., Done]
) -> None:
    search = start(home, small_corpus)
    read_until(search, "1/6 trial")
    workers = [pid for pid in descendants(search.pid) if b"Trainable" in command_line(pid)]
    assert workers
    os.kill(workers[0], signal.SIGKILL)
    _, rest = search.communicate(timeout=300)
    assert search.returncode == 0, rest
    check_whole(home, serhpo)


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_search_saves_and_says_how_to_go_on(
    kind: signal.Signals, home: Path, small_corpus: Path, serhpo: Callable[..., Done]
) -> None:
    search = start(home, small_corpus, trials=4)
    read_until(search, "1/4 trial")
    search.send_signal(kind)
    _, rest = search.communicate(timeout=300)
    assert search.returncode == 130, rest
    assert "serhpo resume cut" in rest
    assert "Traceback" not in rest

    done = serhpo("resume", "cut", "--json")
    assert done.code == 0, done.err
    assert done.json["front"]
    check_whole(home, serhpo, trials=4)


def test_second_driver_is_refused(home: Path, small_corpus: Path, serhpo: Callable[..., Done]) -> None:
    search = start(home, small_corpus, trials=3)
    read_until(search, "1/3 trial")
    done = serhpo("resume", "cut", "--json")
    assert done.code == 5
    assert done.json["error"]["kind"] == "StudyLockedError"
    driver, *_ = descendants(search.pid)
    assert f"process {driver} on " in done.json["error"]["got"]
    assert serhpo("status", "cut", "--json").json["driver"]["pid"] == driver
    _, rest = search.communicate(timeout=300)
    assert search.returncode == 0, rest
    check_whole(home, serhpo, trials=3)


def descendants(pid: int) -> list[int]:
    """Processes below one, from ``/proc``."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # ended meanwhile
    below = [child for child, parent in parents.items() if parent == pid]
    return below + [further for child in below for further in descendants(child)]


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
