"""A job on real audio: test speakers choose no epoch, are heard once and teach nothing."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from serhpo.corpus import read_corpus
from serhpo.evaluate import Failure, Job, Work, config_of, run_job
from serhpo.search.prepare import fill_features, make_context, make_plan
from serhpo.search.space import load_space_data
from serhpo.training.fold import FoldTraining, NonFiniteError

SPACE = {
    "parameters": {},
    "defaults": {"streams": ["mfcc"], "model": {"width": 16, "heads": 2}, "max_seconds": 1.0},
    "search": {"epochs": 3},
}


@pytest.fixture
def prepare(tmp_path, monkeypatch):
    """Context and work of a job on a corpus: fold 1 of ``holdout``."""
    monkeypatch.setenv("SERHPO_HOME", str(tmp_path / "home"))

    def make(corpus: Path, variant="joint", **changes):
        plan = make_plan(load_space_data(SPACE, "tiny"), "tiny", read_corpus(corpus))
        shards = fill_features(plan.corpus, plan.space.extractors(), lambda *told: None, ExitStack())
        fold = plan.folds[0]
        config = config_of(plan.space.trial_config({}), variant).model_copy(update=changes)
        work = Work(Job(0, variant, 0, fold.name, plan.corpus.digest), config, fold, seed=7)
        return make_context(plan, shards, Path()), work

    return make


def test_changing_the_test_speakers_audio_leaves_the_training_bit_identical(prepare, small_corpus, tmp_path):
    context, work = prepare(small_corpus)
    first = run_job(context, work)
    changed = tmp_path / "changed"
    shutil.copytree(small_corpus, changed)
    corpus = read_corpus(changed)
    for path, speaker in zip(corpus.column("audio"), corpus.column("speaker"), strict=True):
        if speaker in work.fold.test:
            sound, rate = soundfile.read(path)
            soundfile.write(path, sound[::-1] * 0.5, rate, subtype="PCM_16")
    second = run_job(*prepare(changed))
    assert second.weights == first.weights
    assert (second.epoch, second.validation) == (first.epoch, first.validation)
    np.testing.assert_array_equal(second.knowledge.class_means, first.knowledge.class_means)
    assert not np.array_equal(second.log_probabilities, first.log_probabilities)


def test_changing_a_training_speaker_changes_the_weights(prepare, small_corpus):
    context, work = prepare(small_corpus)
    swapped = replace(work.fold, train=work.fold.train[:-1])
    assert run_job(context, work).weights != run_job(context, replace(work, fold=swapped)).weights


@pytest.mark.parametrize(("variant", "best"), [("joint", 2), ("classes", 3), ("dimensions", 1)])
def test_the_epoch_is_chosen_on_validation_speakers_and_the_test_is_read_once(
    prepare, small_corpus, monkeypatch, variant, best
):
    """(UA + CCC)/2 is highest in epoch 2, UA in 3, CCC in 1."""
    figures = iter([{"ua": 0.1, "ccc": 0.9}, {"ua": 0.6, "ccc": 0.7}, {"ua": 0.7, "ccc": 0.5}])
    monkeypatch.setattr("serhpo.evaluate.training.measure", lambda *told: next(figures))
    heard, weights = [], []
    predict = FoldTraining.predict

    def listen(self, rows=None):
        heard.append(rows)
        weights.append({name: tensor.clone() for name, tensor in self.tensors().items()})
        return predict(self, rows)

    monkeypatch.setattr(FoldTraining, "predict", listen)
    context, work = prepare(small_corpus, variant)
    outcome = run_job(context, work)
    assert outcome.epoch == best
    assert [rows is None for rows in heard] == [True] * 3 + [False]
    speakers = np.array(context.corpus.column("speaker"))
    assert set(speakers[heard[-1]]) == set(work.fold.test)
    assert all(bool((weights[-1][name] == weights[best - 1][name]).all()) for name in weights[-1])


def test_one_task_alone_is_trained_with_lambda_one_or_zero(prepare, small_corpus):
    config = prepare(small_corpus)[1].config
    assert config_of(config, "joint") is config
    assert config_of(config, "classes").weighting.lambda_ == 1
    assert config_of(config, "dimensions").weighting.lambda_ == 0


def test_a_training_that_diverges_is_a_failure_with_its_reason(prepare, small_corpus, monkeypatch):
    def diverge(self, epoch):
        raise NonFiniteError("The loss is not finite", where=f"epoch {epoch}")

    monkeypatch.setattr(FoldTraining, "train_epoch", diverge)
    assert run_job(*prepare(small_corpus)) == Failure("The loss is not finite (epoch 1)")
