import numpy as np
import pytest

from serhpo.metrics import ccc, confusion, ua
from serhpo.training.uncertainty import BOOTSTRAP_REPLICATES, influence, paired_error, standard_errors


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


# --- The difference of two models on the same utterances ----------------------------------------------------


def two_models(speakers, size):
    """Two sets of predictions that err together, as models do that were trained on the same recordings."""
    labels, predicted, dimensions, targets, owners = material(speakers, size)
    generator = np.random.default_rng(9)
    other = np.where(generator.uniform(size=size) < 0.75, predicted, generator.integers(0, 4, size))
    shifted = 0.9 * dimensions + generator.normal(0, 0.15, (size, 3))
    return labels, (predicted, dimensions), (other, shifted), targets, owners


def paired_errors(labels, one, other, targets, owners):
    values = [influence(labels, p, d, targets, owners, 4) for p, d in (one, other)]
    return [paired_error(values[0][name], values[1][name]) for name in ("ua", "ccc")]


def test_influence_is_the_change_of_a_figure_when_an_utterance_counts_more():
    labels, predicted, dimensions, targets, owners = material(speakers=4, size=60)
    values = influence(labels, predicted, dimensions, targets, owners, 4)
    whole = np.array(figures(labels, predicted, dimensions, targets))
    for utterance in range(60):
        rows = np.concatenate([np.repeat(np.arange(60), 2000), [utterance]])  # it weighs 1/2000 more
        more = np.array(figures(*(array[rows] for array in (labels, predicted, dimensions, targets))))
        assert 2000 * (more - whole) == pytest.approx(
            [values["ua"][utterance], values["ccc"][utterance]], rel=2e-3, abs=1e-7
        )
    assert [values[name].sum() for name in ("ua", "ccc")] == pytest.approx([0, 0], abs=1e-12)


def test_the_paired_error_is_the_spread_of_the_difference_over_drawn_utterances():
    labels, one, other, targets, owners = two_models(speakers=4, size=800)
    generator, drawn = np.random.default_rng(5), []
    for _ in range(600):
        rows = generator.integers(0, 800, 800)
        pair = [figures(labels[rows], p[rows], d[rows], targets[rows]) for p, d in (one, other)]
        drawn.append(np.subtract(*pair))
    # The spread of 600 draws is itself known to 3 %.
    assert paired_errors(labels, one, other, targets, owners) == pytest.approx(np.std(drawn, axis=0), rel=0.1)


def test_the_paired_error_is_the_jackknife_of_the_difference_over_speakers():
    labels, one, other, targets, owners = two_models(speakers=10, size=1000)
    left_out = []
    for speaker in range(10):
        rows = owners != speaker
        pair = [figures(labels[rows], p[rows], d[rows], targets[rows]) for p, d in (one, other)]
        left_out.append(np.subtract(*pair))
    jackknife = np.sqrt(9 / 10 * ((left_out - np.mean(left_out, axis=0)) ** 2).sum(axis=0))
    assert paired_errors(labels, one, other, targets, owners) == pytest.approx(jackknife, rel=0.05)


def test_a_difference_knows_more_than_two_standard_errors():
    labels, one, other, targets, owners = two_models(speakers=10, size=1000)
    alone = [standard_errors(labels, p, d, targets, owners, 4, seed=0) for p, d in (one, other)]
    paired = paired_errors(labels, one, other, targets, owners)
    assert all(error < np.hypot(*pair) for error, pair in zip(paired, zip(*alone, strict=True), strict=True))
    assert paired_errors(labels, one, one, targets, owners) == [0, 0]
    assert len(influence(labels, *one, targets, owners, 4)["ua"]) == 10
    assert len(influence(labels, *one, targets, owners % 4, 4)["ua"]) == 1000


def test_influence_where_a_figure_is_zero_by_definition_or_nobody_is_labelled():
    labels, dimensions = np.array([0, 0, 1, -1]), np.zeros((4, 3))
    ratings = np.full((4, 3), np.nan)
    ratings[:, 0] = 0.5
    flat = influence(labels, np.array([0, 1, 1, 2]), dimensions, ratings, np.arange(4), 4)
    assert flat["ccc"].tolist() == [0, 0, 0, 0]
    assert flat["ua"] == pytest.approx([0.125, -0.125, 0, 0])  # recalls 1/2 and 1, over two classes
    nobody = influence(np.full(4, -1), labels, dimensions, ratings, np.arange(4), 4)
    assert nobody["ua"].tolist() == [0, 0, 0, 0]
    assert paired_error(np.ones(1), np.zeros(1)) == 0
