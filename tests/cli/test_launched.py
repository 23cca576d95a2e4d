"""A cluster from the laptop, with a stand-in for Ray's launcher that runs what the head would run here.

The launcher itself, over SSH to hosts of their own, is in ``make test-cluster``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from serhpo.cli import app
from serhpo.cluster import launcher
from tests.search.conftest import make_space, make_study

RAY = """
import os, subprocess, sys
verb, file, *rest = sys.argv[1:]
print("Loaded cached provider configuration from /tmp/ray-config-1")
if "down" in open(file).read():
    sys.exit(print("RuntimeError: Head node of cluster (serhpo) not found!") or 1)
if "deaf" in open(file).read():
    sys.exit(print("ssh: connect to host 198.51.100.2 port 22: No route to host") or 1)
if verb == "exec":
    print("Fetched IP: 198.51.100.2", flush=True)
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(["bash", "-c", rest[0]], **pipe, text=True)
    print(done.stdout.replace("\\n", "\\r\\n"), end="")  # as over a terminal
    print("Shared connection to 198.51.100.2 closed.")
elif verb == "rsync-down":
    subprocess.run(["cp", "-a", f"{rest[0]}.", rest[1]], check=True)
"""

PROGRAM = """#!/bin/bash
echo "$0 $*" | sed "s|$PWD/bin/||" >> "$HOME/said"
for last; do :; done
case "$0 $*" in
    */serhpo*) echo a warning >&2; SERHPO_HOME=$HOME {python} -m serhpo.cli.app "$@";;
    *taken*) echo "Job with submission ID taken already exists"; exit 1;;
    *) bash -c "${last/serhpo search/true}";;
esac
"""

Run = Callable[..., int]


@pytest.fixture
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The head's home folder, with a study; this process is the laptop."""
    head, laptop = tmp_path / "head", tmp_path / "laptop"
    (tmp_path / "bin").mkdir(parents=True)
    laptop.mkdir()
    for name in ("ray", "serhpo"):
        (tmp_path / "bin" / name).write_text(PROGRAM.replace("{python}", sys.executable))
        (tmp_path / "bin" / name).chmod(0o755)
    make_study(head / "studies" / "there", make_space())
    (tmp_path / "ray.py").write_text(RAY)
    for name in ("cluster", "down", "deaf"):
        (tmp_path / f"{name}.yaml").write_text(f"cluster_name: {name}\n")
    monkeypatch.setattr(launcher, "RAY", (sys.executable, str(tmp_path / "ray.py")))
    monkeypatch.setenv("HOME", str(head))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("SERHPO_HOME", str(laptop))
    monkeypatch.setattr(launcher.shutil, "which", lambda program: f"/usr/bin/{program}")
    monkeypatch.chdir(head)
    return head


@pytest.fixture
def serhpo(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process; its exit code."""

    def run(*arguments: object) -> int:
        given = [str(argument) for argument in arguments]
        monkeypatch.setattr(sys, "argv", ["serhpo", *given])
        return app._run(given, "--json" in given, debug=False)

    return run


def test_a_search_is_submitted_with_its_arguments_and_its_files(
    head: Path, tmp_path: Path, serhpo: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    space = tmp_path / "my space.yaml"
    space.write_text("parameters: {batch_size: {choice: [16, 32, 64]}}\n")
    file = tmp_path / "cluster.yaml"
    assert (
        serhpo("search", "--space", space, "--submit", file, "--set", "batch_size=[16, 32]", "--name", "x")
        == 0
    )
    out = capsys.readouterr().out
    assert f"ray exec {file} 'ray job logs -f x'" in out
    assert f"serhpo fetch x --on {file}" in out
    said = (head / "said").read_text()
    assert "job submit --no-wait --submission-id x -- sh -c cd && exec serhpo search --space" in said
    assert "--set 'batch_size=[16, 32]' --name x" in said
    assert "--submit" not in said
    (sent,) = (head / "serhpo-submitted" / "x").iterdir()
    assert sent.read_text() == space.read_text()


def test_a_search_without_a_name_gets_one_which_its_job_has_too(
    head: Path, tmp_path: Path, serhpo: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert serhpo("search", "--space", "smoke", f"--submit={tmp_path / 'cluster.yaml'}", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["job"] == document["study"]
    assert f"search --space smoke --json --name {document['study']}" in (head / "said").read_text()


def test_options_of_every_command_stay_here(
    head: Path, tmp_path: Path, serhpo: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("search", "--space", "smoke", f"--submit={tmp_path / 'cluster.yaml'}", "--json")
    assert serhpo("--quiet", *arguments) == 0
    study = json.loads(capsys.readouterr().out)["study"]
    assert f"exec serhpo search --space smoke --json --name {study}" in (head / "said").read_text()


@pytest.mark.parametrize(
    ("file", "name", "code", "words"),
    [
        ("cluster", "taken", 5, "submission ID taken already exists"),
        ("down", "x", 5, "The cluster is not running"),
        ("deaf", "x", 5, "No route to host"),
        ("missing", "x", 3, "Cannot read the file"),
    ],
)
def test_what_goes_wrong_is_one_clear_error(
    file: str, name: str, code: int, words: str, head: Path, tmp_path: Path, serhpo: Run,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    cluster = tmp_path / f"{file}.yaml"
    assert serhpo("search", "--space", "smoke", "--name", name, "--submit", cluster, "--json") == code
    error = json.loads(capsys.readouterr().out)["error"]
    assert words in f"{error['message']} {error.get('got')}"


def test_a_mistake_is_told_before_anything_is_submitted(head: Path, tmp_path: Path, serhpo: Run) -> None:
    file = tmp_path / "cluster.yaml"
    assert serhpo("search", "--space", "smoke", "--submit", file, "--set", "no.such=1") == 3
    assert not (head / "said").exists()


@pytest.mark.usefixtures("head")
def test_a_study_there_is_read_from_here(
    tmp_path: Path, serhpo: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cluster.yaml"
    assert serhpo("status", "there", "--on", file, "--json") == 0
    assert json.loads(capsys.readouterr().out)["study"] == "there"  # no warning, no words of Ray's
    assert serhpo("status", "nowhere", "--on", file) == 3
    assert "No study named `nowhere`" in capsys.readouterr().out


def test_a_study_is_fetched_and_read_here_but_never_over_one_of_this_machine(
    head: Path, tmp_path: Path, serhpo: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cluster.yaml"
    for _ in range(2):
        assert serhpo("fetch", "there", "--on", file) == 0
    assert serhpo("status", "there") == 0
    (tmp_path / "laptop" / "studies" / "there" / ".fetched").unlink()
    assert serhpo("fetch", "there", "--on", file, "--json") == 3
    assert "made on this machine" in capsys.readouterr().out


def test_where_ssh_is_missing_it_says_so(
    head: Path,
    tmp_path: Path,
    serhpo: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(launcher.shutil, "which", lambda program: None)
    assert serhpo("status", "there", "--on", tmp_path / "cluster.yaml", "--json") == 5
    assert "`ssh` is not installed" in capsys.readouterr().out
