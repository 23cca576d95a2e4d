import numpy as np
import pytest

from serhpo.corpus import read_corpus
from serhpo.corpus.table import DIMENSIONS
from serhpo.report.compute import compute
from serhpo.report.content import collect
from serhpo.report.outcomes import chosen, outcomes
from serhpo.report.page import render
from serhpo.training.checkpoint import predictions_as_tensors, write_checkpoint
from serhpo.training.results import Predictions
from tests import fakes
from tests.fakes import STANDARD, FakeTrial, make_study


@pytest.fixture
def study(tmp_path, small_corpus, monkeypatch):
    """A study of a real corpus, whose trial 0 predicts every label and rating but for one fold's classes."""
    corpus = read_corpus(small_corpus)
    speakers = corpus.speakers
    folds = [{"name": str(i), "train": [], "validation": list(speakers[i::2]), "test": []} for i in range(2)]
    lock = {**fakes.LOCK, "corpus_digest": corpus.digest, "folds": folds}
    monkeypatch.setattr(fakes, "LOCK", lock)
    made = make_study(tmp_path / "study", STANDARD[:1])
    settings = made.settings.model_copy(
        update={"corpus": str(small_corpus), "classes": corpus.scheme.classes, "reading": corpus.settings}
    )
    made.settings = settings
    index = {name: place for place, name in enumerate(corpus.scheme.classes)}
    labels = np.array([index.get(name, -1) for name in corpus.column("label")])
    fold = np.array([speakers.index(name) % 2 for name in corpus.column("speaker")])
    rated = np.stack([np.array(corpus.column(name), dtype=float) for name in DIMENSIONS], axis=1)
    low, high = corpus.scheme.dimensions
    logs = np.full((len(labels), len(index)), -9.0, dtype=np.float32)
    logs[np.arange(len(labels)), np.where(fold == 0, np.maximum(labels, 0), 0)] = 0
    dimensions = (2 * (rated - low) / (high - low) - 1).astype(np.float32)
    predictions = Predictions(np.arange(len(labels)), fold, logs, np.nan_to_num(dimensions))
    write_checkpoint(made.trial_folder(0) / "best", {}, predictions_as_tensors(predictions))
    return made, labels, fold


def test_confusions_and_folds_are_those_of_the_predictions(study):
    made, labels, fold = study
    ((outcome,), missing) = outcomes(made, [0])

    assert missing == ""
    assert outcome.matrix.sum() == (labels >= 0).sum()
    assert np.trace(outcome.matrix) == ((labels >= 0) & ((fold == 0) | (labels == 0))).sum()
    assert outcome.folds["0"] == pytest.approx((1.0, 1.0))
    assert outcome.folds["1"] == pytest.approx((0.25, 1.0))


def test_a_page_with_outcomes_shows_them(study):
    text = render(study[0])

    assert "Confusions of trial 0" in text
    assert 'data-figure="ratings-0"' in text
    assert collect(study[0]).numbers.trials[0].folds["0"] == pytest.approx((1.0, 1.0))


def test_a_changed_corpus_a_damaged_checkpoint_or_none_leave_the_rest_of_the_report(study, monkeypatch):
    made = study[0]
    assert "no checkpoint" in outcomes(made, [7])[1]
    made.lock["corpus_digest"] = "0" * 32
    assert "corpus has changed" in outcomes(made, [0])[1]
    (made.trial_folder(0) / "best" / "checkpoint.json").write_text("{}")
    assert "cannot be read" in outcomes(made, [0])[1]
    assert "Nothing to show" in render(made)


def test_the_best_and_the_knee_are_looked_at(tmp_path):
    bent = [FakeTrial("COMPLETE", [point]) for point in ((0.4, 0.5), (0.58, 0.45), (0.6, 0.1), (0.59, 0.2))]
    numbers = compute(make_study(tmp_path / "s", bent, epochs=1, rungs=()))

    assert chosen(numbers) == (2, 0, 1)
