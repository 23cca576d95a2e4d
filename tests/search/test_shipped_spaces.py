"""The spaces that come with serhpo: what they promise can be built and trained."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch

from serhpo.losses import DIMENSION_LOSSES, classification_loss
from serhpo.model.joint import JointModel, StreamInput
from serhpo.search.rungs import early_rungs, rung_levels
from serhpo.search.space import Space, known_spaces, load_space
from serhpo.training.config import TrialConfig
from serhpo.weighting import build_weighting

CHANNELS = {"mfcc": 40, "short_term": 68, "mel": 64, "waveform": 1}
FRAMES = {"mfcc": 50, "short_term": 50, "mel": 50, "waveform": 8000}
CLASSES = 4


def draw(space: Space, generator: random.Random) -> dict[str, Any]:
    assignment: dict[str, Any] = {}
    for name in space.order:
        if space.parameters[name].exists(assignment):
            assignment[name] = space.parameters[name].draw(generator)
    return assignment


@pytest.mark.parametrize("seed", range(10))
def test_random_configurations_of_full_take_a_step(seed: int) -> None:
    """Thirty of them: every parameter of the model gets a gradient, and every gradient is finite."""
    torch.set_num_threads(1)
    space, generator = load_space("full"), random.Random(seed)
    for number in range(30):
        config = space.trial_config(draw(space, generator))
        assert TrialConfig.model_validate_json(config.model_dump_json()) == config
        torch.manual_seed(number)
        model = JointModel(
            config.model, {stream: StreamInput(CHANNELS[stream]) for stream in config.streams}, CLASSES
        )
        batch = {s: torch.randn(4, FRAMES[s], CHANNELS[s]) for s in config.streams}
        lengths = {s: (torch.tensor([1.0, 0.9, 0.6, 1.0]) * FRAMES[s]).long() for s in config.streams}
        output = model(batch, lengths)
        assert list(model.shared_parameters())
        balancer = build_weighting(config.weighting)
        for _ in range(2):  # GradNorm adjusts from the second epoch on
            loss = balancer.combine(
                classification_loss(
                    output.logits,
                    torch.eye(CLASSES),
                    label_smoothing=config.loss.label_smoothing,
                    focal_gamma=config.loss.focal_gamma,
                ),
                DIMENSION_LOSSES[config.loss.dimensions](output.dimensions, torch.rand(4, 3)),
                tuple(model.shared_parameters()),
            )
            balancer.end_epoch(1.0, 1.0)
        loss.backward()
        for name, parameter in [*model.named_parameters(), *balancer.parameters().items()]:
            assert parameter.grad is not None, (name, config)
            assert torch.isfinite(parameter.grad).all(), (name, config)


def test_a_trial_of_full_has_about_25_parameters() -> None:
    space, generator = load_space("full"), random.Random(0)
    sizes = [len(draw(space, generator)) for _ in range(200)]
    assert 20 <= sum(sizes) / len(sizes) <= 30


@pytest.mark.parametrize("name", sorted(known_spaces()))
def test_no_trial_is_compared_before_its_learning_rate_was_at_its_highest(name: str) -> None:
    space = load_space(name)
    levels = rung_levels(space.search.epochs, space.search.grace_period, space.search.reduction_factor)
    assert early_rungs(levels, space.peak_epoch(), space.search.epochs) is None
