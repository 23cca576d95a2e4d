import numpy as np
import pytest
import torch

from serhpo.model.attended import attended, mean, profile, spread
from serhpo.model.config import ModelConfig
from serhpo.model.explanation import Explanation
from tests.contracts.model_cases import build, padded, utterances

STREAMS = ("mfcc", "wav2vec2")


def looked(seconds=(0.43,), **settings):
    model = build(ModelConfig(width=16, **settings), STREAMS).eval()
    features, lengths = utterances(STREAMS, seconds)
    with torch.inference_mode():
        return attended(model(padded(features), lengths, explain=True).explanation)


def test_attention_is_shared_among_the_frames_asked_for():
    explanation = Explanation(frames_per_second={"a": 2.0, "b": 4.0})
    explanation.lengths = {"a": torch.tensor([2]), "b": torch.tensor([4])}
    # one block, two heads; rows ask, columns are asked
    explanation.self_attention = {"a": torch.tensor([[[[[0.5, 0.5], [0.1, 0.9]], [[1.0, 0.0], [0.4, 0.6]]]]])}
    explanation.co_attention = {
        "a": {"b": torch.tensor([[[[0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1]]]])},
        "b": {"a": torch.tensor([[[[1.0, 0.0]] * 4]])},
    }
    explanation.pooling = {"a": torch.tensor([[0.25, 0.75]]), "b": torch.full((1, 4), 0.25)}
    explanation.fusion = torch.tensor([[0.2, 0.8]])

    seen = attended(explanation)

    assert list(seen.frames["a"]) == ["self-attention", "co-attention", "pooling"]
    assert list(seen.frames["b"]) == ["co-attention", "pooling"]
    np.testing.assert_allclose(seen.frames["a"]["self-attention"], [0.5, 0.5], atol=1e-6)
    np.testing.assert_allclose(seen.frames["a"]["co-attention"], [1, 0], atol=1e-6)
    np.testing.assert_allclose(seen.frames["b"]["co-attention"], [0.4, 0.4, 0.1, 0.1], atol=1e-6)
    np.testing.assert_allclose(seen.frames["a"]["pooling"], [0.25, 0.75], atol=1e-6)
    assert seen.fusion == pytest.approx({"a": 0.2, "b": 0.8})
    assert seen.seconds == {"a": 1.0, "b": 1.0}


@pytest.mark.parametrize(
    ("settings", "parts", "fused"),
    [
        ({"self_attention": 2, "co_attention": "cross", "fusion": "attention"}, 3, True),
        ({"self_attention": 0, "co_attention": "frame_weighting", "fusion": "gated"}, 2, True),
        ({"self_attention": 0, "co_attention": "none", "fusion": "concatenation"}, 1, False),
    ],
)
def test_every_part_of_a_model_gives_shares_that_sum_to_one(settings, parts, fused):
    seen = looked(**settings)
    for stream in STREAMS:
        assert len(seen.frames[stream]) == parts
        for shares in seen.frames[stream].values():
            assert shares.shape == (11,)
            assert shares.sum() == pytest.approx(1, abs=1e-5)
            assert (shares >= 0).all()
    assert set(seen.fusion) == (set(STREAMS) if fused else set())


def test_padding_would_be_counted_so_a_batch_is_refused():
    with pytest.raises(ValueError, match="one utterance"):
        looked((0.43, 0.3))


def test_the_mean_of_several_networks():
    one, two = looked(fusion="attention"), looked(fusion="attention", dropout=0.0)
    both = mean([one, two])
    middle = (one.frames["mfcc"]["pooling"] + two.frames["mfcc"]["pooling"]) / 2
    np.testing.assert_allclose(both.frames["mfcc"]["pooling"], middle)
    assert both.fusion["mfcc"] == pytest.approx((one.fusion["mfcc"] + two.fusion["mfcc"]) / 2)


@pytest.mark.parametrize(
    ("shares", "bins", "expected"),
    [
        ([0.25, 0.25, 0.25, 0.25], 2, [1, 1]),
        ([0.5, 0.5, 0, 0], 2, [2, 0]),
        ([0.2, 0.6, 0.2], 2, [1, 1]),  # the middle frame lies in both halves
        ([1.0], 4, [1, 1, 1, 1]),
        ([0.1, 0.2, 0.3, 0.4], 4, [0.4, 0.8, 1.2, 1.6]),
    ],
)
def test_a_profile_spreads_frames_over_equal_parts(shares, bins, expected):
    np.testing.assert_allclose(profile(np.array(shares), bins), expected)


def test_spread_is_the_part_of_the_frames_that_even_weights_would_take():
    assert spread(np.full(8, 1 / 8)) == pytest.approx(1)
    assert spread(np.array([0.5, 0.5, 0, 0])) == pytest.approx(0.5)
    assert spread(np.array([0.0, 0, 0, 1])) == pytest.approx(0.25)
