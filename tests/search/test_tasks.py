"""Tasks without a cluster: a stand-in for Ray that keeps what was asked of it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ray.exceptions import RayTaskError, WorkerCrashedError

from serhpo.errors import RayDiedError, ResourceError, SearchInterruptedError, SerhpoError, StorageError
from serhpo.search import tasks
from serhpo.search.settings import SearchSettings


class FakeRay:
    """Runs a task when it is waited for; one at a time, oldest first."""

    def __init__(self):
        self.under_way, self.most, self.cancelled, self.resources = [], 0, [], None

    def remote(self, **resources):
        self.resources = resources
        return lambda function: SimpleNamespace(remote=lambda *arguments: self.submit(function, arguments))

    def put(self, value):
        return value

    def submit(self, function, arguments):
        reference = (function, arguments)
        self.under_way.append(reference)
        self.most = max(self.most, len(self.under_way))
        return reference

    def wait(self, references, num_returns, timeout):
        return [self.under_way.pop(0)], references[1:]

    def get(self, reference):
        function, arguments = reference
        return function(*arguments)

    def cancel(self, reference, force):
        self.cancelled.append(reference)


@pytest.fixture
def ray(monkeypatch):
    fake = FakeRay()
    monkeypatch.setattr(tasks, "ray", fake)
    monkeypatch.setattr(tasks, "lost_process", lambda: None)
    return fake


def run(function, work, at_once=2, interrupted=lambda: False):
    settings = SearchSettings(cpus_per_trial=3, gpus_per_trial=0.5)
    return tasks.run_tasks(function, 10, work, settings, at_once, interrupted)


def test_every_piece_comes_back_with_its_result_and_no_more_run_than_fit(ray):
    assert list(run(lambda shared, piece: shared + piece, [1, 2, 3, 4, 5])) == [
        (n, 10 + n) for n in range(1, 6)
    ]
    assert ray.most == 2
    assert ray.resources == {"num_cpus": 3, "num_gpus": 0.5}
    assert ray.cancelled == []


def test_a_listener_that_leaves_stops_what_is_under_way(ray):
    results = run(lambda shared, piece: piece, [1, 2, 3])
    next(results)
    results.close()
    assert [arguments for _, arguments in ray.cancelled] == [(10, 2)]


def test_a_stop_ends_it_and_cancels_the_rest(ray):
    with pytest.raises(SearchInterruptedError, match="everything is saved"):
        list(run(lambda shared, piece: piece, [1, 2, 3], interrupted=lambda: True))
    assert len(ray.cancelled) == 2


def test_a_dead_ray_is_named(ray, monkeypatch):
    monkeypatch.setattr(tasks, "lost_process", lambda: "raylet")
    with pytest.raises(RayDiedError) as caught:
        list(run(lambda shared, piece: piece, [1]))
    assert "raylet" in str(caught.value)


@pytest.mark.parametrize(
    ("raised", "seen"),
    [
        (RayTaskError("f", "traceback", StorageError("The disk is full")), StorageError),
        (RayTaskError("f", "traceback", ValueError("no such thing\nsecond line")), SerhpoError),
        (WorkerCrashedError(), ResourceError),
    ],
)
def test_what_went_wrong_in_a_worker_is_one_error(ray, raised, seen):
    def fail(shared, piece):
        raise raised

    with pytest.raises(seen) as caught:
        list(run(fail, [1]))
    assert type(caught.value) is seen
    assert "second line" not in str(caught.value)
