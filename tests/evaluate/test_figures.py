import audmetric
import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score

from serhpo.evaluate.figures import figures, names
from serhpo.training.sums import terms

CLASSES = ("angry", "happy", "neutral", "sad")


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.parametrize("seed", range(5))
def test_every_figure_agrees_with_scikit_learn_and_audmetric(seed):
    generator = np.random.default_rng(seed)
    labels = generator.integers(-1, 4 if seed else 3, 90)  # one of them lacks a class
    predicted = generator.integers(0, 4, 90)
    targets = generator.uniform(1, 5, (90, 3))
    ratings = 0.5 * targets + generator.normal(0, 0.5, (90, 3))
    targets[::9, 2] = np.nan
    found = figures(terms(labels, predicted, ratings, targets, 4).sum(axis=0)[None], CLASSES)
    found = {name: value[0] for name, value in found.items()}
    known = labels >= 0
    present = np.unique(labels[known])
    assert set(found) == set(names(CLASSES))
    assert found["wa"] == pytest.approx((labels == predicted)[known].mean())
    assert found["ua"] == pytest.approx(balanced_accuracy_score(labels[known], predicted[known]))
    assert found["macro_f1"] == pytest.approx(
        f1_score(labels[known], predicted[known], labels=present, average="macro")
    )
    recalls = recall_score(
        labels[known], predicted[known], labels=range(4), average=None, zero_division=np.nan
    )
    np.testing.assert_allclose([found[f"recall_{name}"] for name in CLASSES], recalls)
    cccs = []
    for index, name in enumerate(("valence", "arousal", "dominance")):
        rated = ~np.isnan(targets[:, index])
        cccs.append(audmetric.concordance_cc(targets[rated, index], ratings[rated, index]))
        assert found[f"ccc_{name}"] == pytest.approx(cccs[-1])
    assert found["ccc"] == pytest.approx(np.mean(cccs))


def test_what_nobody_labelled_or_rated_is_nan():
    nothing = terms(np.full(4, -1), np.zeros(4, int), np.zeros((4, 3)), np.full((4, 3), np.nan), 4)
    assert all(np.isnan(value[0]) for value in figures(nothing.sum(axis=0)[None], CLASSES).values())
