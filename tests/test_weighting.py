import json
import math

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from serhpo.weighting import DynamicWeightAverage, FixedWeighting, Weighting, build_weighting

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


@pytest.mark.parametrize("config", [FixedWeighting(lambda_=0.3), DynamicWeightAverage(temperature=1.5)])
def test_a_balancer_goes_on_from_its_saved_state(config):
    first, second = build_weighting(config), build_weighting(config)
    for losses in ((1.0, 0.9), (0.7, 0.8)):
        first.end_epoch(*losses)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for balancer in (first, second):
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
