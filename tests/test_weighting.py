import json
import math

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from serhpo.weighting import (
    DynamicWeightAverage,
    FixedWeighting,
    GeometricWeighting,
    GradNorm,
    UncertaintyWeighting,
    Weighting,
    build_weighting,
)

LOSSES = torch.tensor(2.0), torch.tensor(0.5)
ADAPTER = TypeAdapter(Weighting)


def test_fixed_weighting_follows_its_formula():
    balancer = build_weighting(FixedWeighting(lambda_=0.25))
    assert balancer.combine(*LOSSES).item() == 0.25 * 2 + 0.75 * 0.5
    balancer.end_epoch(1.0, 1.0)
    assert balancer.weights() == {"class": 0.25, "dimension": 0.75}


@pytest.mark.parametrize(("lambda_", "learns"), [(1.0, 0), (0.0, 1)])
def test_the_ends_of_lambda_are_single_task_exactly(lambda_, learns):
    losses = [torch.tensor(0.7, requires_grad=True), torch.tensor(float("inf"), requires_grad=True)]
    if learns == 1:
        losses.reverse()
    total = build_weighting(FixedWeighting(lambda_=lambda_)).combine(*losses)
    total.backward()
    assert total.item() == losses[learns].item()
    assert losses[learns].grad == 1
    assert losses[1 - learns].grad is None


def test_dynamic_weight_average_on_a_worked_example():
    balancer = build_weighting(DynamicWeightAverage(temperature=2.0))
    assert balancer.weights() == {"class": 1.0, "dimension": 1.0}
    balancer.end_epoch(1.0, 0.8)
    assert balancer.weights() == {"class": 1.0, "dimension": 1.0}
    balancer.end_epoch(0.5, 0.6)
    a, b = math.exp(0.5 / 2), math.exp(0.75 / 2)
    assert balancer.weights() == pytest.approx({"class": 2 * a / (a + b), "dimension": 2 * b / (a + b)})
    assert balancer.weights()["class"] == pytest.approx(0.93758, abs=1e-5)
    assert balancer.combine(*LOSSES).item() == pytest.approx(0.93758 * 2 + 1.06242 * 0.5, abs=1e-4)
    balancer.end_epoch(0.5, 0.3)
    a, b = math.exp(1.0 / 2), math.exp(0.5 / 2)
    assert balancer.weights()["class"] == pytest.approx(2 * a / (a + b))


def test_dynamic_weight_average_survives_a_loss_that_reached_zero_or_exploded():
    balancer = build_weighting(DynamicWeightAverage(temperature=0.001))
    balancer.end_epoch(0.0, 1.0)
    balancer.end_epoch(0.0, 900.0)
    assert balancer.weights() == pytest.approx({"class": 0.0, "dimension": 2.0})


def losses_on(shared):
    """Two losses of one parameter with known gradients (3, 4) and (0, 1)."""
    return 3 * shared[0] + 4 * shared[1] + 1.0, shared[1] + 0.5


def test_gradnorm_on_a_worked_example():
    """Norms 5 and 1, losses 1 and 0.5 of first losses 2 and 0.5: left 1/2 and 1, rates 2/3 and 4/3.

    With equal weights G = 3; targets 3 · 2/3 = 2 and 3 · 4/3 = 4 (α = 1): the first is above its own, the
    second below: the weights go to 1 − 0.1 · 5 = 0.5 and 1 + 0.1 · 1 = 1.1, for a sum of 2 to 0.625, 1.375.
    """
    shared = torch.nn.Parameter(torch.zeros(2))
    balancer = build_weighting(GradNorm(alpha=1.0, lr=0.1))
    assert balancer.combine(*losses_on(shared), [shared]).item() == 1.5  # equal in the first epoch
    balancer.end_epoch(2.0, 0.5)
    loss = balancer.combine(*losses_on(shared), [shared])
    assert balancer.weights() == pytest.approx({"class": 0.625, "dimension": 1.375})
    assert loss.item() == pytest.approx(0.625 * 1.0 + 1.375 * 0.5)
    balancer.end_epoch(9.0, 9.0)
    assert balancer.state_dict()["first"] == [2.0, 0.5]
    loss.backward()
    torch.testing.assert_close(shared.grad, torch.tensor([1.875, 0.625 * 4 + 1.375]))


def test_gradnorm_learns_nothing_from_a_batch_without_one_of_the_tasks():
    shared = torch.nn.Parameter(torch.zeros(2))
    balancer = build_weighting(GradNorm())
    balancer.end_epoch(1.0, 1.0)
    first, _ = losses_on(shared)
    balancer.combine(first, shared.sum() * 0.0, [shared])
    assert balancer.weights() == {"class": 1.0, "dimension": 1.0}


def test_uncertainty_weighting_follows_its_formula():
    """Losses 2 and 0.5, both s = ln 2: (2/2 + ln 2)/2 + (0.5/2 + ln 2)/2; d/ds = (1 − L e^(−s)) / 2."""
    balancer = build_weighting(UncertaintyWeighting(start=math.log(2)))
    loss = balancer.combine(*LOSSES)
    assert loss.item() == pytest.approx(0.5 + 0.125 + math.log(2))
    assert balancer.weights() == pytest.approx({"class": 0.25, "dimension": 0.25})
    loss.backward()
    (parameter,) = balancer.parameters().values()
    torch.testing.assert_close(parameter.grad, torch.tensor([0.0, 0.375]))


def test_geometric_weighting_follows_its_formula_and_its_weights_its_gradient():
    losses = [torch.tensor(2.0, requires_grad=True), torch.tensor(0.5, requires_grad=True)]
    balancer = build_weighting(GeometricWeighting())
    loss = balancer.combine(*losses)
    loss.backward()
    assert loss.item() == 1.0
    assert [x.grad.item() for x in losses] == pytest.approx(list(balancer.weights().values()))
    assert balancer.weights() == {"class": 0.25, "dimension": 1.0}


def test_geometric_weighting_survives_a_batch_without_labels():
    nothing = torch.tensor(1.0, requires_grad=True) * 0.0
    rest = torch.tensor(0.5, requires_grad=True)
    build_weighting(GeometricWeighting()).combine(nothing, rest).backward()
    assert torch.isfinite(rest.grad)


EVERY = [
    FixedWeighting(lambda_=0.3),
    DynamicWeightAverage(temperature=1.5),
    GradNorm(),
    UncertaintyWeighting(),
    GeometricWeighting(),
]


@pytest.mark.parametrize("config", EVERY, ids=lambda config: config.name)
def test_a_balancer_goes_on_from_its_saved_state(config):
    shared = torch.nn.Parameter(torch.tensor([0.1, 0.2]))
    first, second = build_weighting(config), build_weighting(config)
    for losses in ((1.0, 0.9), (0.7, 0.8)):
        first.combine(*losses_on(shared), [shared]).backward()
        first.end_epoch(*losses)
        for parameter in first.parameters().values():
            parameter.data -= 0.1 * parameter.grad
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for balancer in (first, second):
        balancer.combine(*losses_on(shared), [shared])
        balancer.end_epoch(0.6, 0.5)
    assert first.weights() == second.weights()


def test_configurations_round_trip_under_the_key_lambda():
    config = ADAPTER.validate_python({"name": "fixed", "lambda": 0.3})
    assert config == FixedWeighting(lambda_=0.3)
    assert config.model_dump() == {"name": "fixed", "lambda": 0.3}
    assert ADAPTER.validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    "data",
    [
        {"name": "fixed", "lambda": 1.1},
        {"name": "dwa", "temperature": 0},
        {"name": "dwa", "lambda": 0.5},
        {"name": "x"},
    ],
)
def test_wrong_configurations_are_refused(data):
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(data)
