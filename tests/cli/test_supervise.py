"""A command that goes on in a child process: how the parent reads the child's end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.conftest import Done

SCRIPT = """
import os, signal, sys, time
import typer
from serhpo.cli import app, console, supervise

@app.app.command()
def act(what: str, as_json: console.JsonOption = False) -> None:
    supervise.go_on_in_child()
    supervise.name_study("mine")
    os.write(1, b"from C\\n")
    print("from Ray")
    {body}

app.main()
"""


def start(body: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(body=body), "act", "x", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "NO_COLOR": "1"},
    )


@pytest.fixture
def run() -> Callable[..., Done]:
    def run(body: str, *arguments: str) -> Done:
        process = start(body, *arguments)
        out, err = process.communicate(timeout=60)
        return Done(process.returncode, out, err)

    return run


def test_a_child_that_ends_by_itself_keeps_code_and_output(run: Callable[..., Done]) -> None:
    done = run('console.print_json({"a": 1}); console.say("done"); raise typer.Exit(4)')
    assert (done.code, done.json, done.err) == (4, {"a": 1}, "done\n")


def test_an_error_is_told_once(run: Callable[..., Done]) -> None:
    done = run('from serhpo.errors import UsageError; raise UsageError("no")')
    assert (done.code, done.out, done.err) == (2, "", "error: no\n")


def test_ray_that_ends_the_process_is_explained(run: Callable[..., Done]) -> None:
    done = run("os._exit(1)", "--json")
    assert done.code == 5
    assert done.json["error"]["message"].startswith("Ray ended the search")
    assert done.json["error"]["hint"].startswith("serhpo resume mine")


def test_a_killed_child_is_explained(run: Callable[..., Done]) -> None:
    done = run("os.kill(os.getpid(), signal.SIGKILL)")
    assert (done.code, done.out) == (5, "")
    assert "SIGKILL" in done.err
    assert "serhpo resume mine" in done.err


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_the_child_once(kind: signal.Signals) -> None:
    body = (
        "caught = []\n"
        "    for kind in (2, 15): signal.signal(kind, lambda n, f: caught.append(n))\n"
        "    console.say('ready')\n"
        "    while not caught: time.sleep(0.01)\n"
        "    console.print_json(caught); raise typer.Exit(130)"
    )
    process = start(body)
    assert process.stderr
    assert process.stderr.readline() == "ready\n"
    process.send_signal(kind)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, json.loads(out)) == (130, [kind])


def test_a_child_that_a_signal_ends_at_once_is_an_interruption() -> None:
    process = start("signal.signal(signal.SIGTERM, signal.SIG_DFL); console.say('ready'); signal.pause()")
    assert process.stderr
    assert process.stderr.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "serhpo resume mine" in err


def test_a_child_whose_ray_answers_the_signal_with_an_exit_is_an_interruption() -> None:
    body = "signal.signal(signal.SIGTERM, lambda n, f: os._exit(1)); console.say('ready'); signal.pause()"
    process = start(body, "--json")
    assert process.stderr
    assert process.stderr.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    told = json.loads(out)["error"]
    assert (process.returncode, told["message"]) == (130, "Stopped at once")
    assert told["hint"] == "serhpo resume mine"


def test_the_child_of_a_killed_parent_ends() -> None:
    process = start("console.say(str(os.getpid())); signal.pause()")
    assert process.stderr
    assert int(process.stderr.readline()) != process.pid
    process.kill()
    process.wait()
    assert process.stderr.read() == ""  # which ends when the last process that can write to it has
