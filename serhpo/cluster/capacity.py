"""How many trials fit on a cluster: now, and once its autoscaler has added what its file allows."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from serhpo.config import read_yaml
from serhpo.errors import ResourceError
from serhpo.text import counted

CLUSTER_FILE = Path("~/ray_bootstrap_config.yaml")
"""Where ``ray up`` leaves the cluster's file on its head, resources of all machine types filled in."""

_HEAD = "node:__internal_head__"

Resources = Mapping[str, float]


@dataclass(frozen=True)
class Share:
    """What one trial takes.

    Attributes:
        cpus: CPU cores.
        gpus: GPUs; below one a part of a GPU, above one whole ones.
    """

    cpus: int
    gpus: float

    def fits(self, machine: Resources) -> int:
        """How many trials one machine holds."""
        fitting = math.floor(machine.get("CPU", 0.0) / self.cpus)
        return min(fitting, self.per_gpus(int(machine.get("GPU", 0.0)))) if self.gpus else fitting

    def per_gpus(self, count: int) -> int:
        """How many trials so many GPUs of one machine hold; no trial has parts of two."""
        if self.gpus < 1:
            return count * math.floor(1 / self.gpus + 1e-9)
        return math.floor(count / self.gpus)

    @property
    def bundle(self) -> dict[str, float]:
        """As Ray's resources."""
        return {"CPU": float(self.cpus)} | ({"GPU": self.gpus} if self.gpus else {})

    def __str__(self) -> str:
        return f"{self.cpus} CPU and {self.gpus:g} GPU"


@dataclass(frozen=True)
class NodeType:
    """A kind of machine that an autoscaler may add.

    Attributes:
        name: In the cluster's file.
        resources: Of one machine; None where the file cannot know them (machines of one's own).
        least: So many are always there.
        most: So many at most.
    """

    name: str
    resources: Resources | None
    least: int
    most: int


@dataclass(frozen=True)
class Capacity:
    """What a cluster has, and what it may get.

    Attributes:
        machines: Resources of every live machine.
        types: What its autoscaler may add; None where no file tells.
        limit: Machines besides the head at most, where a file tells.
        promised: Machines in all, the head among them, that are to come without being asked for.
        grows: Whether trials without a place may bring more machines.
    """

    machines: tuple[Resources, ...]
    types: tuple[NodeType, ...] | None = None
    limit: int = 0
    promised: int = 1
    grows: bool = False

    @property
    def gpus(self) -> int:
        """GPUs of the live machines."""
        return int(sum(machine.get("GPU", 0.0) for machine in self.machines))

    @property
    def cpus(self) -> int:
        """CPU cores of the live machines."""
        return int(sum(machine.get("CPU", 0.0) for machine in self.machines))

    def now(self, share: Share) -> int:
        """Trials that fit on the live machines."""
        return sum(share.fits(machine) for machine in self.machines)

    def at_most(self, share: Share) -> int | None:
        """Trials that fit once everything is there that may come; None where nobody can tell."""
        if self.types is None or any(kind.resources is None and kind.most for kind in self.types):
            return None
        heads = (machine for machine in self.machines if _HEAD in machine)
        total, left = sum(share.fits(head) for head in heads), self.limit
        sizes = [(share.fits(kind.resources or {}), kind.most) for kind in self.types]
        for fitting, most in sorted(sizes, reverse=True):
            total += fitting * min(most, left)
            left -= min(most, left)
        return max(total, self.now(share))

    def wanted(self, share: Share) -> int:
        """Trials to have under way; those without a place yet are what makes an autoscaler add machines.

        Where nobody can tell how far it goes they are asked for by doubling.
        """
        now, most = self.now(share), self.at_most(share)
        if not self.grows:
            return max(1, now)
        return max(1, 2 * now if most is None else most)

    def require(self, share: Share) -> None:
        """Make sure that a trial fits on some machine, now or later.

        Raises:
            ResourceError: None does.
        """
        if self.now(share) or (self.grows and self.at_most(share) != 0):
            return
        asked, on = f"{share} per trial", counted(len(self.machines), "machine")
        if (
            share.gpus
            and not self.gpus
            and not any((kind.resources or {}).get("GPU") for kind in self.types or ())
        ):
            raise ResourceError(
                "Trials ask for GPUs, and no machine has one"
                + (", nor may one be added" if self.grows else ""),
                where="search.gpus_per_trial",
                got=asked,
                hint="--set search.gpus_per_trial=0, or a machine type with GPUs in the cluster's file",
            )
        raise ResourceError(
            "A trial needs more than the machines have",
            where="search.cpus_per_trial, search.gpus_per_trial",
            got=asked,
            allowed=f"{self.cpus} CPU and {self.gpus} GPU in all, on {on}",
            hint="lower them, for example --set search.cpus_per_trial=1 --set search.gpus_per_trial=0",
        )

    def packing(self, share: Share, limit: int | None = None) -> str:
        """In words how trials share the live machines: ``2 trials per GPU on 3 GPUs: 6 at once``."""
        now = self.now(share)
        at_once = min(now, limit) if limit else now
        hosts = sum(1 for machine in self.machines if share.fits(machine))
        on = counted(hosts, "machine")
        if not share.gpus:
            idle = f"; none uses the {counted(self.gpus, 'GPU')}: --gpus-per-trial" if self.gpus else ""
            return f"{share.cpus} CPU a trial, {self.cpus} CPUs on {on}: {at_once} at once{idle}"
        gpus = counted(self.gpus, "GPU")
        if share.gpus >= 1:
            text = f"{share.gpus:g} GPU a trial, {gpus} on {on}: {at_once} at once"
        else:
            text = f"{counted(share.per_gpus(1), 'trial')} per GPU on {gpus}: {at_once} at once"
        if now < sum(share.per_gpus(int(machine.get("GPU", 0.0))) for machine in self.machines):
            text += f" (their {self.cpus} CPUs hold no more, at {share.cpus} a trial)"
        return text


def this_machine(share: Share) -> Capacity:
    """What a Ray of one's own will find here; GPUs are looked for where a trial asks for them."""
    gpus = 0
    if share.gpus:
        import torch

        gpus = torch.cuda.device_count()
    return Capacity(({"CPU": float(os.cpu_count() or 1), "GPU": float(gpus)},))


def capacity() -> Capacity:
    """The cluster that Ray is connected to."""
    nodes = [node for node in ray.nodes() if node["Alive"]]
    machines = tuple(node["Resources"] for node in nodes)
    here = ray.get_runtime_context().get_node_id()
    on_head = any(node["NodeID"] == here and _HEAD in node["Resources"] for node in nodes)
    file = CLUSTER_FILE.expanduser()
    if not on_head or not file.is_file():
        return Capacity(machines, grows="KUBERNETES_SERVICE_HOST" in os.environ)
    return from_file(machines, read_yaml(file))


def from_file(machines: Iterable[Resources], data: Mapping[str, Any]) -> Capacity:
    """The capacity of a cluster whose file is known.

    Args:
        machines: Resources of every live one.
        data: The file, as ``ray up`` completed it.
    """
    kinds: Mapping[str, Mapping[str, Any]] = data.get("available_node_types") or {}
    limit = int(data.get("max_workers") or 0)
    types = tuple(
        NodeType(
            name,
            dict(kind.get("resources") or {}) or None,
            int(kind.get("min_workers") or 0),
            min(limit, int(kind.get("max_workers", limit))),
        )
        for name, kind in kinds.items()
        if name != data.get("head_node_type") or kind.get("max_workers")
    )
    return Capacity(tuple(machines), types, limit, 1 + sum(kind.least for kind in types), grows=True)
