"""``serhpo cache``: what is there, damage named and made good, and what may go."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_faults import ISOLATED, needs_mount
from tests.conftest import COMMAND, Done, environment

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


def test_two_fills_at_once_build_every_shard_once(home: Path, small_corpus: Path) -> None:
    command = [*COMMAND, "features", "--space", "smoke", "--corpus", str(small_corpus), "--json"]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment(home)) for _ in range(2)
    ]
    told = [json.loads(process.communicate(timeout=300)[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert told[0]["shards"] == told[1]["shards"]
    assert sum(one["built"] for one in told) == len(told[0]["shards"])
    assert all(one["built"] + one["found"] == len(one["shards"]) for one in told)


@needs_mount
def test_a_disk_that_fills_half_way_keeps_what_was_whole(
    serhpo: Serhpo, shards: list[Path], small_corpus: Path, home: Path
) -> None:
    """A real small file system in the cache's place, with room for all shards but one."""
    sizes = [-(-path.stat().st_size // 4096) * 4 for path in shards]  # KiB, in whole blocks
    room = sum(sizes) - sizes[-1] // 2
    command = f"{sys.executable} -m serhpo.cli.app"
    fill = f"{command} features --space smoke --corpus {small_corpus} --json"
    script = (
        f"mount -t tmpfs -o size={room}k tmpfs {home}/cache || exit 99\n"
        f"{fill} > {home}/full.json; test $? = 5 || exit 98\n"
        f"find {home}/cache -type f ! -name '*.lock' > {home}/left\n"
        f"{command} cache verify || exit 97\n"
        f"mount -o remount,size={10 * room}k {home}/cache || exit 96\n"
        f"{fill} > {home}/again.json"
    )
    done = serhpo(prefix=[*ISOLATED, script, "sh"])
    assert done.code == 0, done.err
    assert json.loads((home / "full.json").read_text())["error"]["message"] == "The disk is full"
    assert sorted((home / "left").read_text().split()) == sorted(map(str, shards[:-1]))
    again = json.loads((home / "again.json").read_text())
    assert (again["built"], again["found"]) == (1, len(shards) - 1)
