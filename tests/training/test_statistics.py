import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from serhpo.training.statistics import class_means, class_weights


def test_class_weights_equal_scikit_learns_balanced_rule():
    labels = np.array([0, 0, 0, 1, 2, 2, -1, -1])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels[labels >= 0])
    np.testing.assert_allclose(class_weights(labels, 3), expected, rtol=1e-6)


def test_an_absent_class_weighs_nothing():
    assert class_weights(np.array([0, 0, 2]), 3).tolist() == [0.75, 0, 1.5]


def test_class_means_by_hand():
    nan = np.nan
    labels = np.array([0, 0, 1, -1])
    dimensions = np.array([[0.0, 0.2], [1.0, nan], [0.5, nan], [0.9, 0.6]], dtype=np.float32)
    means = class_means(labels, dimensions, 3)
    assert means[0] == pytest.approx([0.5, 0.2])
    assert means[1] == pytest.approx([0.5, 0.4])  # the second was never rated in this class
    assert means[2] == pytest.approx([0.6, 0.4])
