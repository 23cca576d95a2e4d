"""Whether every machine of a cluster can read what this one caches."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from serhpo.errors import ResourceError


def require_shared(folder: Path) -> None:
    """Make sure that every machine of the cluster sees a folder of this one, under the same name.

    Ray tasks that fill the cache, and trials that read it, run on any of them. A machine of its own
    costs nothing here, a cluster one short task a machine.

    Raises:
        ResourceError: Some do not: what they cache stays with them, what they need is not there.
    """
    here = ray.get_runtime_context().get_node_id()
    others = [node for node in ray.nodes() if node["Alive"] and node["NodeID"] != here]
    if not others:
        return
    with suppress(OSError):  # a cache that may only be read: its readers will tell what they miss
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".seen-by-all-") as marker:
            blind = [node["NodeManagerHostname"] for node in others if not _sees(node["NodeID"], marker.name)]
        if blind:
            raise ResourceError(
                "Not every machine of the cluster sees this one's feature cache",
                where=folder,
                got=f"not seen by {', '.join(sorted(blind))}",
                hint="name a store that all reach: --cache s3://bucket/folder, or a folder they mount",
            )


def _sees(node: str, path: str) -> bool:
    @ray.remote(num_cpus=0)  # type: ignore[untyped-decorator, unused-ignore]
    def exists() -> bool:
        return os.path.exists(path)  # noqa: PTH110 - nothing to import there

    try:
        there = NodeAffinitySchedulingStrategy(node, soft=False)
        return bool(ray.get(exists.options(scheduling_strategy=there).remote()))
    except RayError:  # the machine has just gone
        return True
