"""Who sees the cache's folder: on this machine alone; several hosts are in ``end_to_end/test_hosts``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serhpo.cluster import Capacity, Share, connected
from serhpo.errors import ResourceError
from serhpo.search import machines


@pytest.fixture(scope="module", autouse=True)
def local_ray() -> Iterator[None]:
    with connected(joining=False):
        yield


def test_a_machine_of_its_own_is_asked_nothing(tmp_path: Path) -> None:
    machines.require_shared(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_the_machines_that_do_not_see_the_folder_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    markers: list[str] = []

    def look(paths: list[str]) -> list[str]:
        markers.extend(path for path in paths if Path(path).exists())
        return [f"host-blind: does not see {paths[0]}"]

    monkeypatch.setattr(machines, "other_nodes", lambda: [{}])
    monkeypatch.setattr(machines, "look_around", look)
    with pytest.raises(ResourceError, match="Not every machine") as caught:
        machines.require_shared(tmp_path / "cache")
    (problem,) = caught.value.problems
    assert problem.what == f"host-blind: does not see what this machine writes to {tmp_path / 'cache'}"
    assert "--cache" in str(caught.value.hint)
    assert len(markers) == 1
    assert list((tmp_path / "cache").iterdir()) == []


def test_of_many_recordings_some_are_looked_for_the_ends_among_them() -> None:
    names = [str(number) for number in range(1000)]
    some = machines._some(names)
    assert len(some) == len(set(some)) == machines.RECORDINGS
    assert (some[0], some[-1]) == ("0", "999")
    assert machines._some(names[:3]) == ["0", "1", "2"]


def test_room_never_is_less_than_one_and_heeds_the_limit() -> None:
    there = Capacity(({"CPU": 8.0},))
    assert [machines.Room(Share(1, 0), limit, lambda: there)() for limit in (None, 3)] == [8, 3]
    seen = [there, Capacity(({"CPU": 0.0},))]
    room = machines.Room(Share(1, 0), None, lambda: seen.pop(0))
    room._seen -= 60  # its machine goes
    assert (room(), room.fitting) == (1, 1)
