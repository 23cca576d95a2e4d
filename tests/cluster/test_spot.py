"""Spot machines first, on-demand ones where there are none: asked through Ray's own scheduler."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ray.autoscaler._private.node_provider_availability_tracker import NodeProviderAvailabilityTracker
from ray.autoscaler._private.resource_demand_scheduler import ResourceDemandScheduler
from ray.autoscaler.node_launch_exception import NodeLaunchException

GPU = {"resources": {"CPU": 4, "GPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": 4}
TYPES = {
    "head": {"resources": {"CPU": 0}, "node_config": {}, "min_workers": 0, "max_workers": 0},
    "a-on-demand": GPU,
    "gpu-spot": GPU,
    "z-on-demand": GPU,
    "cpu": {**GPU, "resources": {"CPU": 4}},
}


class NoMachines:
    """A provider that has nothing running but the head."""

    def node_tags(self, node: str) -> dict[str, str]:
        return {"ray-user-node-type": "head", "ray-node-kind": "head"}

    def internal_ip(self, node: str) -> str:
        return "198.51.100.1"


@pytest.fixture
def scheduler(monkeypatch: pytest.MonkeyPatch) -> ResourceDemandScheduler:
    monkeypatch.setenv("RAY_AUTOSCALER_UTILIZATION_SCORER", "serhpo.cluster.spot.spot_first")
    return ResourceDemandScheduler(NoMachines(), TYPES, 4, "head", 4)


def launched(
    scheduler: ResourceDemandScheduler, tracker: Any, waits: list[dict[str, float]]
) -> dict[str, int]:
    """What the autoscaler starts for work that waits."""
    started, _ = scheduler.get_nodes_to_launch(["head"], {}, waits, {}, [], {}, [], tracker.summary())
    return started


def test_on_demand_while_there_is_no_spot(scheduler: ResourceDemandScheduler) -> None:
    tracker, waits = NodeProviderAvailabilityTracker(), [{"CPU": 4, "GPU": 1}]
    assert launched(scheduler, tracker, waits) == {"gpu-spot": 1}
    failure = NodeLaunchException("InsufficientInstanceCapacity", "no capacity", None)
    tracker.update_node_availability("gpu-spot", int(time.time()), failure)
    (kind,) = launched(scheduler, tracker, waits)
    assert kind in ("a-on-demand", "z-on-demand")
    tracker.update_node_availability("gpu-spot", int(time.time()) + 1, None)
    assert launched(scheduler, tracker, waits) == {"gpu-spot": 1}


def test_rays_own_scorer_asks_for_what_has_just_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTOSCALER_UTILIZATION_SCORER", raising=False)
    scheduler = ResourceDemandScheduler(NoMachines(), TYPES, 4, "head", 4)
    tracker, waits = NodeProviderAvailabilityTracker(), [{"CPU": 4, "GPU": 1}]
    (kind,) = launched(scheduler, tracker, waits)
    tracker.update_node_availability(kind, int(time.time()), NodeLaunchException("none", "none", None))
    assert list(launched(scheduler, tracker, waits)) == [kind]


def test_no_gpu_for_work_that_needs_none(scheduler: ResourceDemandScheduler) -> None:
    assert launched(scheduler, NodeProviderAvailabilityTracker(), [{"CPU": 1}] * 3) == {"cpu": 1}


def test_nothing_for_work_that_fits_nowhere(scheduler: ResourceDemandScheduler) -> None:
    assert not launched(scheduler, NodeProviderAvailabilityTracker(), [{"GPU": 8}])
