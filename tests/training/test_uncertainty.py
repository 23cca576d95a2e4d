import numpy as np
import pytest

from serhpo.metrics import ccc, confusion, ua
from serhpo.training.uncertainty import BOOTSTRAP_REPLICATES, standard_errors


def material(speakers, size=120, seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(-1, 4, size)
    predicted = np.where(
        generator.uniform(size=size) < 0.5, np.maximum(labels, 0), generator.integers(0, 4, size)
    )
    targets = generator.normal(0, 0.4, (size, 3))
    dimensions = 0.6 * targets + generator.normal(0, 0.3, (size, 3)) + 0.2
    targets[::7, 1] = np.nan
    return labels, predicted, dimensions, targets, generator.integers(0, speakers, size)


def figures(labels, predicted, dimensions, targets):
    known = labels >= 0
    return (
        ua(confusion(labels[known], predicted[known], 4)),
        np.mean([ccc(dimensions[:, d], targets[:, d]) for d in range(3)]),
    )


def test_jackknife_over_speakers_equals_leaving_each_out():
    *arrays, speakers = material(speakers=8)
    left_out = np.array([figures(*(array[speakers != s] for array in arrays)) for s in range(8)])
    expected = np.sqrt(7 / 8 * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
    assert standard_errors(*arrays, speakers, 4, seed=0) == pytest.approx(tuple(expected))


def test_bootstrap_over_utterances_equals_drawing_them():
    *arrays, speakers = material(speakers=4)
    draws = np.random.default_rng(3).integers(0, 120, (BOOTSTRAP_REPLICATES, 120))
    drawn = np.array([figures(*(array[draw] for array in arrays)) for draw in draws])
    assert standard_errors(*arrays, speakers, 4, seed=3) == pytest.approx(tuple(drawn.std(axis=0, ddof=1)))


def test_a_perfect_or_single_speaker_prediction_is_measurable():
    labels, targets = np.array([0, 1, 2, 3] * 5), np.random.default_rng(0).normal(size=(20, 3))
    errors = standard_errors(labels, labels, targets, targets, np.arange(20), 4, seed=0)
    assert errors == pytest.approx((0, 0), abs=1e-12)
    assert np.isfinite(standard_errors(labels, labels, targets, targets, np.zeros(20), 4, seed=0)).all()
