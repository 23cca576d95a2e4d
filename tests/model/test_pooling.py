import torch

from serhpo.model.frames import Frames
from serhpo.model.pooling import AttentivePooling, AttentiveStatisticsPooling, MeanPooling


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


def test_weights_are_shares_of_the_own_frames():
    frames = Frames(torch.randn(2, 4, 8), torch.tensor([4, 2]))
    for pooling in (MeanPooling(), AttentivePooling(8), AttentiveStatisticsPooling(8)):
        weights = pooling.weights(frames)
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(2))
        assert weights[1, 2:].tolist() == [0, 0]
    torch.testing.assert_close(MeanPooling().weights(frames)[1, :2], torch.tensor([0.5, 0.5]))
