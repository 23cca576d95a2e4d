"""Trials measured on different folds: each stands in a table, beside those that have its folds, too."""

from dataclasses import replace

from serhpo.evaluate import Failure, document, documents, words
from tests.evaluate.conftest import HELD_OUT, make_outcome, measured, request


def candidates(one):
    return [row["name"] for row in one["rows"] if row["kind"] == "candidate"]


def pairs(one):
    return {(row["first"], row["second"]) for row in one["comparisons"]["between_candidates"]}


def test_a_trial_of_fewer_folds_stands_in_a_table_of_its_folds(study):
    measured(study, request(trials=(0,), folds=("1",)))
    measured(study, request(trials=(2,)))
    whole, part = documents(study)
    assert (whole["folds"], candidates(whole), pairs(whole)) == (["1", "2"], ["trial 2"], set())
    assert (part["folds"], candidates(part)) == (["1"], ["trial 0", "trial 2"])
    assert pairs(part) == {("trial 0", "trial 2")}
    assert whole["left_out"] == [{"trial": 0, "variant": "joint", "seeds": [0, 1], "missing": ["2"]}]
    assert part["left_out"] == []
    assert (
        "trial 0 (joint), seeds 0, 1: measured, but not in these tables, without a result for 2."
        in words.notes(whole)
    )
    assert "1 of 2 folds (1)," in words.level(part)


def test_trials_that_share_no_fold_stand_apart_and_are_never_compared(study):
    measured(study, request(trials=(0,), folds=("1",)))
    measured(study, request(trials=(2,), folds=("2",)))
    found = documents(study)
    assert [(one["folds"], candidates(one)) for one in found] == [(["1"], ["trial 0"]), (["2"], ["trial 2"])]
    assert [pairs(one) for one in found] == [set(), set()]
    assert [[one["trial"] for one in each["left_out"]] for each in found] == [[2], [0]]
    assert all("class means" in {row["name"] for row in each["rows"]} for each in found)
    assert {one["configurations_compared"] for one in found} == {2}  # the correction hides nobody


def test_a_repetition_of_fewer_folds_makes_no_table_and_is_named(study):
    apart = replace(HELD_OUT, speakers={"1": ("3F",), "2": ("3M",)})
    measured(study, request(trials=(0,), folds=("1",), seeds=1, tested=apart))
    measured(study, request(trials=(0,), folds=("2",), seeds=2, tested=apart))
    (one,) = documents(study)
    assert one["rows"][0]["seeds"] == [0]
    assert {"trial": 0, "variant": "joint", "seeds": [1], "missing": ["1"]} in one["left_out"]


def test_a_candidate_that_failed_on_one_fold_is_not_lost(study):
    def outcomes(corpus, number, skill):
        if number in (502, 512):  # trial 0 itself, both seeds, fold 2
            return Failure("The loss is not finite")
        return make_outcome(corpus, number, skill)

    record, decision = measured(study, request(), outcomes=outcomes)
    asked = document(study, record, decision, HELD_OUT)
    assert candidates(asked) == ["trial 2"]
    assert asked["left_out"] == [{"trial": 0, "variant": "joint", "seeds": [0, 1], "missing": ["2"]}]
    whole, part = documents(study)
    assert whole == asked
    assert candidates(part) == ["trial 0", "trial 2"]
    assert {one["reason"] for one in part["failures"]} == {"The loss is not finite"}
