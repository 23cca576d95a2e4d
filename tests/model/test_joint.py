"""The parts of the joint model put together; what holds for every layout is in tests/contracts."""

import pytest
import torch

from serhpo.model.config import ModelConfig
from serhpo.model.encoders import LayerMix
from serhpo.model.frames import Frames
from serhpo.model.joint import JointModel
from tests.contracts.model_cases import INPUTS, build, padded, utterances


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("stream", "kind", "frames", "expected"),
    [
        ("mfcc", "convolution", 401, 101),
        ("mfcc", "bilstm", 402, 101),
        ("short_term", "bigru", 98, 25),
        ("mel", "convolution", 1, 1),
        ("mel", "convolution_2d", 401, 101),
        ("waveform", "convolution", 16_000, 25),
        ("waveform", "strided_convolution", 16_001, 26),
        ("wav2vec2", "convolution", 49, 25),
    ],
)
def test_encoders_give_25_frames_a_second(stream, kind, frames, expected):
    model = build(ModelConfig(width=16, encoders={stream: {"kind": kind, "width": 24}}), (stream,))
    encoder = model.encoders[stream]
    result = encoder(Frames(torch.randn(1, frames, INPUTS[stream].channels), torch.tensor([frames])))
    assert result.values.shape == (1, expected, 16)
    assert result.lengths.tolist() == [expected]
    assert encoder.frames_per_second == 25


def test_a_mix_of_layers_is_their_weighted_mean():
    mix = LayerMix(3)
    frames = Frames(torch.tensor([[[1.0, 2.0, 3.0, 4.0, 8.0, 0.0]]]), torch.tensor([1]))
    torch.testing.assert_close(mix(frames).values, torch.tensor([[[4.0, 2.0]]]))
    with torch.no_grad():
        mix.scores.copy_(torch.tensor([0.0, 2.0, 1.0]).log())
    torch.testing.assert_close(mix(frames).values, torch.tensor([[[2 + 8 / 3, 8 / 3]]]))


def test_one_layer_needs_no_mix():
    model = build(ModelConfig(width=16), ("wav2vec2", "hubert"))
    assert not [name for name, _ in model.named_parameters() if "encoders.wav2vec2.mix" in name]
    assert model.get_submodule("encoders.hubert.encoder.front.projection").in_features == 4


def test_normalisation_travels_with_the_weights():
    first = build(ModelConfig(width=16), ("mfcc", "mel"))
    second = JointModel(ModelConfig(width=16), {"mfcc": INPUTS["mfcc"], "mel": INPUTS["mel"]}, 4)
    second.load_state_dict(first.state_dict())
    features, lengths = utterances(("mfcc", "mel"), [0.4, 0.3])
    with torch.no_grad():
        results = [model.eval()(padded(features), lengths).logits for model in (first, second)]
    assert torch.equal(*results)


def test_normalised_input_makes_scale_and_offset_irrelevant():
    plain, scaled = (build(ModelConfig(width=16), ("mfcc",)).eval() for _ in range(2))
    plain.set_normalisation("mfcc", torch.zeros(6), torch.ones(6))
    scaled.set_normalisation("mfcc", torch.full((6,), 7.0), torch.full((6,), 3.0))
    features, lengths = utterances(("mfcc",), [0.5])
    x = padded(features)["mfcc"]
    with torch.no_grad():
        outputs = plain({"mfcc": x}, lengths), scaled({"mfcc": 3 * x + 7}, lengths)
    torch.testing.assert_close(outputs[0].logits, outputs[1].logits, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "choice", [{"co_attention": "cross"}, {"co_attention": "frame_weighting"}, {"fusion": "gated"}]
)
def test_one_stream_is_the_same_under_every_co_attention_and_fusion(choice):
    plain, other = (
        build(ModelConfig(width=16, **({"co_attention": "none"} | changes)), ("mfcc",)).eval()
        for changes in ({}, choice)
    )
    features, lengths = utterances(("mfcc",), [0.5])
    assert torch.equal(plain(padded(features), lengths).logits, other(padded(features), lengths).logits)


def test_shared_parameters_carry_both_heads_and_belong_to_neither():
    model = build(ModelConfig(width=16, fusion="gated"), ("mfcc", "mel"))
    features, lengths = utterances(("mfcc", "mel"), [0.4, 0.3])
    output = model(padded(features), lengths)
    for part in (output.logits, output.dimensions):
        gradients = torch.autograd.grad(part.square().sum(), model.shared_parameters(), retain_graph=True)
        assert all(gradient.abs().max() > 0 for gradient in gradients)


def test_bf16_stays_close_to_fp32():
    config = ModelConfig(
        width=16, self_attention=2, position="rotary", pooling="statistics", fusion="attention"
    )
    streams = ("mfcc", "mel", "wav2vec2")
    model = build(config, streams).eval()
    features, lengths = utterances(streams, [0.4, 0.3])
    with torch.no_grad():
        exact = model(padded(features), lengths)
        with torch.autocast("cpu", torch.bfloat16):
            rough = model(padded(features), lengths)
    torch.testing.assert_close(rough.logits, exact.logits, atol=0.03, rtol=0)
    assert not torch.equal(rough.logits, exact.logits)
