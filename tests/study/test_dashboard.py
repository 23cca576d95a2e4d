"""Optuna's own dashboard on a study's journal: the command of the README, its server, its answers."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.fakes import make_study

PROGRAM = shutil.which("optuna-dashboard", path=str(Path(sys.executable).parent))
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs serhpo[dashboard]")


@pytest.fixture
def ask(tmp_path):
    """What the dashboard of a study with complete, pruned, failed and running trials answers."""
    study = make_study(tmp_path / "demo")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [PROGRAM, study.path / "journal.log", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    server = subprocess.Popen(
        [*command, "--server", "wsgiref"], stderr=subprocess.PIPE, text=True, env=environment
    )
    stop = threading.Timer(120, server.kill)  # a server that says nothing is no reason to wait for ever
    stop.start()

    def ask(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return answer.read()

    try:
        assert server.stderr
        told = []
        for line in server.stderr:
            told.append(line)
            if "Hit Ctrl-C" in line:
                break
        else:
            pytest.fail("".join(told))
        yield lambda path: json.loads(_when_listening(lambda: ask(path), server))
    finally:
        stop.cancel()
        server.kill()
        server.wait()
        server.stderr.close()


def _when_listening(ask, server):
    """The server speaks a moment before it listens."""
    while True:
        try:
            return ask()
        except urllib.error.URLError:
            assert server.poll() is None


def test_the_dashboard_shows_the_study_as_it_is(ask):
    (summary,) = ask("/api/studies")["study_summaries"]
    assert summary["study_name"] == "demo"
    assert summary["directions"] == ["maximize", "maximize"]
    detail = ask(f"/api/studies/{summary['study_id']}")
    states = [trial["state"] for trial in detail["trials"]]
    assert states == ["Complete", "Complete", "Complete", "Pruned", "Fail", "Running"]
    assert detail["trials"][2]["values"] == [0.5, 0.45]
    assert {trial["number"] for trial in detail["best_trials"]} == {0, 2}
