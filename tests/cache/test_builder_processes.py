"""Filling from several processes, and killed ones: real processes, met at known points, no waiting."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import serhpo
from serhpo.cache import build, plan, verify
from serhpo.corpus.table import Corpus

CorpusMaker = Callable[..., Corpus]

# Builds one shard. Tells on stdout what it is about to do, and at the point named by its first
# argument goes on, the first time, only when told to on stdin.
CHILD = """
import os, pickle, sys
from pathlib import Path
from typing import ClassVar
import numpy as np
from serhpo.cache import builder, plan
from serhpo.features import Extractor

stops, corpus, root = {sys.argv[1]}, sys.argv[2], Path(sys.argv[3])

def reach(point):
    print(point, flush=True)
    if point in stops:
        stops.remove(point)
        sys.stdin.readline()

def announce(point, function):
    def announced(*args, **named):
        reach(point)
        return function(*args, **named)
    return announced

class Pairs(Extractor):
    name: ClassVar[str] = "pairs"
    version: ClassVar[int] = 1
    scale: float = 1.0
    channels: ClassVar[int] = 2
    frames_per_second: ClassVar[float] = 8000.0

    def extract(self, audio):
        reach("extract")
        return audio[: len(audio) // 2 * 2].reshape(-1, 2)

builder.FileLock.acquire = announce("lock", builder.FileLock.acquire)
os.fsync = announce("fsync", os.fsync)
Path.replace = announce("replace", Path.replace)
(shard,) = plan(pickle.loads(Path(corpus).read_bytes()), Pairs(), root)
builder.build(shard)
print("done", flush=True)
"""


class Child:
    """A builder in its own process."""

    def __init__(self, stop_at: str, corpus: Path, root: Path) -> None:
        path = f"{Path(serhpo.__file__).parents[1]}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        self.process: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, "-c", CHILD, stop_at, str(corpus), str(root)],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def reaches(self, point: str) -> list[str]:
        """What it told up to the point, which it must reach."""
        told: list[str] = []
        while point not in told:
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
            assert line, f"ended after {told}, before {point}"
            told.append(line.strip())
        return told

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()


@pytest.fixture
def start(make_corpus: CorpusMaker, tmp_path: Path) -> Iterator[Callable[[str], Child]]:
    (tmp_path / "corpus.pickle").write_bytes(pickle.dumps(make_corpus(2)))
    children: list[Child] = []

    def begin(stop_at: str) -> Child:
        children.append(Child(stop_at, tmp_path / "corpus.pickle", tmp_path / "cache"))
        return children[-1]

    yield begin
    for child in children:
        child.process.kill()
        child.process.communicate()


def shown(root: Path) -> list[str]:
    return sorted(path.suffix for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("point", "left"),
    [("extract", [".lock"]), ("fsync", [".lock", ".tmp"]), ("replace", [".lock", ".tmp"])],
)
def test_a_killed_builder_leaves_nothing_half_made(
    point: str,
    left: list[str],
    start: Callable[[str], Child],
    make_corpus: CorpusMaker,
    pairs: Any,
    tmp_path: Path,
) -> None:
    child = start(point)
    child.reaches(point)
    child.process.kill()
    child.process.wait()
    assert shown(tmp_path / "cache") == left
    (shard,) = plan(make_corpus(2), pairs, tmp_path / "cache")
    assert verify(shard.path) == "it does not exist"
    build(shard)
    assert verify(shard.path) is None
    assert shown(tmp_path / "cache") == [".arrow", ".lock"]


def test_two_builders_do_the_work_once(start: Callable[[str], Child], tmp_path: Path) -> None:
    first = start("extract")
    first.reaches("extract")  # and holds the lock
    second = start("never")
    second.reaches("lock")  # and will wait for it: it has seen that the shard is missing
    first.go_on()
    assert first.reaches("done").count("extract") == 1  # the second of its two utterances
    assert second.reaches("done") == ["done"]
    assert shown(tmp_path / "cache") == [".arrow", ".lock"]


def test_a_builder_of_another_machine_is_left_alone(
    make_corpus: CorpusMaker, pairs: Any, tmp_path: Path
) -> None:
    (shard,) = plan(make_corpus(1), pairs, tmp_path)
    shard.path.parent.mkdir()
    theirs = shard.path.with_name(f"{shard.path.stem}.another-host.0123.tmp")
    theirs.write_bytes(b"being written")
    build(shard)
    assert theirs.read_bytes() == b"being written"
