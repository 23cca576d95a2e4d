"""Poolings: the frames of one stream in, one vector out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from serhpo.model.config import ModelConfig
from serhpo.model.frames import Frames, masked_softmax, weighted_sum


class MeanPooling(nn.Module):
    """The mean over an utterance's own frames."""

    def forward(self, frames: Frames) -> Tensor:
        """``[B, T, W]`` to ``[B, W]``."""
        return frames.masked.float().sum(dim=1) / frames.lengths[:, None]

    def weights(self, frames: Frames) -> Tensor:
        """Share ``[B, T]`` of each frame in its utterance; padding has none."""
        return frames.mask / frames.lengths[:, None]


class AttentivePooling(nn.Module):
    """A weighted mean, the weights from a small network on each frame (Lin et al., ICLR 2017)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1, bias=False))

    def forward(self, frames: Frames) -> Tensor:
        """``[B, T, W]`` to ``[B, W]``."""
        return weighted_sum(self.weights(frames), frames.values)

    def weights(self, frames: Frames) -> Tensor:
        """Share ``[B, T]`` of each frame in its utterance; padding has none."""
        return masked_softmax(self.score(frames.values).squeeze(-1), frames.mask)


class AttentiveStatisticsPooling(AttentivePooling):
    """Weighted mean and standard deviation, projected to the width (Okabe et al., Interspeech 2018)."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.projection = nn.Linear(2 * width, width)

    def forward(self, frames: Frames) -> Tensor:
        """``[B, T, W]`` to ``[B, W]``."""
        weights, values = self.weights(frames), frames.values.float()
        mean = weighted_sum(weights, values)
        variance = weighted_sum(weights, (values - mean[:, None]) ** 2)
        # The slope of a root is infinite at zero, where an utterance of one frame stands.
        deviation = (variance + 1e-5).sqrt()
        result: Tensor = self.projection(torch.cat([mean, deviation], dim=1))
        return result


def build_pooling(config: ModelConfig) -> MeanPooling | AttentivePooling:
    """The pooling a configuration names."""
    if config.pooling == "mean":
        return MeanPooling()
    kind = AttentivePooling if config.pooling == "attentive" else AttentiveStatisticsPooling
    return kind(config.width)
