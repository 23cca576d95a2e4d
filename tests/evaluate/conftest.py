"""Evaluations without a training: a study of made-up trials, a corpus in memory, predictions made by hand."""

from pathlib import Path

import numpy as np
import pytest

from serhpo.corpus.table import DIMENSIONS, Corpus, LabelScheme
from serhpo.evaluate import HeldOut, Outcome, Record, Request, decide
from serhpo.training.baselines import Knowledge
from tests.fakes import LOCK, make_study

CLASSES = ("angry", "happy", "neutral", "sad")
FOLDS = ("1", "2")
HELD_OUT = HeldOut(
    "held out",
    "embedded",
    LOCK["corpus_digest"],
    "holdout",
    "held-out session",
    False,
    dict.fromkeys(FOLDS, ("3F", "3M")),
)


def make_corpus(speakers=("3F", "3M"), each=10, seed=0, name="embedded", low=1.0, high=5.0, **changes):
    """Every speaker says ``each`` utterances, the first unlabelled and the second not rated."""
    generator = np.random.default_rng(seed)
    rows = []
    for speaker in speakers:
        for index in range(each):
            ratings = {d: float(low + (high - low) * generator.uniform()) for d in DIMENSIONS}
            row = {
                "utt_id": f"{name}-{speaker}-{index}",
                "audio": f"/data/{name}-{speaker}-{index}.wav",
                "corpus": name,
                "speaker": speaker,
                "group": speaker[0],
                "gender": speaker[-1],
                "style": "scripted" if index % 2 else "improvised",
                "label": None if index == 0 else CLASSES[generator.integers(4)],
                "source": "labels:1",
                **(dict.fromkeys(DIMENSIONS) if index == 1 else ratings),
            }
            rows.append(row | changes)
    return Corpus.from_rows(name, Path("/data"), rows, LabelScheme(dimensions=(low, high)))


def make_outcome(corpus, seed, skill=0.6, epoch=3):
    """Predictions that are right about as often as ``skill`` says."""
    generator = np.random.default_rng(seed)
    size = len(corpus)
    labels = [CLASSES.index(x) if x in CLASSES else 0 for x in corpus.column("label")]
    right = generator.uniform(size=size) < skill
    chosen = np.where(right, labels, generator.integers(0, 4, size))
    scores = np.eye(4)[chosen] * 2 + generator.uniform(0, 0.5, (size, 4))
    low, high = corpus.scheme.dimensions
    rated = np.array([[np.nan if v is None else v for v in corpus.column(d)] for d in DIMENSIONS]).T
    scaled = np.nan_to_num(2 * (rated - low) / (high - low) - 1)
    return Outcome(
        epoch=epoch,
        validation={"ua": 0.5, "ccc": 0.3},
        weights="ab",
        seconds=1.0,
        rows=np.arange(size),
        log_probabilities=np.log(scores / scores.sum(axis=1, keepdims=True)).astype(np.float32),
        dimensions=(skill * scaled + generator.normal(0, 0.3, (size, 3))).astype(np.float32),
        knowledge=Knowledge(
            2, np.array([0.0, 0.1, 0.2]), np.array([[-0.5, 0.4, 0.3]] * 2 + [[0.3, 0, 0]] * 2)
        ),
    )


def request(trials=(0, 2), seeds=2, folds=FOLDS, again=False, tested=HELD_OUT, controls=None):
    return Request(trials, controls or {"classes": 0, "dimensions": 2}, folds, seeds, again, tested)


def measured(study, asked, corpus=None, outcomes=make_outcome, skip=()):
    """Decide on a request and finish its jobs but for those in ``skip``; the record and the decision."""
    corpus = corpus or make_corpus()
    with Record.writing(study) as record:
        decision = decide(asked, record.readings, record.results)
        if decision.reading:
            record.begin(decision.reading)
        for job in record.missing(decision.shown):
            if job not in skip:
                number = 1000 * job.trial + 100 * len(job.variant) + 10 * job.seed + int(job.fold)
                skill = 0.9 if job.trial == 0 and job.variant == "joint" else 0.5
                record.add(job, outcomes(corpus, number, skill), corpus)
    return record, decision


@pytest.fixture
def study(tmp_path):
    return make_study(tmp_path / "demo")
