"""Joining a cluster's Ray, or starting one of our own."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray

from serhpo.errors import ResourceError

# Threads that wait for work must sleep: spinning ones made two trials on two cores 9-20 times slower.
WORKER_ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE"}


CURRENT_CLUSTER = Path("/tmp/ray/ray_current_cluster")  # noqa: S108 - where `ray start` writes its address


ANSWER_S = 10.0
"""Seconds a cluster's head may take to accept a connection."""

_ALONE = f"unset RAY_ADDRESS, or remove {CURRENT_CLUSTER}, to work on this machine alone"


@contextmanager
def connected(joining: bool) -> Iterator[None]:
    """Be connected to Ray.

    Args:
        joining: To the cluster that runs already; else to a local one that ends with this command.

    Inside of another connection it is that one: Ray takes seconds to start.

    Raises:
        ResourceError: Ray cannot be started or joined; the cluster would let anybody in.
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
    if joining:
        _refuse_unguarded(address := _address())
        _require_answer(address)
    try:
        _init(joining)
    except Exception as error:  # which is what Ray raises where its raylet dies while it starts
        raise ResourceError(
            "Cannot join the Ray cluster" if joining else "Cannot start Ray on this machine",
            got=str(error).strip().partition("\n")[0],
            hint=_ALONE if joining else None,
        ) from error


def _init(joining: bool) -> None:
    try:
        _init_once(joining)
    except Exception:
        if joining:
            raise
        # Ray looks for free ports before it takes them: another Ray that starts here may be faster, once.
        ray.shutdown()
        _init_once(joining)


def _init_once(joining: bool) -> None:
    before = signal.getsignal(signal.SIGTERM)
    ray.init(
        include_dashboard=None if joining else False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        runtime_env={"env_vars": WORKER_ENVIRONMENT},
    )
    if threading.current_thread() is threading.main_thread():
        # Ray's own handler would end the process as if Ray had failed.
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _address() -> str:
    """Address of the cluster to join, as Ray finds it."""
    given = os.environ.get("RAY_ADDRESS", "auto")
    if given == "auto" and CURRENT_CLUSTER.exists():
        return CURRENT_CLUSTER.read_text().strip()
    return given


def _refuse_unguarded(address: str) -> None:
    """Join nothing beyond this machine unless a token, or the user's word, stands for it.

    Raises:
        ResourceError: Neither does, or the address is one that ends with the connection.
    """
    if address.startswith("ray://"):
        raise ResourceError(
            "Ray's client ties a search to this connection",
            where="RAY_ADDRESS",
            got=address,
            hint="run the search on the cluster itself: `serhpo search … --submit cluster.yaml`",
        )
    host = address.rpartition(":")[0].strip("[]")
    loopback = address in ("auto", "local") or host in ("localhost", "::1") or host.startswith("127.")
    if not loopback and not os.environ.get("RAY_AUTH_MODE"):
        raise ResourceError(
            "A cluster beyond this machine is joined with a token only: without one, whoever reaches its "
            "ports runs code on it",
            where=address,
            got="RAY_AUTH_MODE is not set",
            allowed="RAY_AUTH_MODE=token, here and on every machine before `ray start`",
            hint="`ray get-auth-token --generate` makes a token; RAY_AUTH_MODE=disabled takes the risk",
        )


def _require_answer(address: str) -> None:
    """Make sure that somebody listens there; Ray itself goes on trying for a quarter of an hour.

    Raises:
        ResourceError: Nobody does.
    """
    host, _, port = address.rpartition(":")
    if not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_S).close()
    except OSError as error:
        raise ResourceError(
            "No Ray cluster answers at this address",
            where=address,
            got=error.strerror or str(error),
            hint=_ALONE,
        ) from error


def lost_process() -> str | None:
    """Name of a process that the Ray of this machine cannot live without and that died; None while all live.

    Ray's own client notices late, or ends the driver without a word; on a cluster it is left to it.
    """
    node = ray._private.worker._global_node  # no public API tells
    dead = {kind for kind, _ in node.dead_processes()} if node else set()
    return next((kind for kind in ("gcs_server", "raylet") if kind in dead), None)
