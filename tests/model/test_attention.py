import torch

from serhpo.model.attention import Attention, AttentivePooling, AttentiveStatisticsPooling, MeanPooling
from serhpo.model.frames import Frames


def test_attention_follows_its_formula():
    torch.manual_seed(0)
    attention = Attention(width=6, heads=2)
    x, memory = torch.randn(1, 3, 6), torch.randn(1, 4, 6)
    mask = torch.tensor([[True, True, False, True]])
    q, k, v = attention.query(x)[0], attention.key(memory)[0], attention.value(memory)[0]
    heads = []
    for head in (slice(0, 3), slice(3, 6)):
        scores = q[:, head] @ k[:, head].T / 3**0.5
        weights = scores[:, mask[0]].softmax(dim=1)
        heads.append(weights @ v[mask[0]][:, head])
    expected = attention.out(torch.cat(heads, dim=1))
    torch.testing.assert_close(attention(x, memory, mask)[0], expected)


def test_mean_pooling_averages_an_utterances_own_frames():
    frames = Frames(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([2]))
    assert MeanPooling()(frames).tolist() == [[2.0]]


def test_attentive_pooling_with_equal_scores_is_the_mean():
    pooling = AttentivePooling(1)
    torch.nn.init.zeros_(pooling.score[2].weight)
    frames = Frames(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([2]))
    assert pooling(frames).tolist() == [[2.0]]


def test_statistics_pooling_with_equal_scores_projects_mean_and_deviation():
    pooling = AttentiveStatisticsPooling(1)
    torch.nn.init.zeros_(pooling.score[2].weight)
    torch.nn.init.ones_(pooling.projection.weight)
    torch.nn.init.zeros_(pooling.projection.bias)
    frames = Frames(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([2]))
    expected = 2.0 + (1.0 + 1e-5) ** 0.5  # mean of 1 and 3, and their population standard deviation
    torch.testing.assert_close(pooling(frames), torch.tensor([[expected]]))
