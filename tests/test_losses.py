import numpy as np
import pytest
import torch

from serhpo import metrics
from serhpo.losses import ccc_loss, cross_entropy


def batch(seed=0, size=12):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(size, 4, generator=generator, requires_grad=True)
    return logits, torch.randint(0, 4, (size,), generator=generator)


def test_cross_entropy_follows_its_formula():
    logits, labels = batch()
    weights, smoothing = torch.tensor([0.5, 1.0, 2.0, 4.0]), 0.2
    log_p = logits.detach().log_softmax(dim=1).numpy()
    w, y = weights.numpy(), labels.numpy()
    plain = -(w[y] * log_p[np.arange(12), y]).sum() / w[y].sum()
    spread = -(w * log_p).sum() / w[y].sum() / 4
    expected = (1 - smoothing) * plain + smoothing * spread
    assert cross_entropy(logits, labels, weights, smoothing).item() == pytest.approx(expected, rel=1e-5)
    assert cross_entropy(logits, labels, weights).item() == pytest.approx(plain, rel=1e-5)


def test_an_unlabelled_utterance_has_no_part_in_the_cross_entropy():
    logits, labels = batch()
    hidden = labels.clone()
    hidden[3] = -1
    loss = cross_entropy(logits, hidden)
    rest = [i for i in range(12) if i != 3]
    assert loss.item() == pytest.approx(cross_entropy(logits[rest], labels[rest]).item())
    loss.backward()
    assert (logits.grad[3] == 0).all()


def test_a_batch_without_any_target_gives_zero_and_no_gradient():
    logits, labels = batch()
    cross_entropy(logits, torch.full_like(labels, -1)).backward()
    assert (logits.grad == 0).all()
    predictions = torch.randn(5, 3, requires_grad=True)
    loss = ccc_loss(predictions, torch.full((5, 3), float("nan")))
    loss.backward()
    assert loss.item() == 0
    assert (predictions.grad == 0).all()


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
