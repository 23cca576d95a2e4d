"""Limits of a search against what its study has used, over several runs of it."""

import pytest

from serhpo.errors import ConfigError
from serhpo.search import budget as module
from serhpo.search.budget import Budget, limited
from serhpo.search.record import Record
from serhpo.search.settings import SearchSettings
from tests.search.conftest import make_rungs


@pytest.fixture
def clock(monkeypatch):
    """The monotonic clock, at a time that means nothing; set ``now[0]``."""
    now = [5000.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def record(study, space):
    return lambda: Record(study, make_rungs(space))


def row(trial, epoch, seconds=0.0, elapsed=0.0):
    return {"trial": trial, "epoch": epoch, "ua": 0.5, "ccc": 0.2, "seconds": seconds, "elapsed": elapsed}


def test_without_limits_nothing_is_ever_spent(record, clock):
    budget = Budget(SearchSettings(), record())
    clock[0] += 1e9
    assert budget.spent() is None


def test_hours_count_while_the_search_runs_and_not_between_its_runs(record, clock):
    settings = SearchSettings(hours=1)
    first = record()
    budget = Budget(settings, first)
    clock[0] += 2000
    first.add(row(0, 1, elapsed=budget.elapsed))
    clock[0] += 100_000  # killed, and resumed a day later on a machine with another clock
    clock[0] = 7.0
    again = Budget(settings, record())
    assert again.used()["hours"] == pytest.approx(2000 / 3600)
    clock[0] += 1599
    assert again.spent() is None
    clock[0] += 1
    assert again.spent() == "1 hours are used"


def test_epochs_of_all_trials_and_gpu_hours_come_from_the_ledger(record, clock):
    settings = SearchSettings(total_epochs=4, gpu_hours=1, gpus_per_trial=0.5)
    mine = record()
    budget = Budget(settings, mine)
    for epoch in (1, 2, 3):
        assert budget.spent() is None
        mine.add(row(0, epoch, seconds=1800.0))
    assert budget.used() == {"hours": 0.0, "gpu_hours": 0.75, "total_epochs": 3, "patience": 0}
    mine.add(row(0, 3, seconds=9e9))  # known already: changes nothing
    assert budget.spent() is None
    mine.add(row(1, 1, seconds=1800.0))
    assert budget.spent() == "1 GPU hours are used"
    assert Budget(limited(settings, {"gpu_hours": 2}), record()).spent() == "4 epochs are used"
    assert Budget(limited(settings, {"gpu_hours": 2, "total_epochs": 5}), record()).spent() is None


def test_patience_counts_trials_since_the_front_last_grew_also_over_a_resume(drive, record):
    run = drive()
    budget = Budget(SearchSettings(patience=3), record())
    # better, worse in both, better in CCC alone, worse, worse, worse
    values = [(0.6, 0.3), (0.5, 0.2), (0.5, 0.4), (0.4, 0.1), (0.4, 0.1), (0.4, 0.1)]
    spent = []
    for ua, ccc in values:
        trial, job = run.start()
        run.train(trial, job["number"], ua, ccc)
        budget.note(run.ended[-1])
        spent.append(budget.spent())
        assert Budget(SearchSettings(patience=3), record()).spent() == spent[-1]
    assert spent == [None] * 5 + ["the front has not grown for 3 trials"]


def test_a_search_without_a_front_has_not_stalled(drive, record):
    run = drive()
    budget = Budget(SearchSettings(patience=2), record())
    for _ in range(3):
        trial, _ = run.start()
        run.search.on_trial_complete(trial, {"failed": "x"})
        budget.note(run.ended[-1])
        assert budget.spent() is None
    ends = [(0.6, 0.3), (0.5, 0.2), (0.4, 0.1)]
    for ua, ccc in ends:
        trial, job = run.start()
        run.train(trial, job["number"], ua, ccc)
        budget.note(run.ended[-1])
    assert budget.spent() == "the front has not grown for 2 trials"


def test_hours_after_the_last_epoch_count_where_the_search_was_left_in_order(study, record, clock):
    budget = Budget(SearchSettings(hours=1), record())
    clock[0] += 3600
    assert budget.spent() == "1 hours are used"
    study.note_elapsed(budget.elapsed)  # in the middle of its first epoch
    clock[0] = 7.0
    assert Budget(SearchSettings(hours=1), record()).spent() == "1 hours are used"


def test_gpu_hours_without_gpus_are_refused():
    with pytest.raises(ValueError, match="gpus_per_trial is 0"):
        SearchSettings(gpu_hours=1)


def test_limits_given_anew_are_checked():
    assert limited(SearchSettings(hours=2, seed=3), {"hours": 5}) == SearchSettings(hours=5, seed=3)
    with pytest.raises(ConfigError, match="hours"):
        limited(SearchSettings(), {"hours": -1})
