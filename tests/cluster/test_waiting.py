"""Waiting for machines, with a clock of our own; on a real cluster in ``test_nodes``."""

from __future__ import annotations

import pytest

from serhpo.cluster import Capacity, NodeType, Share, gather, waiting
from serhpo.errors import ResourceError

ONE = {"CPU": 2.0}
HEAD = {"CPU": 0.0}
SHARE = Share(1, 0)


class Coming:
    """A cluster that gets a machine every so many seconds, and its clock."""

    def __init__(self, first: Capacity, every_s: float, most: int = 99) -> None:
        self.first, self.every_s, self.most = first, every_s, most
        self.now = 0.0
        self.shown: list[tuple[int, int, float]] = []

    def look(self) -> Capacity:
        more = min(self.most, int(self.now // self.every_s))
        known = self.first
        return Capacity(
            (*known.machines, *[ONE] * more), known.types, known.limit, known.promised, known.grows
        )

    def gather(self, wanted: int | None, patience_s: float) -> Capacity:
        def sleep(seconds: float) -> None:
            self.now += seconds

        def show(*told: float) -> None:
            self.shown.append(told)  # type: ignore[arg-type]

        return gather(SHARE, wanted, patience_s, show, look=self.look, clock=lambda: self.now, sleep=sleep)


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of the autoscaler."""
    asked: list[str] = []
    monkeypatch.setattr(waiting, "placement_group", lambda bundles: asked.append(f"ask {bundles}"))
    monkeypatch.setattr(waiting, "remove_placement_group", lambda group: asked.append("give back"))
    return asked


def test_nobody_waits_for_what_is_there(places: list[str]) -> None:
    cluster = Coming(Capacity((HEAD, ONE)), 1)
    assert len(cluster.gather(None, 60).machines) == 2
    assert (cluster.now, cluster.shown, places) == (0, [], [])


def test_machines_asked_for_by_number_are_counted_down() -> None:
    cluster = Coming(Capacity((HEAD,), grows=True), 2)
    assert len(cluster.gather(3, 60).machines) == 3
    assert cluster.shown == [(1, 3, 60), (1, 3, 59), (2, 3, 58), (2, 3, 57)]


def test_machines_asked_for_by_number_that_do_not_come_end_it() -> None:
    cluster = Coming(Capacity((HEAD, ONE)), 10, most=1)
    with pytest.raises(ResourceError, match="Not all machines came") as caught:
        cluster.gather(4, 30)
    assert caught.value.got == "3 of 4 in 30 s; 1 CPU and 0 GPU per trial"
    assert cluster.now == 30


def test_promised_machines_that_do_not_come_are_done_without() -> None:
    kind = NodeType("local", None, 2, 2)
    cluster = Coming(Capacity((ONE,), (kind,), 2, promised=3, grows=True), 10, most=1)
    assert len(cluster.gather(None, 30).machines) == 2
    assert cluster.shown[0] == (1, 3, 30)


def test_a_place_is_asked_for_where_none_is_and_given_back(places: list[str]) -> None:
    kind = NodeType("spot", ONE, 0, 4)
    cluster = Coming(Capacity((HEAD,), (kind,), 4, grows=True), 5)
    assert cluster.gather(None, 30).now(SHARE) == 2
    assert places == ["ask [{'CPU': 1.0}]", "give back"]
    cluster = Coming(Capacity((HEAD,), (kind,), 4, grows=True), 99)
    with pytest.raises(ResourceError, match="No machine came that a trial fits on"):
        cluster.gather(None, 30)
    assert places[2:] == ["ask [{'CPU': 1.0}]", "give back"]


def test_what_can_never_fit_is_not_waited_for(places: list[str]) -> None:
    cluster = Coming(Capacity((HEAD,)), 1)
    with pytest.raises(ResourceError, match="needs more"):
        cluster.gather(None, 30)
    assert (cluster.now, places) == (0, [])
