import audmetric
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score
from torchmetrics.functional import concordance_corrcoef
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score

from serhpo.metrics import CccSums, ccc, confusion, macro_f1, ua, wa


def test_figures_of_a_matrix_worked_by_hand():
    matrix = confusion(np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 2, 2]), classes=3)
    assert matrix.tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert wa(matrix) == pytest.approx(4 / 6)
    assert ua(matrix) == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert macro_f1(matrix) == pytest.approx((4 / 5 + 2 / 4 + 2 / 3) / 3)


@pytest.mark.parametrize("seed", range(5))
def test_accuracies_equal_scikit_learn_and_audmetric(seed):
    generator = np.random.default_rng(seed)
    labels, predictions = generator.integers(0, 4, (2, 200))
    matrix = confusion(labels, predictions, 4)
    assert (matrix == confusion_matrix(labels, predictions, labels=range(4))).all()
    assert wa(matrix) == pytest.approx(accuracy_score(labels, predictions))
    assert ua(matrix) == pytest.approx(balanced_accuracy_score(labels, predictions))
    assert macro_f1(matrix) == pytest.approx(f1_score(labels, predictions, average="macro"))
    assert wa(matrix) == pytest.approx(audmetric.accuracy(labels, predictions))
    assert ua(matrix) == pytest.approx(audmetric.unweighted_average_recall(labels, predictions))
    assert macro_f1(matrix) == pytest.approx(audmetric.unweighted_average_fscore(labels, predictions))


@pytest.mark.parametrize("seed", range(3))
def test_figures_equal_torchmetrics(seed):
    generator = np.random.default_rng(seed)
    labels, predictions = generator.integers(0, 4, (2, 200))
    matrix = confusion(labels, predictions, 4)
    tensors = torch.from_numpy(predictions), torch.from_numpy(labels)
    for ours, average in ((wa, "micro"), (ua, "macro")):
        theirs = multiclass_accuracy(*tensors, num_classes=4, average=average)
        assert ours(matrix) == pytest.approx(theirs.item(), abs=1e-6)
    theirs = multiclass_f1_score(*tensors, num_classes=4, average="macro")
    assert macro_f1(matrix) == pytest.approx(theirs.item(), abs=1e-6)
    y = generator.normal(size=5000)
    x = y + generator.normal(0.3, 0.5, size=5000)
    # Theirs has variances over n - 1, ours over n, as Lin (1989).
    agreement = concordance_corrcoef(torch.from_numpy(x), torch.from_numpy(y)).item()
    assert ccc(x, y) == pytest.approx(agreement, abs=1e-4)


def test_a_class_absent_from_the_labels_does_not_count():
    labels, predictions = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 3])
    matrix = confusion(labels, predictions, 4)
    assert ua(matrix) == 0.5
    assert macro_f1(matrix) == pytest.approx(2 / 3)


def test_batches_add_up_to_the_whole():
    generator = np.random.default_rng(0)
    labels, predictions = generator.integers(0, 3, (2, 90))
    parts = sum(confusion(labels[i : i + 7], predictions[i : i + 7], 3) for i in range(0, 90, 7))
    assert (parts == confusion(labels, predictions, 3)).all()


def test_nothing_to_measure_is_nan():
    nothing = confusion(np.array([]), np.array([]), 4)
    assert nothing.shape == (4, 4)
    assert np.isnan([wa(nothing), ua(nothing), macro_f1(nothing), ccc(np.array([]), np.array([]))]).all()


@pytest.mark.parametrize("wrong", [-1, 3])
def test_a_class_index_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match="outside 0 … 2"):
        confusion(np.array([0, wrong]), np.array([0, 0]), 3)


def test_ccc_worked_by_hand():
    # means 2 and 3, variances 2/3 and 2/3, covariance 2/3: 2·(2/3) / (4/3 + 1)
    assert ccc(np.array([1.0, 2, 3]), np.array([2.0, 3, 4])) == pytest.approx(4 / 7)
    assert ccc(np.array([1.0, 2, 3]), np.array([3.0, 2, 1])) == pytest.approx(-1)


@given(
    st.lists(
        st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), max_size=6), min_size=1, max_size=6
    ).filter(lambda parts: sum(map(len, parts)) > 1),
    st.floats(-100, 100),
)
def test_merged_sums_equal_the_sums_of_the_whole(parts, shift):
    offset = np.array([shift, 0])
    arrays = [np.array(part, dtype=np.float64).reshape(-1, 2) + offset for part in parts]
    whole = np.concatenate(arrays)
    merged = CccSums.merge([CccSums.of(*array.T) for array in arrays])
    single = CccSums.of(*whole.T)
    assert merged.count == single.count
    for name in ("mean_x", "mean_y", "spread_x", "spread_y", "joint"):
        assert getattr(merged, name) == pytest.approx(getattr(single, name), abs=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_ccc_equals_audmetric_also_far_from_zero(offset):
    generator = np.random.default_rng(1)
    y = generator.normal(size=300) + offset
    x = y + generator.normal(size=300)
    assert ccc(x, y) == pytest.approx(audmetric.concordance_cc(y, x), abs=1e-9)


def test_a_constant_or_single_prediction_has_no_agreement():
    y = np.array([0.1, 0.4, -0.2])
    assert ccc(np.full(3, 0.1), y) == 0
    assert ccc(np.full(3, 0.1), np.full(3, 0.1)) == 0
    assert ccc(y[:1], y[:1]) == 0


def test_a_missing_target_is_left_out():
    x, y = np.array([0.0, 9.0, 1.0, 2.0]), np.array([0.5, np.nan, 1.0, 2.0])
    assert ccc(x, y) == ccc(x[[0, 2, 3]], y[[0, 2, 3]])


def test_pairs_must_be_pairs():
    with pytest.raises(ValueError, match="predictions for"):
        CccSums.of(np.zeros(2), np.zeros(3))
