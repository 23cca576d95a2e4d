"""Waiting for a cluster's machines: with a count-down, and with a place asked for where none is yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ray.util.placement_group import placement_group, remove_placement_group

from serhpo.cluster.capacity import Capacity, Share, capacity
from serhpo.errors import ResourceError

Show = Callable[[int, int, float], None]
"""Told of machines there, machines wanted, and the seconds that are left to wait."""

LOOK_EVERY_S = 1.0


def gather(
    share: Share,
    wanted: int | None,
    patience_s: float,
    show: Show,
    *,
    look: Callable[[], Capacity] = capacity,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Capacity:
    """Wait until the machines are there, and one trial fits on them.

    Args:
        share: What a trial takes.
        wanted: Machines in all, the head among them; None for those the cluster's file promises.
        patience_s: Seconds to wait at most.
        show: Told how it stands, every second.
        look: Looks at the cluster.
        clock: In seconds.
        sleep: Waits for so many.

    Returns:
        The cluster as it is then. Promised machines that did not come are done without.

    Raises:
        ResourceError: A trial fits nowhere, or machines that were asked for by number did not come.
    """
    there = look()
    there.require(share)
    end = clock() + patience_s
    with _place_asked_for(share, there):
        while _lacks(there, share, wanted) and (left := end - clock()) > 0:
            show(len(there.machines), wanted or there.promised, left)
            sleep(min(LOOK_EVERY_S, left))
            there = look()
    if (wanted and len(there.machines) < wanted) or not there.now(share):
        what = "Not all machines came" if there.now(share) else "No machine came that a trial fits on"
        raise ResourceError(
            what,
            where="search.wait_s",
            got=f"{len(there.machines)} of {wanted or there.promised} in {patience_s:g} s; {share} per trial",
            hint="`ray status` on the head tells why; --set search.wait_s=… waits longer",
        )
    return there


def _lacks(there: Capacity, share: Share, wanted: int | None) -> bool:
    return len(there.machines) < (wanted or there.promised) or not there.now(share)


@contextmanager
def _place_asked_for(share: Share, there: Capacity) -> Iterator[None]:
    """Ask for one trial's place where there is none: an autoscaler adds machines for what waits only.

    A placement group, since it goes with this process, however that ends. What is asked for by
    ``request_resources`` stands until somebody takes it back: a killed search would keep machines for ever.
    """
    if there.now(share) or not there.grows:
        yield
        return
    group = placement_group([share.bundle])
    try:
        yield
    finally:
        remove_placement_group(group)
