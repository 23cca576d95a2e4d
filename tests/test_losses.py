import numpy as np
import pytest
import torch
from torch.nn import functional

from serhpo import metrics
from serhpo.losses import DIMENSION_LOSSES, ccc_loss, classification_loss, mae_loss, mse_loss


def batch(seed=0, size=12):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(size, 4, generator=generator, requires_grad=True)
    return logits, torch.randint(0, 4, (size,), generator=generator)


def one_hot(labels):
    """[B, K] as the trainer makes them: rows of NaN for −1."""
    return torch.where((labels >= 0)[:, None], torch.eye(4)[labels], torch.nan)


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 1.0, 2.0, 4.0])])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_with_hard_labels_it_is_torchs_cross_entropy(weights, smoothing):
    logits, labels = batch()
    labels[3] = -1
    expected = functional.cross_entropy(
        logits, labels, weight=weights, ignore_index=-1, label_smoothing=smoothing
    )
    assert classification_loss(logits, one_hot(labels), weights, smoothing).item() == pytest.approx(
        expected.item(), rel=1e-5
    )


def test_with_distributions_it_is_torchs_cross_entropy():
    logits, _ = batch()
    q = torch.rand(12, 4, generator=torch.Generator().manual_seed(1)).softmax(dim=1)
    expected = functional.cross_entropy(logits, q)
    assert classification_loss(logits, q).item() == pytest.approx(expected.item(), rel=1e-5)


def test_focal_loss_on_a_worked_example():
    """p = (3/4, 1/4) and (1/4, 3/4), both labelled 0, γ = 2: (1/16 · ln 4/3 + 9/16 · ln 4) / 2."""
    logits = torch.tensor([[np.log(3.0), 0.0], [0.0, np.log(3.0)]])
    q = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    expected = (np.log(4 / 3) / 16 + 9 * np.log(4) / 16) / 2
    assert classification_loss(logits, q, focal_gamma=2.0).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_gradient_is_finite_where_an_utterance_is_certain(gamma):
    logits = torch.tensor([[200.0, 0.0], [0.0, 200.0]], requires_grad=True)
    classification_loss(logits, torch.tensor([[1.0, 0.0], [1.0, 0.0]]), focal_gamma=gamma).backward()
    assert torch.isfinite(logits.grad).all()


def test_an_unlabelled_utterance_has_no_part_in_the_loss():
    logits, labels = batch()
    hidden = labels.clone()
    hidden[3] = -1
    loss = classification_loss(logits, one_hot(hidden))
    rest = [i for i in range(12) if i != 3]
    assert loss.item() == pytest.approx(classification_loss(logits[rest], one_hot(hidden)[rest]).item())
    loss.backward()
    assert (logits.grad[3] == 0).all()


def test_a_batch_without_any_target_gives_zero_and_no_gradient():
    logits, labels = batch()
    classification_loss(logits, one_hot(torch.full_like(labels, -1))).backward()
    assert (logits.grad == 0).all()
    for loss_of in DIMENSION_LOSSES.values():
        predictions = torch.randn(5, 3, requires_grad=True)
        loss = loss_of(predictions, torch.full((5, 3), float("nan")))
        loss.backward()
        assert loss.item() == 0
        assert (predictions.grad == 0).all()


def test_mean_errors_on_a_worked_example():
    """Valence errs by 1 and 3, arousal by 2 where it is rated, dominance is never rated."""
    nan = float("nan")
    predictions = torch.tensor([[1.0, 2.0, 5.0], [4.0, 0.0, 5.0]], requires_grad=True)
    targets = torch.tensor([[0.0, nan, nan], [1.0, 2.0, nan]])
    assert mse_loss(predictions, targets).item() == ((1 + 9) / 2 + 4) / 2
    loss = mae_loss(predictions, targets)
    assert loss.item() == ((1 + 3) / 2 + 2) / 2
    loss.backward()
    torch.testing.assert_close(predictions.grad, torch.tensor([[0.25, 0, 0], [0.25, -0.5, 0]]))


@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_ccc_loss_is_one_minus_the_metric(offset):
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(2, 20, 3)) + offset
    y[::4, 1] = np.nan
    expected = np.mean([1 - metrics.ccc(x[:, d], y[:, d]) for d in range(3)])
    assert ccc_loss(torch.tensor(x), torch.tensor(y)).item() == pytest.approx(expected, abs=1e-4)


def test_ccc_loss_leaves_out_a_dimension_with_less_than_two_ratings():
    x, y = torch.randn(2, 6, 3)
    y[1:, 2] = float("nan")
    assert ccc_loss(x, y).item() == pytest.approx(ccc_loss(x[:, :2], y[:, :2]).item())


def test_constant_predictions_of_a_constant_give_loss_one_and_zero_gradient():
    x = torch.full((8, 3), 0.3, requires_grad=True)
    loss = ccc_loss(x, torch.full((8, 3), 0.3))
    loss.backward()
    assert loss.item() == 1
    assert (x.grad == 0).all()


def test_ccc_loss_of_bfloat16_is_taken_in_fp32():
    x, y = torch.randn(2, 64, 3, generator=torch.Generator().manual_seed(0)) * 0.1 + 5
    low = x.to(torch.bfloat16)
    assert ccc_loss(low, y).item() == pytest.approx(ccc_loss(low.float(), y).item())


def test_a_masked_rating_has_no_gradient():
    x = torch.randn(6, 3, requires_grad=True)
    y = torch.randn(6, 3)
    y[2, 1] = float("nan")
    ccc_loss(x, y).backward()
    assert x.grad[2, 1] == 0
    assert torch.isfinite(x.grad).all()
    assert (x.grad[2, [0, 2]] != 0).all()
