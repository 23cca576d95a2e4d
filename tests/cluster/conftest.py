"""A real cluster of several Ray nodes on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster


@contextmanager
def private_cluster(**head: Any) -> Iterator[Cluster]:
    """A head that computes nothing, on loopback, known to nobody but who is told its address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=os.pathsep)
        for place in ("_private.utils.write_ray_address", "_common.utils.reset_ray_address"):
            patch.setattr(f"ray.{place}", lambda *arguments: None)  # or every other test would join it
        options = {"num_cpus": 0, "include_dashboard": False, **head}
        cluster = Cluster(initialize_head=True, head_node_args=options)
        try:
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """The head and a node of one core, joined."""
    with private_cluster() as cluster:
        cluster.add_node(num_cpus=1)
        ray.init(cluster.address, log_to_driver=False)
        yield cluster
