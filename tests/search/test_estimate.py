"""Ranges of what is left, against sums worked out by hand."""

import pytest

from serhpo.search.estimate import Estimate, duration
from serhpo.search.settings import SearchSettings
from serhpo.study import TrialRecord

# Rungs at 1 and 3. Of 9 trials one order keeps 3 at each rung, then 1: 9·1 + 3·2 + 1·6 = 21 epochs.
SETTINGS = {"trials": 9, "epochs": 9, "grace_period": 1, "reduction_factor": 3}
NONE_USED = {"hours": 0.0, "gpu_hours": 0.0, "total_epochs": 0.0, "patience": 0.0}


def make(at_once=2, **more):
    return Estimate(SearchSettings(**SETTINGS, **more), at_once)


def end(number, epoch, state="PRUNED"):
    return TrialRecord(number, state, {}, None, epoch, {})


def test_nothing_is_said_before_an_epoch_was_timed():
    assert make().remaining(9, NONE_USED) is None


def test_after_one_epoch_the_range_is_wide():
    estimate = make()
    estimate.epoch({"trial": 0, "seconds": 6.0})
    left = estimate.remaining(9, NONE_USED)
    # Best in either of two unrelated objectives keeps 5/9: 9 + 5·2 + (25/9)·6 = 35.7 epochs.
    assert left.epochs == (21, 36)
    assert left.seconds == pytest.approx((21 * 2.0 / 2, 36 * 18.0 / 2))
    assert str(left) == "21 s to 5 min for 21 to 36 epochs"


def test_what_was_measured_narrows_it():
    estimate = make(at_once=1)
    for trial in range(8):
        for _ in range(2):
            estimate.epoch({"trial": trial, "seconds": 2.0 + trial % 2})
        estimate.ended(end(trial, 1 if trial < 6 else 9, "PRUNED" if trial < 6 else "COMPLETE"))
    left = estimate.remaining(10, NONE_USED)
    # Epochs a trial: mean 3, standard error 4·√(6·(1/4)... = 1.309; seconds: mean 2.5, error 0.189.
    assert left.epochs == (10, 57)
    assert left.seconds == pytest.approx((10 * (2.5 - 2 * 0.18898), 57 * (2.5 + 2 * 0.18898)), rel=1e-4)
    assert left.timed == 8


def test_limits_cut_it_off():
    estimate = make(total_epochs=25, hours=0.01)
    estimate.epoch({"trial": 0, "seconds": 6.0})
    left = estimate.remaining(9, {**NONE_USED, "total_epochs": 5, "hours": 0.005})
    assert left.epochs == (20, 20)
    assert left.seconds == pytest.approx((18.0, 18.0))


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h")]
)
def test_durations_are_no_finer_than_an_estimate_deserves(seconds, text):
    assert duration(seconds) == text


def test_an_estimate_keeps_up_with_means_that_change():
    from statistics import mean, stdev

    estimate, epochs = make(at_once=1), {0: [3.0], 1: [5.0, 7.0], 2: [1.0], 3: [2.0, 2.5, 9.0]}
    for place in range(3):
        for trial, seconds in epochs.items():
            if place < len(seconds):
                estimate.epoch({"trial": trial, "seconds": seconds[place]})
    each = [mean(seconds) for seconds in epochs.values()]
    spread = 2 * stdev(each) / 2
    left = estimate.remaining(9, NONE_USED)
    assert left.timed == 4
    expected = (left.epochs[0] * max(mean(each) - spread, 1.0), left.epochs[1] * (mean(each) + spread))
    assert left.seconds == pytest.approx(expected)


def test_no_more_trials_than_are_left_run_side_by_side():
    few, many = make(at_once=2), make(at_once=16)
    for estimate in (few, many):
        estimate.epoch({"trial": 0, "seconds": 6.0})
    assert many.remaining(2, NONE_USED).seconds == few.remaining(2, NONE_USED).seconds


def test_gpu_hours_cut_it_off_too():
    estimate = make(at_once=2, gpu_hours=1.0, gpus_per_trial=0.5)
    estimate.epoch({"trial": 0, "seconds": 6000.0})
    left = estimate.remaining(9, {**NONE_USED, "gpu_hours": 0.75})
    assert left.seconds == (900.0, 900.0)  # a quarter of an hour of the one GPU that two trials share
