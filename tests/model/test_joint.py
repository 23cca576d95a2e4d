"""What every layout of the joint model must do: all encoders × attention × pooling × fusion."""

import itertools

import pytest
import torch
from torch.nn.functional import cross_entropy

from serhpo.losses import ccc_loss
from serhpo.model.config import ModelConfig
from serhpo.model.encoders import LayerMix
from serhpo.model.frames import Frames
from serhpo.model.joint import JointModel

CHANNELS = {"mfcc": 6, "short_term": 7, "mel": 5, "waveform": 1, "wav2vec2": 9, "hubert": 12}
LAYERS = {"hubert": 3}
RATES = {"mfcc": 100, "short_term": 100, "mel": 100, "waveform": 16_000, "wav2vec2": 50, "hubert": 50}
SETS = [
    ("mfcc",),
    ("waveform",),
    ("mfcc", "mel"),
    ("mfcc", "short_term", "mel", "waveform"),
    ("wav2vec2", "hubert"),
]
LAYOUTS = [
    dict(zip(("self_attention", "co_attention", "pooling", "fusion"), choice, strict=True))
    for choice in itertools.product(
        (False, True), ("none", "cross"), ("mean", "attentive", "statistics"), ("concatenation", "gated")
    )
]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def make(streams, layout, **sizes):
    config = ModelConfig(width=16, **layout, **sizes)
    model = JointModel(config, {stream: CHANNELS[stream] for stream in streams}, classes=4, layers=LAYERS)
    for stream in streams:  # a mean other than 0, so that padding is not neutral by luck
        channels = CHANNELS[stream]
        model.set_normalisation(stream, torch.linspace(0.5, 2, channels), torch.linspace(1, 3, channels))
    return model


def utterances(streams, seconds):
    lengths = {s: torch.tensor([max(1, round(t * RATES[s])) for t in seconds]) for s in streams}
    features = {s: [torch.randn(int(n), CHANNELS[s]) for n in lengths[s]] for s in streams}
    return features, lengths


def padded(features, value=0.0):
    return {
        s: torch.nn.utils.rnn.pad_sequence(items, batch_first=True, padding_value=value)
        for s, items in features.items()
    }


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("streams", SETS, ids="+".join)
def test_padding_never_changes_an_output(streams, layout):
    model = make(streams, layout).eval()
    features, lengths = utterances(streams, [0.005, 0.31, 0.9, 0.643])
    with torch.no_grad():
        together = model(padded(features), lengths)
        dirty = model(padded(features, value=50.0), lengths)
        for index in range(4):
            alone = model(
                {s: features[s][index][None] for s in streams},
                {s: lengths[s][index : index + 1] for s in streams},
            )
            for single, batched, other in zip(alone, together, dirty, strict=True):
                torch.testing.assert_close(single[0], batched[index], atol=1e-5, rtol=0)
                torch.testing.assert_close(single[0], other[index], atol=1e-5, rtol=0)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("streams", SETS, ids="+".join)
def test_gradient_reaches_every_parameter(streams, layout):
    model = make(streams, layout, dropout=0.0)
    features, lengths = utterances(streams, [0.4, 0.31, 0.5, 0.643])
    output = model(padded(features), lengths)
    assert output.logits.shape == (4, 4)
    assert output.dimensions.shape == (4, 3)
    loss = cross_entropy(output.logits, torch.tensor([0, 1, 2, 3])) + ccc_loss(
        output.dimensions, torch.randn(4, 3)
    )
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("layout", [LAYOUTS[0], LAYOUTS[-1]], ids=str)
@pytest.mark.parametrize("streams", SETS, ids="+".join)
def test_one_batch_can_be_learned_by_heart(streams, layout):
    model = make(streams, layout, dropout=0.0)
    features, lengths = utterances(streams, [0.12] * 8)
    batch, labels, targets = padded(features), torch.arange(8) % 4, torch.rand(8, 3) * 2 - 1
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(80):
        output = model(batch, lengths)
        loss = cross_entropy(output.logits, labels) + ccc_loss(output.dimensions, targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        output = model.eval()(batch, lengths)
    assert (output.logits.argmax(dim=1) == labels).all()
    assert ccc_loss(output.dimensions, targets) < 0.1


@pytest.mark.parametrize(
    ("stream", "frames", "expected"),
    [
        ("mfcc", 401, 101),
        ("short_term", 98, 25),
        ("mel", 1, 1),
        ("waveform", 16_000, 25),
        ("wav2vec2", 49, 25),
    ],
)
def test_encoders_give_25_frames_a_second(stream, frames, expected):
    model = make((stream,), LAYOUTS[0])
    result = model.encoders[stream](Frames(torch.randn(1, frames, CHANNELS[stream]), torch.tensor([frames])))
    assert result.values.shape == (1, expected, 16)
    assert result.lengths.tolist() == [expected]


def test_a_mix_of_layers_is_their_weighted_mean():
    mix = LayerMix(3)
    frames = Frames(torch.tensor([[[1.0, 2.0, 3.0, 4.0, 8.0, 0.0]]]), torch.tensor([1]))
    torch.testing.assert_close(mix(frames).values, torch.tensor([[[4.0, 2.0]]]))
    with torch.no_grad():
        mix.scores.copy_(torch.tensor([0.0, 2.0, 1.0]).log())
    torch.testing.assert_close(mix(frames).values, torch.tensor([[[2 + 8 / 3, 8 / 3]]]))


def test_one_layer_needs_no_mix():
    model = JointModel(
        ModelConfig(width=16), {"wav2vec2": 9, "hubert": 12}, 4, layers=LAYERS | {"wav2vec2": 1}
    )
    assert not [name for name, _ in model.named_parameters() if "encoders.wav2vec2.mix" in name]
    assert model.get_submodule("encoders.hubert.encoder.projection").in_features == 4


def test_normalisation_travels_with_the_weights():
    layout = LAYOUTS[-1]
    first, second = (
        make(("mfcc", "mel"), layout),
        JointModel(ModelConfig(width=16, **layout), {"mfcc": 6, "mel": 5}, 4),
    )
    second.load_state_dict(first.state_dict())
    features, lengths = utterances(("mfcc", "mel"), [0.4, 0.3])
    with torch.no_grad():
        results = [model.eval()(padded(features), lengths).logits for model in (first, second)]
    assert torch.equal(*results)


def test_normalised_input_makes_scale_and_offset_irrelevant():
    plain, scaled = make(("mfcc",), LAYOUTS[0]).eval(), make(("mfcc",), LAYOUTS[0]).eval()
    scaled.load_state_dict(plain.state_dict())
    plain.set_normalisation("mfcc", torch.zeros(6), torch.ones(6))
    scaled.set_normalisation("mfcc", torch.full((6,), 7.0), torch.full((6,), 3.0))
    features, lengths = utterances(("mfcc",), [0.5])
    x = padded(features)["mfcc"]
    with torch.no_grad():
        outputs = plain({"mfcc": x}, lengths), scaled({"mfcc": 3 * x + 7}, lengths)
    torch.testing.assert_close(outputs[0].logits, outputs[1].logits, atol=1e-5, rtol=0)
