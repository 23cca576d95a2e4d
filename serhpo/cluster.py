"""The machines a search runs on: join or start Ray, and refuse early what cannot work."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from serhpo.errors import ResourceError

# Threads that wait for work must sleep: spinning ones made two trials on two cores 9-20 times slower.
WORKER_ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE"}


@contextmanager
def connected(joining: bool) -> Iterator[None]:
    """Be connected to Ray.

    Args:
        joining: To the cluster that runs already; else to a local one that ends with this command.

    Inside of another connection it is that one: Ray takes seconds to start.
    """
    if ray.is_initialized():
        yield
        return
    # Its tracebacks of single trials: those stand in the trial's error.txt, `serhpo status` tells them.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    try:
        _start_or_join(joining)
        yield
    finally:
        ray.shutdown()


def _start_or_join(joining: bool) -> None:
    try:
        ray.init(
            include_dashboard=None if joining else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": WORKER_ENVIRONMENT},
        )
    except Exception as error:  # which is what Ray raises where its raylet dies while it starts
        raise ResourceError(
            "Cannot join the Ray cluster" if joining else "Cannot start Ray on this machine",
            got=str(error).strip().partition("\n")[0],
            hint="unset RAY_ADDRESS to search on this machine alone" if joining else None,
        ) from error


def lost_process() -> str | None:
    """Name of a process that the Ray of this machine cannot live without and that died; None while all live.

    Ray's own client notices late, or ends the driver without a word; on a cluster it is left to it.
    """
    node = ray._private.worker._global_node  # no public API tells
    dead = {kind for kind, _ in node.dead_processes()} if node else set()
    return next((kind for kind in ("gcs_server", "raylet") if kind in dead), None)


def trials_at_once(cpus_per_trial: int, gpus_per_trial: float, limit: int | None) -> int:
    """How many trials fit on the machines at hand, at most ``limit``.

    Raises:
        ResourceError: Not even one fits.
    """
    have = ray.cluster_resources()
    cpus, gpus = have.get("CPU", 0.0), have.get("GPU", 0.0)
    if cpus < cpus_per_trial or gpus < gpus_per_trial:
        raise ResourceError(
            "A trial needs more than the machines have",
            where="search.cpus_per_trial, search.gpus_per_trial",
            got=f"{cpus_per_trial} CPU and {gpus_per_trial:g} GPU per trial",
            allowed=f"{cpus:g} CPU and {gpus:g} GPU in all",
            hint="lower them, for example --set search.cpus_per_trial=1 --set search.gpus_per_trial=0",
        )
    fitting = int(cpus // cpus_per_trial)
    if gpus_per_trial:
        fitting = min(fitting, int(gpus / gpus_per_trial + 1e-9))
    return min(fitting, limit) if limit else fitting
