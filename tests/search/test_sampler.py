"""The bridge to Tune: how trials end, and what a disk that is full does."""

import errno
import json
import pickle

import pytest
from ray.tune.search import Searcher

from serhpo.errors import StorageError
from serhpo.study import Study

# --- How a trial ends -----------------------------------------------------------------------------------


def test_a_trial_that_reaches_its_last_epoch_is_complete_with_its_best_one(drive):
    driver = drive()
    trial, job = driver.start()
    curve = [
        (0.3, 0.1),
        (0.5, 0.2),
        (0.6, 0.4),
        (0.7, 0.25),
        (0.4, 0.55),
        (0.1, 0.1),
        (0, 0),
        (0, 0),
        (0.9, 0.0),
    ]
    for epoch, (ua, ccc) in enumerate(curve, start=1):
        driver.epoch(trial, job["number"], epoch, ua, ccc)
    (record,) = Study(driver.study.path).trials()
    # (0.6 + 0.4), the best sum, at epoch 3; never UA of one epoch and CCC of another.
    assert (record.state, record.epoch, record.values) == ("COMPLETE", 3, {"ua": 0.6, "ccc": 0.4})
    assert driver.ended == [record]
    assert driver.study.journal.trials[0].values == [0.6, 0.4]


def test_a_stopped_trial_is_pruned_with_its_last_values_epoch_and_rung(drive):
    driver = drive()
    good, job = driver.start()
    driver.train(good, job["number"], 0.9, 0.9)
    trial, job = driver.start()
    assert driver.epoch(trial, job["number"], 1, 0.95, 0.05)  # leads in UA, goes on to rung 3
    assert driver.epoch(trial, job["number"], 2, 0.8, 0.5)
    assert not driver.epoch(trial, job["number"], 3, 0.2, 0.15)
    record = Study(driver.study.path).trials()[1]
    assert (record.state, record.epoch, record.values) == ("PRUNED", 3, {"ua": 0.2, "ccc": 0.15})
    assert record.notes["rung"] == 3
    assert driver.ended[-1] == record
    frozen = driver.study.journal.trials[1]
    assert frozen.values is None  # Optuna's pruned trials of several objectives have none
    assert frozen.user_attrs["values"] == {"ua": 0.2, "ccc": 0.15}
    assert [t.number for t in driver.study.journal.best_trials] == [0]
    assert [t.number for t in driver.study.front()] == [0]


def test_a_trial_that_is_not_finite_has_failed_and_says_why(drive):
    driver = drive()
    trial, job = driver.start()
    driver.epoch(trial, job["number"], 1, 0.4, 0.1)
    driver.search.on_trial_complete(trial, {"trial": 0, "failed": "A prediction is not finite", "done": True})
    record = Study(driver.study.path).trials()[0]
    assert (record.state, record.epoch, record.values) == ("FAIL", 1, None)
    assert record.notes["reason"] == "A prediction is not finite"
    assert driver.ended == [record]
    assert driver.study.front() == []


def test_a_worker_that_raised_is_not_tried_again_and_says_why(new_driver):
    driver = new_driver(max_failures=2)
    trial, _ = driver.start()
    driver.search._record.errors[0] = "Traceback ...\nray.exceptions.RayTaskError(ValueError): no such GPU"
    driver.search.on_trial_complete(trial, None, error=True)
    (record,) = driver.ended
    assert record.state == "FAIL"
    assert "no such GPU" in record.notes["reason"]


@pytest.mark.parametrize("epochs", [0, 2])
def test_a_search_that_is_stopped_leaves_its_trials_running(drive, epochs):
    driver = drive()
    trial, job = driver.start()
    for epoch in range(1, epochs + 1):
        driver.epoch(trial, job["number"], epoch, 0.4, 0.1)
    driver.search.on_trial_complete(trial, {"trial": 0, "epoch": epochs, "done": True} if epochs else None)
    assert driver.states() == {0: "RUNNING"}
    assert driver.ended == []


def test_an_end_is_told_once(drive):
    driver = drive()
    trial, job = driver.start()
    driver.train(trial, job["number"], 0.9, 0.9)
    for repeat in ({"failed": "late"}, {"epoch": 9}, None):
        driver.search.on_trial_complete(trial, repeat, error=repeat is None)
    driver.search.on_trial_complete("unknown to this search", {"failed": "x"})
    assert driver.states() == {0: "COMPLETE"}
    assert len(driver.ended) == 1
    assert "reason" not in Study(driver.study.path).trials()[0].notes


def test_checkpoints_are_kept_for_the_front_and_for_who_still_runs(drive):
    driver = drive()
    # A front of 0 and 1; then 2 beats 1; 3 is cut; 4 fails; 5 still runs.
    goals = [(0.9, 0.3), (0.5, 0.6), (0.6, 0.7), (0.3, 0.1)]
    for number in range(6):
        trial, job = driver.start()
        for name in ("last", "best"):
            (driver.study.trial_folder(job["number"]) / name).mkdir(parents=True)
        (driver.study.trial_folder(job["number"]) / "config.json").write_text("{}")
        if number < 4:
            driver.train(trial, number, *goals[number])
        elif number == 4:
            driver.search.on_trial_complete(trial, {"failed": "x"})
    assert driver.states() == dict(enumerate(["COMPLETE"] * 3 + ["PRUNED", "FAIL", "RUNNING"]))
    kept = {(p.parent.name, p.name) for p in driver.study.path.glob("trials/*/*") if p.is_dir()}
    assert kept == {("0", "best"), ("2", "best"), ("5", "best"), ("5", "last")}
    assert len(list(driver.study.path.glob("trials/*/config.json"))) == 6


# --- Tune, and a disk that is full ----------------------------------------------------------------------


def test_nothing_of_a_search_gets_into_tunes_snapshot(drive, tmp_path):
    search = drive().search
    assert type(pickle.loads(pickle.dumps(search))) is Searcher
    search.save(str(tmp_path / "snapshot.pkl"))
    assert not (tmp_path / "snapshot.pkl").exists()


def test_a_full_disk_ends_the_search_without_an_error_in_tunes_loop(drive, monkeypatch):
    driver = drive()
    trial, job = driver.start()

    def full(logs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(driver.study.journal._storage._backend, "append_logs", full)
    assert driver.search.suggest("next") == "FINISHED"  # with None, Tune would wait
    driver.train(trial, job["number"], 0.9, 0.9)
    assert isinstance(driver.record.fatal, StorageError)
    assert "full" in driver.record.fatal.what
    monkeypatch.undo()
    resumed = drive()
    assert resumed.states()[0] == "COMPLETE"  # its epochs were written; the telling is made up for
    assert resumed.record.fatal is None


def test_after_a_torn_write_nothing_more_is_written(drive, monkeypatch):
    driver = drive()
    one, two = driver.start(), driver.start()
    backend = driver.study.journal._storage._backend
    journal = driver.study.path / "journal.log"
    whole = journal.read_bytes()

    def torn(logs):
        monkeypatch.undo()  # the next write would find room again, and spoil the journal for good
        with journal.open("ab") as file:
            file.write(json.dumps(logs[0]).encode()[:7])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(backend, "append_logs", torn)
    driver.search.on_trial_complete(one[0], {"failed": "x"})
    assert driver.record.fatal is not None
    driver.search.on_trial_complete(two[0], {"failed": "x"})
    assert driver.search.suggest("more") == "FINISHED"
    with driver.study.driving():
        assert journal.read_bytes() == whole
    assert drive().search.to_continue == 2


@pytest.mark.parametrize("room", [0, 1, 40])
def test_a_journal_that_the_kernel_cuts_off_is_mended_and_goes_on(drive, small_files, room):
    driver = drive()
    trial, job = driver.start()
    journal = driver.study.path / "journal.log"
    with small_files(journal.stat().st_size + room):
        driver.search.on_trial_complete(trial, {"failed": "x"})
        assert isinstance(driver.record.fatal, StorageError)
        assert driver.search.suggest("more") == "FINISHED"
    with driver.study.driving():  # as the next driver does first
        assert journal.read_bytes().endswith(b"\n")
    resumed = drive()
    assert resumed.search.to_continue == 1
    again, same = resumed.start()
    assert same == job
    assert resumed.train(again, job["number"], 0.9, 0.9) == 9
    assert resumed.states()[0] == "COMPLETE"
