"""How many trials fit: worked out by hand, machine by machine."""

from __future__ import annotations

import pytest

from serhpo.cluster import Capacity, NodeType, Share
from serhpo.cluster.capacity import from_file
from serhpo.errors import ResourceError

HEAD = {"CPU": 0.0, "node:__internal_head__": 1.0}
GPU_HOST = {"CPU": 4.0, "GPU": 1.0}


@pytest.mark.parametrize(
    ("cpus", "gpus", "machine", "trials"),
    [
        (1, 0.0, {"CPU": 3.0}, 3),
        (2, 0.0, {"CPU": 3.0}, 1),
        (1, 0.25, {"CPU": 8.0, "GPU": 1.0}, 4),
        (1, 0.4, {"CPU": 8.0, "GPU": 3.0}, 6),  # two on each, though 7 × 0.4 would be less than 3
        (1, 0.3333, {"CPU": 8.0, "GPU": 2.0}, 6),
        (1, 2.0, {"CPU": 8.0, "GPU": 5.0}, 2),
        (4, 0.25, {"CPU": 8.0, "GPU": 1.0}, 2),  # the cores are what lacks
        (1, 0.5, {"CPU": 8.0}, 0),
        (1, 0.0, {}, 0),
    ],
)
def test_trials_on_one_machine(cpus: int, gpus: float, machine: dict[str, float], trials: int) -> None:
    assert Share(cpus, gpus).fits(machine) == trials


def test_odd_cores_of_several_machines_are_not_added_up() -> None:
    assert Capacity(({"CPU": 3.0}, {"CPU": 3.0})).now(Share(2, 0)) == 2


def test_a_cluster_that_cannot_grow_wants_what_fits_and_never_nothing() -> None:
    assert Capacity((HEAD, GPU_HOST)).wanted(Share(1, 0.5)) == 2
    assert Capacity((HEAD,)).wanted(Share(1, 0.5)) == 1


def file(**types: dict[str, object]) -> dict[str, object]:
    return {
        "max_workers": 5,
        "head_node_type": "head",
        "available_node_types": {"head": {"resources": {}}, **types},
    }


def test_an_autoscalers_file_tells_how_far_the_cluster_may_grow() -> None:
    spot = {"resources": {"CPU": 8, "GPU": 1}, "min_workers": 1, "max_workers": 4}
    safe = {"resources": {"CPU": 8, "GPU": 2}, "max_workers": 2}
    there = from_file([HEAD], file(spot=spot, safe=safe))
    assert there.types == (
        NodeType("spot", {"CPU": 8, "GPU": 1}, 1, 4),
        NodeType("safe", {"CPU": 8, "GPU": 2}, 0, 2),
    )
    assert there.promised == 2
    share = Share(1, 0.5)
    assert there.now(share) == 0
    assert there.at_most(share) == 2 * 4 + 3 * 2  # five machines in all, the larger ones first
    assert there.wanted(share) == 14
    there.require(share)


def test_machines_of_ones_own_have_resources_that_no_file_knows() -> None:
    """As ``ray up`` completes the file of a cluster without a cloud: one type for head and workers."""
    kind = {"node_config": {}, "resources": {}, "min_workers": 2, "max_workers": 2}
    data = {"max_workers": 2, "head_node_type": "local", "available_node_types": {"local": kind}}
    there = from_file([{"CPU": 2.0, "node:__internal_head__": 1.0}], data)
    assert there.promised == 3
    assert there.at_most(Share(1, 0)) is None
    assert there.wanted(Share(1, 0)) == 4  # by doubling
    there.require(Share(1, 0.5))  # one of those to come may have a GPU


def test_gpus_that_no_type_of_machine_has_are_refused() -> None:
    there = from_file([HEAD], file(small={"resources": {"CPU": 8}, "max_workers": 4}))
    with pytest.raises(ResourceError, match="no machine has one, nor may one be added") as caught:
        there.require(Share(1, 0.25))
    assert caught.value.got == "1 CPU and 0.25 GPU per trial"
    with pytest.raises(ResourceError, match="no machine has one\\n"):
        Capacity((HEAD, {"CPU": 8.0})).require(Share(1, 0.25))


def test_a_trial_larger_than_every_machine_is_refused() -> None:
    with pytest.raises(ResourceError, match="needs more") as caught:
        Capacity((GPU_HOST, GPU_HOST)).require(Share(8, 1))
    assert caught.value.allowed == "8 CPU and 2 GPU in all, on 2 machines"


@pytest.mark.parametrize(
    ("share", "machines", "limit", "text"),
    [
        (Share(1, 0.5), [GPU_HOST] * 3, None, "2 trials per GPU on 3 GPUs: 6 at once"),
        (Share(1, 0.5), [GPU_HOST] * 3, 4, "2 trials per GPU on 3 GPUs: 4 at once"),
        (Share(1, 0.75), [GPU_HOST], None, "1 trial per GPU on 1 GPU: 1 at once"),
        (
            Share(2, 0),
            [{"CPU": 4.0}, {"CPU": 5.0}, HEAD],
            None,
            "2 CPU a trial, 9 CPUs on 2 machines: 4 at once",
        ),
        (
            Share(1, 0),
            [GPU_HOST] * 2,
            None,
            "1 CPU a trial, 8 CPUs on 2 machines: 8 at once; none uses the 2 GPUs: --gpus-per-trial",
        ),
        (Share(1, 2), [{"CPU": 8.0, "GPU": 4.0}], None, "2 GPU a trial, 4 GPUs on 1 machine: 2 at once"),
        (
            Share(4, 0.25),
            [GPU_HOST],
            None,
            "4 trials per GPU on 1 GPU: 1 at once (their 4 CPUs hold no more, at 4 a trial)",
        ),
    ],
)
def test_the_packing_in_words(
    share: Share, machines: list[dict[str, float]], limit: int | None, text: str
) -> None:
    assert Capacity(tuple(machines)).packing(share, limit) == text
