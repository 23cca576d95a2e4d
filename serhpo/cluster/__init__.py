"""The machines a search runs on: join or start Ray, wait for them, count what fits on them, look at each."""

from serhpo.cluster.capacity import Capacity, NodeType, Share, capacity, this_machine
from serhpo.cluster.connection import connected, lost_process
from serhpo.cluster.nodes import look_around, other_nodes
from serhpo.cluster.waiting import gather

__all__ = [
    "Capacity",
    "NodeType",
    "Share",
    "capacity",
    "connected",
    "gather",
    "look_around",
    "lost_process",
    "other_nodes",
    "this_machine",
]
