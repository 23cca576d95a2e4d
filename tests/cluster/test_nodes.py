"""A real cluster of several Ray nodes on this machine, its GPUs mere claims; real hosts elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from serhpo.cluster import Share, capacity, gather, look_around, nodes
from serhpo.errors import ResourceError
from serhpo.search.machines import Room, require_cluster
from serhpo.search.settings import SearchSettings

pytestmark = pytest.mark.slow


@pytest.mark.usefixtures("cluster")
def test_machines_that_agree_are_not_spoken_of(tmp_path: Path) -> None:
    assert look_around([str(tmp_path)]) == []


@pytest.mark.usefixtures("cluster")
def test_every_difference_of_a_machine_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = nodes.facts([])
    (host,) = {node["NodeManagerHostname"] for node in ray.nodes()}
    other: dict[str, Any] = {**here, "Ray": "2.59.0", "Python": "3.13", "code": "0", "token": True}
    monkeypatch.setattr(nodes, "facts", lambda paths: other)
    assert look_around([str(tmp_path), "/no/such/corpus"]) == [
        f"{host}: Python {here['Python']}, here 3.13",
        f"{host}: Ray {here['Ray']}, here 2.59.0",
        f"{host}: Ray runs there without RAY_AUTH_MODE=token",
        f"{host}: another state of serhpo {here['serhpo']}'s code than here",
        f"{host}: does not see /no/such/corpus",
    ]


@pytest.mark.usefixtures("cluster")
def test_all_reasons_are_told_at_once(tmp_path: Path) -> None:
    settings = SearchSettings(gpus_per_trial=0.5)
    with pytest.raises(ResourceError, match="cannot run this search") as caught:
        require_cluster(settings, None, [tmp_path / "studies"], ["/no/such/a.wav"], None)
    first, second = (problem.what for problem in caught.value.problems)
    assert "no machine has one" in first
    assert "does not see /no/such/a.wav" in second
    assert list((tmp_path / "studies").iterdir()) == []  # no marker is left


def test_a_search_waits_for_a_machine_and_uses_it_when_it_comes(cluster: Cluster) -> None:
    share = Share(1, 0.25)
    assert capacity().now(share) == 0
    room = Room(Share(1, 0), None)
    assert (room(), room.fitting) == (1, 1)
    shown = []

    def sleep(seconds: float) -> None:
        cluster.add_node(num_cpus=3, num_gpus=1)
        cluster.wait_for_nodes()

    there = gather(Share(1, 0), 3, 60, lambda *told: shown.append(told[:2]), sleep=sleep)
    assert shown == [(2, 3)]
    assert there.now(share) == 3
    assert there.packing(share) == (
        "4 trials per GPU on 1 GPU: 3 at once (their 4 CPUs hold no more, at 1 a trial)"
    )
    room._seen -= 60
    assert (room(), room.fitting) == (4, 4)
