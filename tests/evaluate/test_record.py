"""What is written down of test speakers, and what a kill or another process does to it."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from serhpo.errors import StudyError, StudyLockedError
from serhpo.evaluate import Failure, Reading, Record, decide
from tests.evaluate.conftest import HELD_OUT, make_corpus, make_outcome, measured, request


def test_a_reading_stands_there_before_its_first_result(study):
    with Record.writing(study) as record:
        decision = decide(request(), record.readings, record.results)
        record.begin(decision.reading)
    again = Record(study)
    assert again.readings == again.sharing(HELD_OUT) == [decision.reading]
    assert again.readings[0].heard(0) == {"3F", "3M"}
    assert again.missing(decision.shown) == list(decision.shown)


def test_predictions_come_back_in_the_unit_of_the_corpus(study):
    corpus = make_corpus(low=1.0, high=7.0)
    record, decision = measured(study, request(seeds=1), corpus)
    job = decision.shown[0]
    table = record.predictions(job)
    outcome = make_outcome(corpus, 500 + int(job.fold), 0.9)
    ratings = np.array(table["predicted_arousal"].to_pylist())
    np.testing.assert_allclose(ratings, 1 + (outcome.dimensions[:, 1] + 1) / 2 * 6, atol=1e-6)
    probabilities = np.stack([np.array(table[f"p_{c}"].to_pylist()) for c in corpus.scheme.classes], axis=1)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert table["utt_id"].to_pylist() == corpus.column("utt_id")
    assert record.knowledge(job).mean == pytest.approx([4.0, 4.3, 4.6])


def test_a_torn_line_is_cut_off_and_its_job_done_again(study):
    decision = measured(study, request(seeds=1))[1]
    path = study.path / "evaluations.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert len(Record(study).missing(decision.shown)) == 1
    measured(study, request(seeds=1))
    assert Record(study).missing(decision.shown) == []
    assert path.read_bytes().count(b"\n") == whole.count(b"\n")


def test_a_result_is_never_written_twice(study):
    decision = measured(study, request(seeds=1))[1]
    before = (study.path / "evaluations.jsonl").read_text()
    corpus = make_corpus()
    with Record.writing(study) as record:
        record.add(decision.shown[0], make_outcome(corpus, 0), corpus)
    assert (study.path / "evaluations.jsonl").read_text() == before


def test_a_failed_training_stands_there_with_its_reason(study):
    corpus = make_corpus()
    record, decision = measured(
        study, request(seeds=1), outcomes=lambda *told: Failure("The loss is not finite")
    )
    assert record.missing(decision.shown) == []
    rows = [json.loads(line) for line in (study.path / "evaluations.jsonl").read_text().splitlines()]
    assert {row["reason"] for row in rows if row["kind"] == "failure"} == {"The loss is not finite"}
    assert not list(study.path.glob("evaluations/*.parquet"))
    assert len(corpus) == 20


def test_one_process_writes(study):
    with (
        Record.writing(study),
        pytest.raises(StudyLockedError, match="evaluation of `demo`"),
        Record.writing(study),
    ):
        pass


def test_a_record_that_only_reads_cannot_be_added_to(study):
    decision = measured(study, request(seeds=1))[1]
    with pytest.raises(RuntimeError):
        Record(study).begin(Reading(2, decision.shown, HELD_OUT))


def test_predictions_that_are_gone_are_one_error(study):
    record, decision = measured(study, request(seeds=1))
    path = study.path / "evaluations" / f"{decision.shown[0].id}.parquet"
    pq.read_table(path)
    path.write_bytes(b"PAR1 and nothing more")
    with pytest.raises(StudyError, match="cannot be read") as caught:
        record.predictions(decision.shown[0])
    assert str(path) in str(caught.value)
