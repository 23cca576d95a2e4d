"""Ray's autoscaler on a cloud: cheap spot machines first, on-demand ones where none are to be had.

Of its own accord it asks for the spot type for ever: it notes that a launch failed and does not look at
the note. The head's start line names :func:`spot_first` in ``RAY_AUTOSCALER_UTILIZATION_SCORER``, which
autoscaler v1 reads. It is Ray's private interface, hence the pinned Ray of the cluster files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ray.autoscaler._private.resource_demand_scheduler import _resource_based_utilization_scorer


def spot_first(
    node_resources: Mapping[str, float],
    resources: Sequence[Mapping[str, float]],
    node_type: str,
    *,
    node_availability_summary: Any,
) -> tuple[Any, ...] | None:
    """How well a type of machine suits what waits; the autoscaler starts the highest.

    Args:
        node_resources: What a machine of the type has.
        resources: What waits.
        node_type: Its name; one with "spot" in it is a spot type.
        node_availability_summary: Ray's record of launches; a failure is forgotten after half an hour
            (``AUTOSCALER_NODE_AVAILABILITY_MAX_STALENESS_S``).

    Returns:
        Ray's own score with, after its first part (no GPU machine for work that needs none), whether the
        type's last launch worked and whether it is a spot type; None where nothing fits.
    """
    score = _resource_based_utilization_scorer(
        node_resources, resources, node_availability_summary=node_availability_summary
    )
    if score is None:
        return None
    launch = node_availability_summary.node_availabilities.get(node_type)
    there = launch is None or launch.is_available
    return (score[0], there, "spot" in node_type, *score[1:])
