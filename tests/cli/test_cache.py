"""``serhpo cache``: what is there, damage named and made good, and what may go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Done

Serhpo = Callable[..., Done]


@pytest.fixture
def shards(serhpo: Serhpo, small_corpus: Path) -> list[Path]:
    """A filled cache."""
    done = serhpo("features", "--space", "smoke", "--corpus", small_corpus, "--json")
    assert done.code == 0, done.err
    assert done.json["built"] == len(done.json["shards"]) > 1
    return [Path(path) for path in done.json["shards"]]


def test_what_is_there(serhpo: Serhpo, shards: list[Path], home: Path) -> None:
    listed = serhpo("cache", "ls", "--json").json
    assert listed["folder"] == str(home / "cache")
    assert {shard["path"]: shard["bytes"] for shard in listed["shards"]} == {
        str(path): path.stat().st_size for path in shards
    }
    assert {stream["stream"] for stream in listed["streams"]} == {path.parent.name for path in shards}
    assert all(shard["used_by"] == [] for shard in listed["shards"])
    shown = serhpo("cache", "ls")
    assert shown.code == 0
    assert all(path.parent.name in shown.out for path in shards)


@pytest.mark.parametrize("damage", ["a flipped bit", "cut off", "another version"])
def test_damage_is_named_and_only_that_made_anew(
    serhpo: Serhpo, shards: list[Path], small_corpus: Path, damage: str
) -> None:
    assert serhpo("cache", "verify", "--json").json["damaged"] == []
    victim = shards[0]
    whole = victim.read_bytes()
    broken = {
        "a flipped bit": whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:],
        "cut off": whole[: len(whole) // 2],
        "another version": whole.replace(b'"format":1', b'"format":9'),
    }[damage]
    assert broken != whole
    victim.write_bytes(broken)
    done = serhpo("cache", "verify", "--json")
    assert done.code == 5
    (problem,) = done.json["error"]["problems"]
    assert problem["file"] == str(victim)
    again = serhpo("features", "--space", "smoke", "--corpus", small_corpus, "--json").json
    assert (again["built"], again["found"]) == (1, len(shards) - 1)
    assert victim.read_bytes() == whole


def test_clearing_takes_what_no_study_needs(serhpo: Serhpo, shards: list[Path]) -> None:
    assert serhpo("cache", "gc", "--json").json["removed"] == []  # used today
    told = serhpo("cache", "gc", "--unused-for", 0, "--dry-run", "--json").json
    assert told["shards"] == len(shards)
    assert all(path.exists() for path in shards)
    done = serhpo("cache", "gc", "--unused-for", 0, "--json").json
    assert done["shards"] == len(shards)
    assert done["bytes"] == told["bytes"]
    assert not any(path.exists() for path in shards)


def test_a_cache_that_is_not_there_yet_is_empty(serhpo: Serhpo) -> None:
    assert serhpo("cache", "ls", "--json").json["shards"] == []
    assert serhpo("cache", "verify", "--json").json["shards"] == 0
    assert serhpo("cache", "gc").code == 0
