"""The whole document: which rows there are, and what is said beside them."""

import dataclasses
import json

import numpy as np
import pytest

from serhpo.corpus.classes import FOUR_CLASSES
from serhpo.evaluate import Failure, Record, decide, document
from serhpo.evaluate.published import published
from serhpo.metrics import ccc
from tests.evaluate.conftest import HELD_OUT, make_corpus, make_outcome, measured, request
from tests.evaluate.test_summary import make_row


@pytest.fixture
def done(study):
    record, decision = measured(study, request())
    return document(study, record, decision, HELD_OUT)


def rows(done):
    return {row["name"]: row for row in done["rows"]}


def test_the_mandatory_rows_stand_beside_the_candidates(done):
    assert list(rows(done)) == [
        "trial 0",
        "trial 2",
        "trial 0, λ=1",
        "trial 2, λ=0",
        "majority class",
        "class means",
        "posterior class means",
        "oracle class means",
    ]
    assert not {"ccc"} & set(rows(done)["trial 0, λ=1"]["figures"])
    assert not {"ua", "recall_sad"} & set(rows(done)["trial 2, λ=0"]["figures"])
    assert rows(done)["class means"]["figures"]["ua"] == rows(done)["trial 0, λ=1"]["figures"]["ua"]
    assert rows(done)["oracle class means"]["figures"]["ua"]["value"] == 1
    json.dumps(done, allow_nan=False)


def test_the_majority_row_is_a_mean_over_folds_without_errors(done):
    figure = rows(done)["majority class"]["figures"]["ua"]
    assert (figure["value"], figure["se"], figure["se_seeds"]) == (0.25, None, None)
    assert rows(done)["majority class"]["figures"]["ccc"]["value"] == pytest.approx(0, abs=1e-12)


def test_class_means_are_looked_up_by_the_classes_only_predictions(study):
    record, decision = measured(study, request(seeds=1))
    job = next(job for job in decision.shown if job.variant == "classes" and job.fold == "1")
    corpus = make_corpus()
    outcome = make_outcome(corpus, 700 + 1, 0.5)
    means = np.array([[-0.5, 0.4, 0.3]] * 2 + [[0.3, 0, 0]] * 2)
    guessed = means[outcome.log_probabilities.argmax(axis=1)]
    rated = np.array([np.nan if v is None else v for v in corpus.column("arousal")])
    part = rows(document(study, record, dataclasses.replace(decision, shown=(job,)), HELD_OUT))
    expected = ccc(guessed[:, 1], (rated - 3) / 2)
    assert part["class means"]["figures"]["ccc_arousal"]["value"] == pytest.approx(expected, abs=1e-6)


def test_it_says_how_many_were_compared_and_on_whom(done):
    assert done["configurations_compared"] == 2
    assert done["readings"] == 1
    assert done["configuration_selected_on_these_speakers"] is False
    assert done["test_speakers"] == ["3F", "3M"]
    assert done["test_utterances"] == 20
    assert "held-out session" in done["level"]
    assert "bootstrap" in done["standard_errors"]["se"]


def test_every_pair_and_every_reference_is_tested_and_corrected(done):
    between, beside = (done["comparisons"][name] for name in ("between_candidates", "with_references"))
    assert [(row["first"], row["second"], row["figure"]) for row in between] == [
        ("trial 0", "trial 2", "ua"),
        ("trial 0", "trial 2", "ccc"),
    ]
    assert {(row["first"], row["second"], row["figure"]) for row in beside} == {
        (candidate, reference, figure)
        for candidate in ("trial 0", "trial 2")
        for reference, figure in (("trial 0, λ=1", "ua"), ("class means", "ccc"), ("trial 2, λ=0", "ccc"))
    }
    assert all(row["holm"] >= row["p"] for row in (*between, *beside))
    assert between[0]["p"] < 0.05  # 0.9 against 0.5 by construction


def test_a_second_reading_is_told(study):
    measured(study, request(seeds=1))
    record, decision = measured(study, request(trials=(0,), seeds=1, again=True))
    done = document(study, record, decision, HELD_OUT)
    assert done["readings"] == 2
    assert rows(done)["trial 0"]["seeds"] == [0, 1]
    assert done["configurations_compared"] == 2  # trial 2 was, too, though it is not asked for now


def test_a_seed_without_all_its_folds_does_not_count(study):
    corpus, failed = make_corpus(), []

    def outcomes(corpus, number, skill):
        if number == 1000 * 2 + 100 * len("joint") + 10 * 1 + 2:  # trial 2, seed 1, fold 2
            failed.append(number)
            return Failure("The loss is not finite")
        return make_outcome(corpus, number, skill)

    record, decision = measured(study, request(), corpus, outcomes)
    done = document(study, record, decision, HELD_OUT)
    assert len(failed) == 1
    assert rows(done)["trial 2"]["seeds"] == [0]
    assert done["failures"] == [
        {"trial": 2, "variant": "joint", "seed": 1, "fold": "2", "reason": "The loss is not finite"}
    ]


def test_the_tables_are_made_from_disk_alone(study, done):
    record = Record(study)
    decision = decide(request(), record.readings, record.results)
    assert decision.reading is None
    assert document(study, record, decision, HELD_OUT) == done


def published_for(labelled=5531, classes=FOUR_CLASSES, **changes):
    """The published row beside a row with so many labelled utterances."""
    row = make_row(["1F"], seeds=1, each=labelled)
    row.tested.labels[:] = 0
    tested = dataclasses.replace(
        HELD_OUT, **{"corpus": "iemocap", "protocol": "leave_one_speaker_out", **changes}
    )
    return published(tested, dataclasses.replace(row, classes=classes))


def test_the_published_row_stands_beside_the_same_protocol_on_iemocap_only():
    assert published_for()["figures"] == {"wa": 0.7266, "ua": 0.7322, "ccc": 0.3717}
    assert published_for(corpus="synthetic speech") is None
    assert published_for(protocol="holdout") is None
    assert published_for(labelled=320) is None
    assert published_for(classes=("angry", "excited", "happy", "neutral", "sad")) is None
