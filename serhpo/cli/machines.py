"""Before a command computes on a cluster: join it, wait for its machines, refuse what cannot work there."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from serhpo.cli import console
from serhpo.errors import ResourceError

if TYPE_CHECKING:  # `serhpo --help` must load neither torch nor Ray
    from serhpo.cache import RemoteStore
    from serhpo.search.prepare import Plan
    from serhpo.search.settings import SearchSettings

WaitNodesOption = Annotated[
    int | None,
    typer.Option("--wait-nodes", min=1, help="On a cluster: begin with so many machines, head included."),
]


def join(plan: Plan, session: ExitStack, remote: RemoteStore | None, nodes: int | None) -> None:
    """Join the cluster that runs here, if one does, and make sure that it can run a search.

    Args:
        plan: What is searched.
        session: Holds the connection.
        remote: The shared feature store.
        nodes: Machines to wait for.

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
        examine(plan.space.search, needed, session, remote, nodes, show)


def examine(
    settings: SearchSettings,
    recordings: Sequence[str],
    session: ExitStack,
    remote: RemoteStore | None,
    nodes: int | None = None,
    show: console.CountDown | None = None,
) -> str:
    """How trials would share the machines of the cluster; waits for nobody without a count-down.

    Raises:
        ResourceError: They cannot run a search; every reason.
    """
    from serhpo.cache import cache_folder
    from serhpo.cluster import connected
    from serhpo.search.machines import require_cluster
    from serhpo.study import studies_folder

    session.enter_context(connected(joining=True))
    folders = [studies_folder()] + ([cache_folder()] if remote is None else [])
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
