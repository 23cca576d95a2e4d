import pytest
import torch

from serhpo.training.config import OptimiserConfig
from serhpo.training.optimiser import Stepper, learning_rate


def test_cosine_schedule_at_its_corners():
    config = OptimiserConfig(lr=1.0, schedule="cosine")
    rates = [learning_rate(config, step, 100) for step in range(101)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[5] == 1.0
    assert learning_rate(config, 5 + 95 // 2, 100) == pytest.approx(0.505, abs=0.01)
    assert rates[100] == pytest.approx(0.01)
    assert learning_rate(config, 500, 100) == pytest.approx(0.01)
    assert sorted(rates[5:], reverse=True) == rates[5:]


def test_constant_schedule_stays():
    config = OptimiserConfig(lr=1.0, schedule="constant")
    assert [learning_rate(config, step, 3) for step in range(5)] == [1.0] * 5


@pytest.mark.parametrize("total", [10, 37, 100])
def test_one_cycle_is_pytorchs(total):
    theirs = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(theirs, max_lr=0.7, total_steps=total)
    config = OptimiserConfig(lr=0.7, schedule="one_cycle")
    for step in range(total):
        assert learning_rate(config, step, total) == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-6)
        theirs.step()
        if step < total - 1:
            schedule.step()
    assert learning_rate(config, total + 5, total) == learning_rate(config, total - 1, total)
    assert 0 < learning_rate(config, 0, 1) <= 0.7


@pytest.mark.parametrize("schedule", ["cosine", "constant", "one_cycle"])
def test_the_peak_is_in_the_epoch_it_is_said_to_be_in(schedule):
    config = OptimiserConfig(lr=1.0, schedule=schedule)
    rates = [learning_rate(config, step, 27 * 20) for step in range(27 * 20)]
    assert config.peak_epoch(27) == rates.index(max(rates)) // 20 + 1


def test_decay_spares_biases_and_clipping_bounds_the_gradient():
    model = torch.nn.Linear(3, 3)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    stepper = Stepper(model, OptimiserConfig(lr=0.1, weight_decay=0.5, schedule="constant"), total=1)
    norm = stepper.step((model.weight * 0 + model.bias * 0).sum())
    assert norm == 0
    torch.testing.assert_close(model.weight, before["weight"] * (1 - 0.1 * 0.5))
    assert torch.equal(model.bias, before["bias"])
    assert stepper.step(1e6 * model.weight.sum()) == pytest.approx(3e6)
    assert model.weight.grad.norm() == pytest.approx(1.0, rel=1e-4)


def test_a_non_finite_gradient_changes_nothing():
    model = torch.nn.Linear(2, 1)
    before = model.weight.detach().clone()
    stepper = Stepper(model, OptimiserConfig(), total=10)
    assert not stepper.step(model.weight.sum() * float("inf")) < float("inf")
    assert torch.equal(model.weight, before)
    assert stepper.steps == 0


def test_pretrained_parameters_step_at_their_share_and_frozen_ones_not_at_all():
    model = torch.nn.ModuleDict({name: torch.nn.Linear(2, 1) for name in ("new", "tuned", "frozen")})
    model["frozen"].requires_grad_(False)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    config = OptimiserConfig(lr=0.1, weight_decay=0.0, schedule="constant", clip=None, pretrained_share=0.25)
    stepper = Stepper(model, config, total=1, pretrained=list(model["tuned"].parameters()))
    stepper.step(sum(part.weight.sum() + part.bias.sum() for part in model.values()))
    moved = {name: (value - before[name]).abs().max().item() for name, value in model.named_parameters()}
    assert moved == pytest.approx(
        {
            f"{name}.{kind}": step
            for name, step in (("new", 0.1), ("tuned", 0.025), ("frozen", 0.0))
            for kind in ("weight", "bias")
        },
        rel=1e-4,
    )  # Adam's first step is the learning rate
