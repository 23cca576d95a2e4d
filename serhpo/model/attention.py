"""Attention within a stream, between streams, and over the frames of one stream into one vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from serhpo.model.config import ModelConfig
from serhpo.model.frames import Frames


class Attention(nn.Module):
    """Scaled dot-product attention of several heads; padding is never attended to.

    The keys have no bias: softmax cancels it, so it could never be learned.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, queries: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """Attend from ``[B, T, W]`` to the frames of ``[B, S, W]`` where the mask ``[B, S]`` is true."""
        q, k, v = (
            self._split(self.query(queries)),
            self._split(self.key(memory)),
            self._split(self.value(memory)),
        )
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
        result: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return result

    def _split(self, x: Tensor) -> Tensor:
        batch, steps, width = x.shape
        return x.view(batch, steps, self.heads, width // self.heads).transpose(1, 2)


class SelfAttention(nn.Module):
    """A transformer block, normalised before each part: each frame attends to its own stream."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.width
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, config.heads)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, frames: Frames) -> Frames:
        """``[B, T, W]`` to the same."""
        normed = self.attention_norm(frames.values)
        x = frames.values + self.dropout(self.attention(normed, normed, frames.mask))
        return Frames(x + self.dropout(self.feed_forward(x)), frames.lengths)


class CoAttention(nn.Module):
    """Cross-attention: the frames of each stream attend to the frames of all other streams at once."""

    def __init__(self, config: ModelConfig, streams: list[str]) -> None:
        super().__init__()
        self.norms = nn.ModuleDict({stream: nn.LayerNorm(config.width) for stream in streams})
        self.attentions = nn.ModuleDict({stream: Attention(config.width, config.heads) for stream in streams})
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, streams: dict[str, Frames]) -> dict[str, Frames]:
        """Every stream ``[B, T, W]`` to the same, T being each stream's own."""
        normed = {name: Frames(self.norms[name](x.values), x.lengths) for name, x in streams.items()}
        masks = {name: x.mask for name, x in streams.items()}
        result = {}
        for name, frames in streams.items():
            others = [other for other in streams if other != name]
            memory = torch.cat([normed[other].values for other in others], dim=1)
            mask = torch.cat([masks[other] for other in others], dim=1)
            update = self.attentions[name](normed[name].values, memory, mask)
            result[name] = Frames(frames.values + self.dropout(update), frames.lengths)
        return result


class MeanPooling(nn.Module):
    """The mean over an utterance's own frames."""

    def forward(self, frames: Frames) -> Tensor:
        """``[B, T, W]`` to ``[B, W]``."""
        return frames.masked.sum(dim=1) / frames.lengths[:, None]


class AttentivePooling(nn.Module):
    """A weighted mean, the weights from a small network on each frame (Lin et al., ICLR 2017)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1, bias=False))

    def forward(self, frames: Frames) -> Tensor:
        """``[B, T, W]`` to ``[B, W]``."""
        return torch.einsum("bt,btw->bw", self.weights(frames), frames.values)

    def weights(self, frames: Frames) -> Tensor:
        """Share ``[B, T]`` of each frame in its utterance; padding has none."""
        scores: Tensor = self.score(frames.values).squeeze(-1)
        return scores.masked_fill(~frames.mask, float("-inf")).softmax(dim=1)


class AttentiveStatisticsPooling(AttentivePooling):
    """Weighted mean and standard deviation, projected to the width (Okabe et al., Interspeech 2018)."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.projection = nn.Linear(2 * width, width)

    def forward(self, frames: Frames) -> Tensor:
        """``[B, T, W]`` to ``[B, W]``."""
        weights = self.weights(frames)
        mean = torch.einsum("bt,btw->bw", weights, frames.values)
        variance = torch.einsum("bt,btw->bw", weights, (frames.values - mean[:, None]) ** 2)
        # The slope of a root is infinite at zero, where an utterance of one frame stands.
        deviation = (variance + 1e-5).sqrt()
        result: Tensor = self.projection(torch.cat([mean, deviation], dim=1))
        return result


def build_pooling(config: ModelConfig) -> nn.Module:
    """The pooling a configuration names."""
    if config.pooling == "mean":
        return MeanPooling()
    kind = AttentivePooling if config.pooling == "attentive" else AttentiveStatisticsPooling
    return kind(config.width)
