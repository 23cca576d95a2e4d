"""What holds for every encoder, attention, co-attention, pooling and fusion, each pair of them together."""

import random

import pytest
import torch
from torch.nn.functional import cross_entropy

from serhpo.losses import ccc_loss
from serhpo.model.config import ENCODER_KINDS
from tests.contracts import model_cases as cases

PAIRS = cases.all_pairs(cases.FACTORS)
ALONE = [
    {**row, "encoder": encoder}
    for encoder, row in zip(cases.ENCODERS, cases.all_pairs(cases.FACTORS), strict=False)
]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def loss_of(output, labels, targets):
    return cross_entropy(output.logits, labels) + ccc_loss(output.dimensions, targets)


@pytest.mark.parametrize("row", PAIRS, ids=cases.name_of)
def test_padding_never_changes_an_output(row):
    config, streams = cases.config_of(row, cases.partners(row))
    _padding_never_changes_an_output(config, streams)


@pytest.mark.parametrize("row", ALONE, ids=cases.name_of)
def test_padding_never_changes_an_output_of_one_stream(row):
    config, streams = cases.config_of(row, [])
    _padding_never_changes_an_output(config, streams)


def _padding_never_changes_an_output(config, streams):
    model = cases.build(config, streams).eval()
    features, lengths = cases.utterances(streams, [0.005, 0.31, 0.7, 0.543])
    with torch.no_grad():
        together = model(cases.padded(features), lengths)
        dirty = model(cases.padded(features, value=50.0), lengths)
        for index in range(4):
            alone = model(
                {s: features[s][index][None] for s in streams},
                {s: lengths[s][index : index + 1] for s in streams},
            )
            for single, batched, other in zip(alone[:2], together[:2], dirty[:2], strict=True):
                torch.testing.assert_close(single[0], batched[index], atol=1e-5, rtol=0)
                torch.testing.assert_close(single[0], other[index], atol=1e-5, rtol=0)


@pytest.mark.parametrize("row", PAIRS, ids=cases.name_of)
def test_gradient_reaches_every_parameter(row):
    config, streams = cases.config_of(row, cases.partners(row), dropout=0.0)
    _gradient_reaches_every_parameter(config, streams)


@pytest.mark.parametrize("row", ALONE, ids=cases.name_of)
def test_gradient_reaches_every_parameter_of_one_stream(row):
    config, streams = cases.config_of(row, [], dropout=0.0)
    _gradient_reaches_every_parameter(config, streams)


def _gradient_reaches_every_parameter(config, streams):
    model = cases.build(config, streams)
    features, lengths = cases.utterances(streams, [0.3, 0.2, 0.37, 0.25])
    output = model(cases.padded(features), lengths)
    assert (output.logits.shape, output.dimensions.shape) == ((4, 4), (4, 3))
    loss_of(output, torch.arange(4), torch.rand(4, 3) * 2 - 1).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("row", PAIRS[:: len(PAIRS) // 12], ids=cases.name_of)
def test_one_batch_can_be_learned_by_heart(row):
    config, streams = cases.config_of(row, cases.partners(row)[:1], dropout=0.0)
    _learned_by_heart(config, streams)


@pytest.mark.parametrize("encoder", cases.ENCODERS, ids="-".join)
def test_every_encoder_can_learn_one_batch_by_heart(encoder):
    _learned_by_heart(*cases.config_of(PAIRS[0] | {"encoder": encoder, "encoder_width": 24}, [], dropout=0.0))


def _learned_by_heart(config, streams):
    model = cases.build(config, streams)
    features, lengths = cases.utterances(streams, [0.12] * 8)
    batch, labels, targets = cases.padded(features), torch.arange(8) % 4, torch.rand(8, 3) * 2 - 1
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(80):
        loss = loss_of(model(batch, lengths), labels, targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        output = model.eval()(batch, lengths)
    assert (output.logits.argmax(dim=1) == labels).all()
    assert ccc_loss(output.dimensions, targets) < 0.1


def drawn(number):
    """A configuration drawn from every option, and the streams it is for."""
    draw = random.Random(number)
    streams = tuple(s for s in cases.INPUTS if draw.random() < 0.4) or (draw.choice(list(cases.INPUTS)),)
    row = {name: draw.choice(values) for name, values in cases.FACTORS.items()}
    encoders = {
        stream: {
            "kind": draw.choice(ENCODER_KINDS[stream]),
            "width": draw.choice([None, 8, 20]),
            "depth": draw.randint(1, 3),
            "dropout": draw.choice([0.0, 0.3]),
        }
        for stream in streams
    }
    heads = draw.choice([1, 2, 4])
    config, _ = cases.config_of(row, [], encoders=encoders, heads=heads, dropout=draw.choice([0.0, 0.4]))
    return config, streams, draw.choice([2, 4, 5, 8])


@pytest.mark.parametrize("start", range(0, 300, 50))
def test_any_configuration_builds_steps_and_round_trips(start):
    for number in range(start, start + 50):
        config, streams, classes = drawn(number)
        assert type(config).model_validate_json(config.model_dump_json()) == config
        model = cases.build(config, streams, classes)
        features, lengths = cases.utterances(streams, [0.2, 0.13, 0.17, 0.1])
        with torch.autocast("cpu", torch.bfloat16, enabled=bool(number % 2)):
            output = model(cases.padded(features), lengths)
            loss = loss_of(output, torch.arange(4) % classes, torch.rand(4, 3) * 2 - 1)
        assert output.logits.dtype == output.dimensions.dtype == torch.float32
        assert output.logits.shape == (4, classes)
        loss.backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, (number, name)
            assert torch.isfinite(parameter.grad).all(), (number, name)
