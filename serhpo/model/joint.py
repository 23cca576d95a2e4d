"""The joint model: emotion classes and valence, arousal, dominance from parallel encoders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from serhpo.corpus.table import DIMENSIONS
from serhpo.features.base import Extractor
from serhpo.features.pretrained import Pretrained
from serhpo.model.attention import SelfAttention
from serhpo.model.co_attention import CrossAttention, FrameWeighting
from serhpo.model.config import ModelConfig
from serhpo.model.encoders import Encoder, LayerMix
from serhpo.model.explanation import Explanation
from serhpo.model.fine_tuning import FineTunedEncoder
from serhpo.model.frames import Frames
from serhpo.model.fusion import build_fusion
from serhpo.model.pooling import AttentivePooling, MeanPooling, build_pooling


class JointOutput(NamedTuple):
    """What the model says about a batch.

    Attributes:
        logits: ``[B, K]``, before softmax, fp32.
        dimensions: ``[B, 3]`` valence, arousal, dominance, fp32; the corpus' range is −1 … 1, unbounded
            here, since CCC needs the spread at both ends.
        explanation: What attended to what, where it was asked for.
    """

    logits: Tensor
    dimensions: Tensor
    explanation: Explanation | None = None


class StreamInput(NamedTuple):
    """What a stream feeds its encoder.

    Attributes:
        channels: Values per frame.
        layers: Equal parts side by side in a frame, of which a mix is learned.
        frames_per_second: Only explanations need it.
        tuned: The pretrained encoder to run on it, where the frames are samples and its last blocks are
            to be trained.
    """

    channels: int
    layers: int = 1
    frames_per_second: float = 100.0
    tuned: Pretrained | None = None

    @classmethod
    def of(cls, extractor: Extractor, channels: int) -> StreamInput:
        """What an extractor's stream of so many channels feeds its encoder."""
        tuned = extractor if isinstance(extractor, Pretrained) and extractor.fine_tune else None
        return cls(channels, extractor.layers, extractor.frames_per_second, tuned)


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


class FrameNormalisation(nn.LayerNorm):
    """A layer norm without weights, for states that change in training: no statistics fit them for long."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, elementwise_affine=False)

    def forward(self, frames: Frames) -> Frames:  # type: ignore[override]
        """``[B, T, C]`` to the same."""
        return Frames(super().forward(frames.values), frames.lengths)


class StreamEncoder(nn.Module):
    """Normalisation, mix of layers, encoder and self-attention of one stream."""

    def __init__(self, config: ModelConfig, stream: str, source: StreamInput) -> None:
        super().__init__()
        channels, layers, rate = source.channels, source.layers, source.frames_per_second
        self.tuned: FineTunedEncoder | None = None
        if source.tuned is None:
            self.normalisation: nn.Module = InputNormalisation(channels)
        else:
            self.tuned = FineTunedEncoder(source.tuned)
            channels, layers = self.tuned.channels, self.tuned.layers
            rate /= self.tuned.shape.stride
            self.normalisation = FrameNormalisation(channels // layers)
        self.mix = LayerMix(layers) if layers > 1 else nn.Identity()
        self.encoder = Encoder(stream, channels // layers, config.width, config.encoders[stream])
        self.attention = SelfAttention(config)
        self.frames_per_second = rate / self.encoder.stride

    def forward(self, frames: Frames, maps: list[Tensor] | None = None) -> Frames:
        """``[B, T, C]`` features to ``[B, T', width]``; ``maps`` gets the self-attention of each block."""
        if self.tuned is None:
            frames = self.mix(self.normalisation(frames))
        else:
            frames = self.normalisation(self.mix(self.tuned(frames)))
        result: Frames = self.attention(self.encoder(frames), maps)
        return result


class JointModel(nn.Module):
    """Parallel encoders, co-attention between them, pooling, fusion, an emotion and a dimension head.

    Padding never changes an output: an utterance gives the same alone and in any batch. Under autocast,
    everything from the pooled vectors on is computed in fp32.

    Args:
        config: Sizes and layout.
        streams: What each stream feeds its encoder; the streams' order is the model's.
        classes: Number of emotion classes.
    """

    def __init__(self, config: ModelConfig, streams: Mapping[str, StreamInput], classes: int) -> None:
        super().__init__()
        width, names = config.width, list(streams)
        self.encoders = nn.ModuleDict(
            {name: StreamEncoder(config, name, source) for name, source in streams.items()}
        )
        self.co_attention: nn.Module | None = None
        if len(names) > 1 and config.co_attention != "none":
            kind = CrossAttention if config.co_attention == "cross" else FrameWeighting
            self.co_attention = kind(config, names)
        self.poolings = nn.ModuleDict({name: build_pooling(config) for name in names})
        self.fusion = build_fusion(config.fusion, width, len(names))
        self.dropout = nn.Dropout(config.dropout)
        self.class_head = nn.Linear(width, classes)
        self.dimension_head = nn.Linear(width, len(DIMENSIONS))

    def set_normalisation(self, stream: str, mean: Tensor, std: Tensor) -> None:
        """Fix the statistics ``[C]`` that a stream's features are normalised by.

        A fine-tuned stream has none: its encoder hears samples as they are.
        """
        normalisation = self.encoders[stream].get_submodule("normalisation")
        if isinstance(normalisation, InputNormalisation):
            normalisation.load_state_dict({"mean": mean, "std": std})

    @property
    def size(self) -> int:
        """Trainable weights; those of frozen pretrained encoders are not among them."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)

    def pretrained_parameters(self) -> list[nn.Parameter]:
        """Those of fine-tuned blocks, which want a learning rate of their own."""
        tuned = (module for module in self.modules() if isinstance(module, FineTunedEncoder))
        return [p for module in tuned for p in module.parameters() if p.requires_grad]

    def shared_parameters(self) -> list[nn.Parameter]:
        """The parameters of the last layers that both heads build on: those of the fusion."""
        return list(self.fusion.parameters())

    def forward(
        self, batch: Mapping[str, Tensor], lengths: Mapping[str, Tensor], explain: bool = False
    ) -> JointOutput:
        """Classes and dimensions of a padded batch.

        Args:
            batch: Features ``[B, T, C]`` of each stream, T being the stream's own.
            lengths: Frames ``[B]`` of each utterance in each stream, int64.
            explain: Also tell what attended to what, which takes time and memory.
        """
        explanation = Explanation() if explain else None
        frames = {}
        for name, module in self.encoders.items():
            encode = cast(StreamEncoder, module)
            maps: list[Tensor] | None = [] if explain else None
            frames[name] = encode(Frames(batch[name], lengths[name]), maps)
            if explanation is not None:
                explanation.add_stream(name, frames[name], encode.frames_per_second, maps or [])
        if isinstance(self.co_attention, CrossAttention):
            frames = self.co_attention(frames, explanation.co_attention if explanation else None)
        vectors = self._pooled(frames, explanation)
        with torch.autocast(vectors[0].device.type, enabled=False):
            fused = self.dropout(self.fusion(vectors))
            if explanation is not None:
                explanation.fusion = self.fusion.weights(vectors)
                explanation.detach()
            return JointOutput(self.class_head(fused), self.dimension_head(fused), explanation)

    def _pooled(self, frames: Mapping[str, Frames], explanation: Explanation | None) -> list[Tensor]:
        """One vector ``[B, W]`` per stream, fp32, and the weights it is made with."""
        vectors = {name: pool(frames[name]) for name, pool in self.poolings.items()}
        if explanation is not None:
            pools = cast(Mapping[str, MeanPooling | AttentivePooling], self.poolings)
            explanation.pooling = {name: pool.weights(frames[name]) for name, pool in pools.items()}
        if isinstance(self.co_attention, FrameWeighting):
            vectors = self.co_attention(frames, vectors, explanation.frame_weights if explanation else None)
        return [vector.float() for vector in vectors.values()]
