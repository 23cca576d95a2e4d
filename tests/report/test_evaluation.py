"""Test speakers in the report: rows and words as in the terminal, and nothing where nobody was heard."""

from dataclasses import replace

import pytest

from serhpo.report.page import render
from tests.evaluate.conftest import HELD_OUT, measured, request
from tests.fakes import make_study
from tests.report.test_page import HOSTILE, Page, squeezed


@pytest.fixture
def study(tmp_path):
    return make_study(tmp_path / "study")


def test_every_row_is_told_with_what_may_be_claimed(study):
    measured(study, request())
    text = squeezed(Page(render(study)).text)
    assert "embedded, holdout: held-out session; 2 folds, 2 seeds." in text
    for name in ("trial 0", "trial 0, λ=1", "trial 2, λ=0", "class means", "majority class"):
        assert f" {name} " in text
    assert "2 configurations measured on these speakers, in 1 reading" in text
    assert "UA: trial 0 − trial 2" in text
    assert "utterances exchanged: of these speakers only" in text
    assert str(study.path) not in text  # where it lies is nobody's business


def test_a_study_that_was_not_evaluated_has_no_such_section(study):
    assert "On test speakers" not in Page(render(study)).text


def test_predictions_that_are_gone_are_told(study):
    decision = measured(study, request(seeds=1))[1]
    (study.path / "evaluations" / f"{decision.shown[0].id}.parquet").unlink()
    assert "The predictions of an evaluation cannot be read." in Page(render(study)).text


def test_whatever_a_corpus_is_called_stays_text(study):
    measured(study, request(seeds=1, tested=replace(HELD_OUT, corpus=HOSTILE)))
    page = Page(render(study))
    assert HOSTILE in page.text
    assert not any("alert(1)" in script for script in page.scripts)
