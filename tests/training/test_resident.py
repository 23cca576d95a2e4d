"""Which features stay on a GPU; none is needed here, its memory is only counted."""

from collections.abc import Iterator
from weakref import WeakSet

import numpy as np
import pytest
import torch

from serhpo.training import resident
from serhpo.training.resident import on_device
from tests.training.conftest import MemoryStore

GPU = torch.device("cuda")
MEMORY = 200


class Uploaded:
    """Stands for a store's values on the GPU."""

    def __init__(self, store, device):
        self.bytes = resident._bytes(store)
        self.all.add(self)


@pytest.fixture(autouse=True)
def held(monkeypatch) -> Iterator[WeakSet]:
    """What lies on a GPU of 200 bytes."""
    there = WeakSet()
    monkeypatch.setattr(Uploaded, "all", there, raising=False)
    monkeypatch.setattr(resident, "Resident", Uploaded)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(
        torch.cuda, "mem_get_info", lambda device: (MEMORY - sum(one.bytes for one in there), MEMORY)
    )
    resident._uploaded.clear()
    yield there
    resident._uploaded.clear()


def stores(*sizes):
    """One store of so many bytes each."""
    return [MemoryStore([np.zeros((size // 4, 1), np.float32)]) for size in sizes]


def test_stores_that_no_trial_asks_for_any_more_make_room(held):
    kept = stores(80, 80, 80)  # as a worker keeps them
    for store in kept:
        training = [on_device([{"mel": store}], GPU)]
        assert training != [None]
        assert [one.bytes for one in held] == [80]
        training.append(training)  # a cycle, as a process' first training leaves one behind
        del training


def test_what_a_trial_trains_on_with_another_one_is_uploaded_once(held):
    mel, mfcc, copy = stores(20, 40, 24)
    both = on_device([{"mel": mel, "mfcc": mfcc}], GPU)
    assert on_device([{"mel": mel, "mfcc": mfcc}], GPU) == both  # the next fold
    assert on_device([{"mel": mel}], GPU) == [{"mel": both[0]["mel"]}]
    assert on_device([{"mfcc": mfcc}], GPU) == [{"mfcc": both[0]["mfcc"]}]
    altered = on_device([{"mel": mel}, {"mel": copy}], GPU)
    assert altered[0]["mel"] is both[0]["mel"]
    del both
    assert sorted(one.bytes for one in held) == [20, 24]


def test_a_worker_holds_half_of_the_memory_that_others_leave_and_no_more(held):
    mel, mfcc, waveform = stores(60, 40, 4)
    assert on_device([{"mel": mel}], GPU) is not None
    assert on_device([{"mel": mel, "mfcc": mfcc}], GPU) is not None
    assert on_device([{"mel": mel, "mfcc": mfcc, "waveform": waveform}], GPU) is None
    assert sum(one.bytes for one in held) == 100


def test_a_cpu_holds_nothing(held):
    assert on_device([{"mel": stores(4)[0]}], torch.device("cpu")) is None
    assert not held
