import pytest
import torch

from serhpo.model.config import ModelConfig
from tests.contracts.model_cases import build, padded, utterances

STREAMS = ("mfcc", "wav2vec2")


def explained(streams=STREAMS, **settings):
    config = ModelConfig(width=16, **settings)
    model = build(config, streams).eval()
    features, lengths = utterances(streams, [0.43, 0.3])
    output = model(padded(features), lengths, explain=True)
    plain = model(padded(features), lengths)
    torch.testing.assert_close(output.logits, plain.logits, atol=1e-6, rtol=0)
    assert plain.explanation is None
    return output.explanation


def test_self_attention_pooling_and_their_axes():
    explanation = explained(self_attention=2, co_attention="none")
    assert explanation.frames_per_second == {"mfcc": 25.0, "wav2vec2": 25.0}
    assert explanation.lengths["mfcc"].tolist() == [11, 8]
    attention = explanation.self_attention["mfcc"]
    assert attention.shape == (2, 2, 2, 11, 11)
    torch.testing.assert_close(attention.sum(dim=-1), torch.ones(2, 2, 2, 11))
    assert attention[1, ..., 8:].abs().max() == 0
    assert explanation.pooling["mfcc"].numpy().shape == (2, 11)
    torch.testing.assert_close(explanation.pooling["mfcc"].sum(dim=1), torch.ones(2))
    assert explanation.co_attention == explanation.frame_weights == {}
    assert explanation.fusion is None


def test_cross_attention_by_asking_and_asked_stream():
    explanation = explained(co_attention="cross", fusion="attention", self_attention=0)
    assert explanation.self_attention == {}
    assert explanation.co_attention["wav2vec2"]["mfcc"].shape == (2, 2, 11, 11)
    torch.testing.assert_close(explanation.fusion.sum(dim=1), torch.ones(2))
    assert not explanation.fusion.requires_grad


@pytest.mark.parametrize("pooling", ["mean", "statistics"])
def test_weights_of_frames_by_the_other_streams(pooling):
    explanation = explained(co_attention="frame_weighting", fusion="gated", pooling=pooling)
    torch.testing.assert_close(explanation.frame_weights["mfcc"].sum(dim=1), torch.ones(2))
    assert explanation.frame_weights["mfcc"][1, 8:].abs().max() == 0
    assert explanation.fusion.shape == (2, 2)


def test_an_explanation_is_fp32_under_bf16():
    model = build(ModelConfig(width=16), STREAMS).eval()
    features, lengths = utterances(STREAMS, [0.43, 0.3])
    with torch.autocast("cpu", torch.bfloat16):
        explanation = model(padded(features), lengths, explain=True).explanation
    assert explanation.self_attention["mfcc"].dtype == explanation.pooling["mfcc"].dtype == torch.float32
    explanation.self_attention["mfcc"].numpy()
