"""What lies in the cache and what of it may go."""

import os
import socket
import time
from pathlib import Path

import pytest
from filelock import FileLock

from serhpo.cache import CachedFile, inventory, removable, remove

HOST = socket.gethostname()


def put(root: Path, name: str, days: float, size: int = 10) -> Path:
    """A file of the stream mfcc that was last used and changed so many days ago."""
    path = root / "mfcc" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    then = time.time() - days * 86_400
    os.utime(path, (then, then))
    return path


def going(root: Path, needed: frozenset[str] = frozenset(), unused_for: float = 30.0) -> set[str]:
    return {file.path.name for file in removable(inventory(root), needed, unused_for)}


def test_no_folder_holds_nothing(tmp_path: Path) -> None:
    assert inventory(tmp_path / "nowhere") == ()


def test_every_file_is_known_by_stream_key_and_size(tmp_path: Path) -> None:
    put(tmp_path, "a.arrow", 1.0, 7)
    put(tmp_path, "a.lock", 1.0)
    put(tmp_path, f"b.{HOST}.123.tmp", 1.0)
    put(tmp_path, "notes.txt", 1.0)  # nobody's: never listed, so never deleted
    found = {(file.key, file.kind, file.stream) for file in inventory(tmp_path)}
    assert found == {("a", "shard", "mfcc"), ("a", "lock", "mfcc"), ("b", "unfinished", "mfcc")}
    assert inventory(tmp_path)[0].size == 7


def test_what_is_needed_or_was_used_lately_stays(tmp_path: Path) -> None:
    for name, days in (("needed", 99.0), ("young", 29.0), ("old", 31.0)):
        put(tmp_path, f"{name}.arrow", days)
        put(tmp_path, f"{name}.lock", days)
    assert going(tmp_path, frozenset({"needed"})) == {"old.arrow", "old.lock"}


def test_reading_counts_as_use(tmp_path: Path) -> None:
    path = put(tmp_path, "a.arrow", 99.0)
    os.utime(path, (time.time(), path.stat().st_mtime))
    assert going(tmp_path) == set()


def test_what_killed_builders_left_goes_but_not_what_another_machine_may_still_write(tmp_path: Path) -> None:
    put(tmp_path, f"a.{HOST}.1.tmp", 0.0)
    put(tmp_path, "b.elsewhere.1.tmp", 0.9)
    put(tmp_path, "c.elsewhere.1.tmp", 1.1)
    assert going(tmp_path) == {f"a.{HOST}.1.tmp", "c.elsewhere.1.tmp"}


@pytest.mark.parametrize("late", [False, True])
def test_what_is_being_built_stays(tmp_path: Path, late: bool) -> None:
    path = put(tmp_path, "a.arrow", 99.0)
    put(tmp_path, f"a.{HOST}.1.tmp", 0.0)
    chosen = list(removable(inventory(tmp_path), frozenset(), 30.0)) if late else []
    with FileLock(path.with_suffix(".lock")):
        if late:  # the builder comes between choosing and deleting
            assert len(chosen) == 2
            assert not any(remove(file) for file in chosen)
        else:
            assert going(tmp_path) == set()
    assert path.exists()


def test_of_two_who_clear_the_second_finds_nothing(tmp_path: Path) -> None:
    file = CachedFile(put(tmp_path, "a.arrow", 99.0), "shard", 10, 0.0)
    assert remove(file)
    assert not remove(file)
