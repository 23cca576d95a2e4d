"""Before a command computes on a cluster: join it, wait for its machines, refuse what cannot work there."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serhpo.cli import console
from serhpo.errors import ResourceError, UsageError

if TYPE_CHECKING:  # `serhpo --help` must load neither torch nor Ray
    from serhpo.cache import RemoteStore
    from serhpo.search.lock import Shards
    from serhpo.search.prepare import Plan
    from serhpo.search.settings import SearchSettings

GpusOption = Annotated[
    str | None,
    typer.Option(
        "--gpus-per-trial", help="GPUs of a trial: 0.25 puts four on each, `auto` measures what they need."
    ),
]

AUTO = "auto"

StorageOption = Annotated[
    str | None,
    typer.Option(
        envvar="SERHPO_STORAGE",
        help="Keep the study on an object store: s3://bucket/folder; machines then need no shared folder.",
    ),
]

WaitNodesOption = Annotated[
    int | None,
    typer.Option("--wait-nodes", min=1, help="On a cluster: begin with so many machines, head included."),
]


def join(
    plan: Plan, session: ExitStack, remote: RemoteStore | None, nodes: int | None, stored: bool = False
) -> None:
    """Join the cluster that runs here, if one does, and make sure that it can run a search.

    Args:
        plan: What is searched.
        session: Holds the connection.
        remote: The shared feature store.
        nodes: Machines to wait for.
        stored: Whether no folder of studies must be seen by all: the study lies on a store, or there is none.

    Raises:
        ResourceError: It cannot, or machines are to be waited for where there is no cluster.
    """
    from serhpo.search import joins_cluster
    from serhpo.search.prepare import recordings_needed

    if not joins_cluster():
        if nodes is not None:
            require_cluster_here("--wait-nodes")
        return
    needed = recordings_needed(plan, remote)
    with console.countdown() as show:
        examine(plan.space.search, needed, session, remote, nodes, show, stored)


def examine(
    settings: SearchSettings,
    recordings: Sequence[str],
    session: ExitStack,
    remote: RemoteStore | None,
    nodes: int | None = None,
    show: console.CountDown | None = None,
    stored: bool = False,
) -> str:
    """How trials would share the machines of the cluster; waits for nobody without a count-down.

    A study that is stored elsewhere asks for no folder that all machines see.

    Raises:
        ResourceError: They cannot run a search; every reason.
    """
    from serhpo.cache import cache_folder
    from serhpo.cluster import connected
    from serhpo.search.machines import require_cluster
    from serhpo.study import studies_folder

    session.enter_context(connected(joining=True))
    folders = ([] if stored else [studies_folder()]) + ([cache_folder()] if remote is None else [])
    return str(require_cluster(settings, nodes, folders, recordings, show))


def require_cluster_here(option: str) -> bool:
    """Make sure that there is a cluster to join.

    Raises:
        ResourceError: There is none.
    """
    from serhpo.search import joins_cluster

    if not joins_cluster():
        raise ResourceError(
            "No Ray cluster to join on this machine",
            where=option,
            hint="run this on the head of a cluster, or set RAY_ADDRESS",
        )
    return True


def gpus_given(option: str | None) -> float | None:
    """GPUs of a trial as ``--gpus-per-trial`` says; a whole one until ``auto`` is measured.

    Raises:
        UsageError: It says neither a number nor ``auto``.
    """
    if option is None or option == AUTO:
        return 1.0 if option else None
    try:
        return float(option)
    except ValueError as error:
        raise UsageError(
            "No number of GPUs", where="--gpus-per-trial", got=option, allowed="a number, or auto"
        ) from error


def packed(plan: Plan, shards: Shards, session: ExitStack, remote: RemoteStore | None) -> Plan:
    """The plan with the part of a GPU that its trials were measured to need.

    Raises:
        ResourceError: There is no GPU.
    """
    from serhpo.cluster import capacity, connected
    from serhpo.search import joins_cluster
    from serhpo.search.ending import interruptible
    from serhpo.search.machines import share_of
    from serhpo.search.packing import measured_share
    from serhpo.search.prepare import make_context
    from serhpo.study import studies_folder

    session.enter_context(connected(joins_cluster()))
    capacity().require(share_of(plan.space.search))
    console.say("measuring the memory of a trial on a GPU")
    context = make_context(plan, shards, studies_folder(), remote)
    with interruptible() as interrupted:
        gpus = measured_share(plan.space, context, interrupted)
    console.say(f"--gpus-per-trial auto: {gpus:g}")
    return replace(plan, space=plan.space.pinned({"search.gpus_per_trial": gpus}))


def stored_at(storage: str | None, study: Path) -> str | None:
    """The address of the store that was named, now or when the study in this folder was made."""
    from serhpo.study.store import ADDRESS

    noted = study / ADDRESS
    if storage and "://" not in storage:
        return str(Path(storage).expanduser().absolute())
    return storage or (noted.read_text().strip() if noted.is_file() else None)


def cache_beside(storage: str | None, cache: str | None) -> str | None:
    """The address of the shared feature store: beside studies on a store, unless another one is named."""
    from serhpo.study.store import below

    return cache or (below(storage, ".features") if storage else None)  # no name of a study begins so
