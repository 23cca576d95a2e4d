"""Trials whose process dies, hangs or goes with its machine."""

import pytest

from serhpo.search import deaths
from serhpo.study import Study


def test_a_trial_whose_process_died_goes_on_until_it_has_died_too_often(new_driver):
    driver = new_driver(max_failures=2)
    trial, job = driver.start()
    driver.epoch(trial, 0, 1, 0.4, 0.1)
    for _ in range(2):
        driver.search.on_trial_complete(trial, {"trial": 0, "epoch": 1}, error=True)
        assert driver.states() == {0: "RUNNING"}
        trial, again = driver.start()
        assert again == {**job, "known": 1}
    driver.search.on_trial_complete(trial, None, error=True)
    record = Study(driver.study.path).trials()[0]
    assert (record.state, record.epoch) == ("FAIL", 1)
    assert "died 3 times" in record.notes["reason"]
    assert driver.start()[1]["number"] == 1


def test_a_trial_that_may_not_die_at_all_says_that_it_died_once(new_driver):
    driver = new_driver(max_failures=0)
    trial, _ = driver.start()
    driver.search.on_trial_complete(trial, None, error=True)
    assert Study(driver.study.path).trials()[0].notes["reason"].startswith("its process died once; ")


@pytest.mark.parametrize(
    ("silent_s", "words", "hung"), [(7.0, "", True), (4.0, "", False), (7.0, "node", False)]
)
def test_a_process_that_ended_after_the_time_limit_hung_unless_its_machine_was_lost(
    new_driver, monkeypatch, silent_s, words, hung
):
    driver = new_driver(max_failures=2, epoch_limit_s=5.0)
    trial, _ = driver.start()
    driver.record.heard[trial] = 100.0
    monkeypatch.setattr("serhpo.search.sampler.monotonic", lambda: 100.0 + silent_s)
    driver.record.errors[0] = deaths.LOST_MACHINE[0] if words else "ActorDiedError: exit code 1"
    driver.search.on_trial_complete(trial, None, error=True)
    assert driver.states() == {0: "FAIL" if hung else "RUNNING"}
    if hung:  # on a store its traceback is lost, not why it failed
        assert driver.ended[0].notes["reason"] == "epoch 1 took longer than search.epoch_limit_s (5 s)"


@pytest.mark.parametrize("words", deaths.LOST_MACHINE)
def test_a_machine_that_is_lost_is_no_fault_of_its_trial_while_the_trial_gets_on(new_driver, words):
    driver = new_driver(max_failures=0)
    trial, _ = driver.start()

    def lose():
        driver.search._record.errors[0] = f"ray.exceptions.ActorDiedError: The actor 7 {words}. Node Id: 1"
        driver.search.on_trial_complete(trial, None, error=True)

    for _ in range(deaths.LOSSES):
        lose()
        assert driver.states() == {0: "RUNNING"}
        trial, _ = driver.start()
    driver.epoch(trial, 0, 1, 0.4, 0.1)  # it gets on: the count begins anew
    for _ in range(deaths.LOSSES):
        lose()
        trial, _ = driver.start()
    lose()
    record = Study(driver.study.path).trials()[0]
    assert (record.state, record.epoch) == ("FAIL", 1)
    assert f"machine was lost {deaths.LOSSES + 1} times" in record.notes["reason"]


def test_a_late_word_on_a_process_that_died_does_not_end_its_successor(new_driver):
    driver = new_driver(max_failures=2)
    first, job = driver.start()
    driver.search.on_trial_complete(first, None, error=True)
    second, again = driver.start()
    assert again == job
    driver.search.on_trial_complete(first, None, error=True)
    assert driver.start()[1]["number"] == 1  # and not the first trial a second time beside itself
    driver.train(second, 0, 0.9, 0.9)
    assert driver.states() == {0: "COMPLETE", 1: "RUNNING"}


def test_a_trial_whose_epoch_hung_fails_and_is_not_tried_again(new_driver):
    driver = new_driver()
    trial, job = driver.start()
    driver.epoch(trial, job["number"], 1, 0.5, 0.2)
    hung = driver.study.trial_folder(job["number"]) / "hung.txt"
    hung.parent.mkdir(parents=True)
    hung.write_text("Timeout (2:00:00)!\n")
    driver.search.on_trial_complete(trial, error=True)
    (record,) = driver.ended
    assert record.state == "FAIL"
    assert record.notes["reason"].startswith("epoch 2 took longer than search.epoch_limit_s (7200 s)")
    assert driver.start()[1]["number"] != job["number"]
