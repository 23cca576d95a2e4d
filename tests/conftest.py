"""Fixtures for tests that run the command line in a process of its own."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-m", "serhpo.cli.app"]

# What a test needs for a cluster of its own, Ray keeps for as long as the process lives: so all have it.
os.environ["RAY_AUTH_MODE"] = "disabled"

# Of test processes that compiled the same functions at a time, into one cache beside librosa, one crashed.
COMPILED = tempfile.TemporaryDirectory()
os.environ["NUMBA_CACHE_DIR"] = COMPILED.name

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # as for what a script starts with `&`, and its children
    signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(home: Path) -> dict[str, str]:
    """The environment of a command whose studies and cache lie under ``home``; never a user's Ray."""
    kept = {name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "RAY_AUTH_MODE")}
    return {**kept, "SERHPO_HOME": str(home), "COLUMNS": "200", "NO_COLOR": "1"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def serhpo(home: Path) -> Callable[..., Done]:
    """Run ``serhpo`` to its end: ``serhpo("status", "x", "--json")``."""

    def run(*arguments: object, prefix: Sequence[str] = ()) -> Done:
        command = [*prefix, *COMMAND, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment(home), timeout=600)
        return Done(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def small_files() -> Callable[[int], AbstractContextManager[None]]:
    """Within ``small_files(n)`` the kernel lets no file of this process grow beyond ``n`` bytes."""

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six speakers of the synthetic corpus, enough for a search of seconds; not to be changed."""
    from serhpo.corpus.synthetic import synthesise

    folder = tmp_path_factory.mktemp("corpus") / "small"
    synthesise(folder, speakers=6, utterances=8, seed=1)
    return folder


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Kind to the folder of a tiny checkpoint, made once and not to be changed."""
    from tests.checkpoints import save_checkpoint

    folder = tmp_path_factory.mktemp("checkpoints")

    def find(kind: str) -> Path:
        return folder / kind if (folder / kind).is_dir() else save_checkpoint(kind, folder / kind)

    return find
