"""Who sees the cache's folder: on this machine alone; several hosts are in ``end_to_end/test_hosts``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

from serhpo.cluster import connected
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
    others = [
        {"NodeID": name, "Alive": name != "gone", "NodeManagerHostname": f"host-{name}"}
        for name in ("blind", "sharing", "gone")
    ]
    known = ray.nodes()
    looked: list[bool] = []

    def sees(node: str, path: str) -> bool:
        looked.append(Path(path).exists())
        return node == "sharing"

    monkeypatch.setattr(machines.ray, "nodes", lambda: [*known, *others])
    monkeypatch.setattr(machines, "_sees", sees)
    with pytest.raises(ResourceError, match="Not every machine") as caught:
        machines.require_shared(tmp_path / "cache")
    assert caught.value.got == "not seen by host-blind"
    assert looked == [True, True]
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_task_looks_on_the_machine_itself(tmp_path: Path) -> None:
    (here,) = ray.nodes()
    look: Any = machines._sees
    assert look(here["NodeID"], str(tmp_path))
    assert not look(here["NodeID"], str(tmp_path / "missing"))
    assert look("0" * len(here["NodeID"]), str(tmp_path / "missing"))  # a machine that is gone
