"""The joint model: emotion classes and valence, arousal, dominance from parallel encoders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from serhpo.corpus.table import DIMENSIONS
from serhpo.model.attention import CoAttention, SelfAttention, build_pooling
from serhpo.model.config import ModelConfig
from serhpo.model.encoders import ENCODERS, LayerMix
from serhpo.model.frames import Frames
from serhpo.model.fusion import FUSIONS


class JointOutput(NamedTuple):
    """What the model says about a batch.

    Attributes:
        logits: ``[B, K]``, before softmax.
        dimensions: ``[B, 3]`` valence, arousal, dominance; the corpus' range is −1 … 1, unbounded here,
            since CCC needs the spread at both ends.
    """

    logits: Tensor
    dimensions: Tensor


class InputNormalisation(nn.Module):
    """(x − mean) / std per channel with fixed statistics, which travel with the weights."""

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    def forward(self, frames: Frames) -> Frames:
        """``[B, T, C]`` to the same."""
        return Frames((frames.values - self.mean) / self.std, frames.lengths)


class StreamEncoder(nn.Module):
    """Normalisation, mix of layers, encoder and, where wanted, self-attention of one stream."""

    def __init__(self, config: ModelConfig, stream: str, channels: int, layers: int) -> None:
        super().__init__()
        self.normalisation = InputNormalisation(channels)
        self.mix = LayerMix(layers) if layers > 1 else nn.Identity()
        self.encoder = ENCODERS[stream](channels // layers, config.width, config.encoders[stream])
        self.attention = SelfAttention(config) if config.self_attention else nn.Identity()

    def forward(self, frames: Frames) -> Frames:
        """``[B, T, C]`` features to ``[B, T', width]``."""
        result: Frames = self.attention(self.encoder(self.mix(self.normalisation(frames))))
        return result


class JointModel(nn.Module):
    """Parallel encoders, co-attention between them, pooling, fusion, an emotion and a dimension head.

    Padding never changes an output: an utterance gives the same alone and in any batch.

    Args:
        config: Sizes and layout.
        streams: Channels of each stream's features; the streams' order is the model's.
        classes: Number of emotion classes.
        layers: For streams whose frames hold several layers side by side, how many.
    """

    def __init__(
        self,
        config: ModelConfig,
        streams: Mapping[str, int],
        classes: int,
        layers: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        layers = layers or {}
        width, names = config.width, list(streams)
        self.encoders = nn.ModuleDict(
            {
                name: StreamEncoder(config, name, channels, layers.get(name, 1))
                for name, channels in streams.items()
            }
        )
        crosses = config.co_attention == "cross" and len(names) > 1
        self.co_attention = CoAttention(config, names) if crosses else nn.Identity()
        self.poolings = nn.ModuleDict({name: build_pooling(config) for name in names})
        self.fusion = FUSIONS[config.fusion](width, len(names))
        self.dropout = nn.Dropout(config.dropout)
        self.class_head = nn.Linear(width, classes)
        self.dimension_head = nn.Linear(width, len(DIMENSIONS))

    def shared_parameters(self) -> Iterator[nn.Parameter]:
        """The last parameters that both heads hang on: those of the fusion."""
        return self.fusion.parameters()

    def set_normalisation(self, stream: str, mean: Tensor, std: Tensor) -> None:
        """Fix the statistics ``[C]`` that a stream's features are normalised by."""
        normalisation = self.encoders[stream].get_submodule("normalisation")
        normalisation.load_state_dict({"mean": mean, "std": std})

    def forward(self, batch: Mapping[str, Tensor], lengths: Mapping[str, Tensor]) -> JointOutput:
        """Classes and dimensions of a padded batch.

        Args:
            batch: Features ``[B, T, C]`` of each stream, T being the stream's own.
            lengths: Frames ``[B]`` of each utterance in each stream, int64.
        """
        frames = {name: encode(Frames(batch[name], lengths[name])) for name, encode in self.encoders.items()}
        frames = self.co_attention(frames)
        pooled = [pool(frames[name]) for name, pool in self.poolings.items()]
        fused = self.dropout(self.fusion(pooled))
        return JointOutput(self.class_head(fused), self.dimension_head(fused))
