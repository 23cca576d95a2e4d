"""What may be read of test speakers, and what only knowingly."""

import pytest

from serhpo.errors import UsageError
from serhpo.evaluate import HeldOut, Job, Reading, Request, decide

HELD_OUT = HeldOut("a", "own", "own", "holdout", "", False, {"1": ("3F", "3M"), "2": ("3F", "3M")})
APART = HeldOut(
    "b", "own", "own", "leave_one_speaker_out", "", True, {"3F": ("3F",), "3M": ("3M",), "1F": ("1F",)}
)
OTHER = HeldOut("c", "other", "other", "holdout", "", False, {"1": ("3F", "3M"), "2": ("3F", "3M")})


def ask(trials=(4,), folds=("1", "2"), seeds=2, again=False, tested=HELD_OUT, controls=None):
    return Request(trials, {"classes": 4} if controls is None else controls, folds, seeds, again, tested)


def begun(*decisions):
    return [decision.reading for decision in decisions if decision.reading]


def ids(jobs):
    return {job.id for job in jobs}


def test_a_first_request_plans_every_seed_and_fold_and_the_controls():
    decision = decide(ask(trials=(4, 7)), [], [])
    assert len(decision.shown) == len(set(decision.shown)) == 3 * 2 * 2
    assert decision.reading == Reading(1, decision.shown, HELD_OUT)
    assert {(job.trial, job.variant) for job in decision.shown} == {
        (4, "joint"),
        (7, "joint"),
        (4, "classes"),
    }


def test_the_same_request_again_shows_what_is_there_and_reads_nothing():
    first = decide(ask(), [], [])
    second = decide(ask(), begun(first), ids(first.shown))
    assert second.reading is None
    assert set(second.shown) == set(first.shown)
    assert set(decide(ask(seeds=None), begun(first), ids(first.shown)).shown) == set(first.shown)
    assert set(decide(ask(seeds=1), begun(first), ids(first.shown)).shown) == set(first.shown)


def test_a_reading_that_was_cut_off_goes_on():
    first = decide(ask(), [], [])
    second = decide(ask(), begun(first), ids(first.shown[:2]))
    assert second.reading is None
    assert set(second.shown) == set(first.shown)


def test_what_was_planned_and_not_begun_can_be_left_out():
    first = decide(ask(), [], [])
    begun_jobs = [job for job in first.shown if job.seed == 0]
    fewer = decide(ask(seeds=1), begun(first), ids(begun_jobs))
    assert set(fewer.shown) == set(begun_jobs)
    assert set(decide(ask(), begun(first), ids(begun_jobs)).shown) == set(first.shown)


@pytest.mark.parametrize(
    "change", [{"seeds": 3}, {"seeds": None, "folds": ("2",)}, {"seeds": 1, "folds": ("2",)}]
)
def test_a_second_reading_of_the_same_speakers_is_refused(change):
    first = decide(ask(folds=("1",)), [], [])
    with pytest.raises(UsageError, match="Trial 4 has been measured") as caught:
        decide(ask(**{"folds": ("1",), **change}), begun(first), ids(first.shown))
    assert "3F, 3M" in str(caught.value)
    assert "--again" in str(caught.value)


def test_again_reads_once_more_with_further_seeds_and_is_continued_when_cut_off():
    first = decide(ask(), [], [])
    second = decide(ask(again=True), begun(first), ids(first.shown))
    assert second.reading.number == 2
    assert {job.seed for job in second.reading.jobs} == {2, 3}
    assert {job.seed for job in second.shown} == {0, 1, 2, 3}
    cut = decide(ask(again=True), begun(first, second), ids(first.shown))
    assert cut.reading is None
    assert set(cut.shown) == set(second.shown)
    third = decide(ask(again=True), begun(first, second), ids(second.shown))
    assert {job.seed for job in third.reading.jobs} == {4, 5}


def test_folds_of_other_speakers_and_other_trials_are_no_second_reading():
    first = decide(ask(folds=("3F",), tested=APART), [], [])
    whole = decide(ask(folds=("3F", "3M"), tested=APART), begun(first), ids(first.shown))
    assert {job.fold for job in whole.reading.jobs} == {"3M"}
    another = decide(ask(trials=(4, 9), folds=("3F",), tested=APART), begun(first), ids(first.shown))
    assert {job.trial for job in another.reading.jobs} == {9}


def test_another_protocol_that_tests_the_same_speakers_is_a_second_reading():
    first = decide(ask(), [], [])
    unheard = decide(ask(folds=("1F",), tested=APART), begun(first), ids(first.shown))
    assert {job.fold for job in unheard.reading.jobs} == {"1F"}
    with pytest.raises(UsageError, match="has been measured") as caught:
        decide(ask(folds=("1F", "3M"), tested=APART), begun(first), ids(first.shown))
    assert "speakers 3M" in str(caught.value)
    assert "holdout: 1, 2" in str(caught.value)
    knowing = decide(ask(folds=("1F", "3M"), tested=APART, again=True), begun(first), ids(first.shown))
    assert {(job.fold, job.seed) for job in knowing.reading.jobs} == {
        (f, s) for f in ("1F", "3M") for s in (0, 1)
    }
    after = decide(ask(folds=("1F", "3M"), tested=APART), begun(first, knowing), ids(first.shown))
    assert after.reading is None


def test_another_corpus_is_another_matter():
    first = decide(ask(), [], [])
    other = decide(ask(tested=OTHER, seeds=3), begun(first), ids(first.shown))
    assert other.reading.number == 2
    assert not ids(other.shown) & ids(first.shown)


def test_controls_once_chosen_stay_though_the_front_has_moved():
    first = decide(ask(), [], [])
    later = decide(ask(trials=(4, 9), controls={"classes": 9}), begun(first), ids(first.shown))
    assert later.controls == {"classes": 4}
    assert Job(9, "classes", 0, "1", "a") not in later.shown
