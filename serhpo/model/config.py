"""What the joint model is built from: every size and every choice of layout."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from serhpo.config import Config
from serhpo.errors import nearest

_FRAMES = ("convolution", "bilstm", "bigru")
ENCODER_KINDS: dict[str, tuple[str, ...]] = {
    "mfcc": _FRAMES,
    "short_term": _FRAMES,
    "mel": (*_FRAMES, "convolution_2d"),
    "waveform": (*_FRAMES, "strided_convolution"),
    "wav2vec2": _FRAMES,
    "hubert": _FRAMES,
}
RECURRENT = ("bilstm", "bigru")


class EncoderConfig(Config):
    """One stream's encoder.

    Attributes:
        kind: ``convolution``: residual convolutions over time. ``bilstm``, ``bigru``: recurrence in both
            directions. ``convolution_2d`` (mel): convolutions over time and frequency.
            ``strided_convolution`` (waveform): convolutions from samples to frames, where the other
            kinds read a learned filterbank.
        width: Channels inside the encoder; ``null`` is the model's width. Even for recurrent kinds.
        depth: Layers or blocks after the encoder's front.
        dropout: Dropout after each of them.
    """

    kind: str = "convolution"
    width: int | None = Field(None, ge=8, le=1024)
    depth: int = Field(2, ge=1, le=8)
    dropout: float = Field(0.1, ge=0, lt=1)


class EncoderSettings(Config):
    """The encoder of each stream, used only where the trial has that stream."""

    mfcc: EncoderConfig = EncoderConfig()
    short_term: EncoderConfig = EncoderConfig()
    mel: EncoderConfig = EncoderConfig()
    waveform: EncoderConfig = EncoderConfig()
    wav2vec2: EncoderConfig = EncoderConfig()
    hubert: EncoderConfig = EncoderConfig()

    def __getitem__(self, stream: str) -> EncoderConfig:
        config: EncoderConfig = getattr(self, stream)
        return config

    @field_validator(*ENCODER_KINDS)
    @classmethod
    def _allowed_kind(cls, config: EncoderConfig, info: ValidationInfo) -> EncoderConfig:
        allowed = ENCODER_KINDS[str(info.field_name)]
        if config.kind not in allowed:
            raise ValueError(
                f"no encoder `{config.kind}` for {info.field_name}.{nearest(config.kind, allowed)}"
                f" Allowed: {', '.join(allowed)}"
            )
        return config


class ModelConfig(Config):
    """The joint model: encoders side by side, attention, pooling, fusion, two heads.

    A model of one stream has nothing to co-attend to and nothing to fuse: it is the same under every
    ``co_attention`` and every ``fusion``.

    Attributes:
        width: Channels of every stream after its encoder, and of the fused vector.
        encoders: What differs between the encoders.
        self_attention: Transformer blocks on each stream's own frames; 0 = none.
        position: How those blocks know the order of frames: not at all (the encoders do), added sines,
            or queries and keys rotated by their place.
        co_attention: ``cross``: the frames of each stream attend to those of every other;
            ``frame_weighting``: the other streams' vectors weigh each stream's frames.
        heads: Heads of self-attention and cross-attention; divides the width.
        pooling: How a stream's frames become one vector: their mean, a weighted mean, or weighted mean
            and standard deviation.
        fusion: How the streams' vectors become one.
        dropout: Dropout on attention output and before the heads.
    """

    width: int = Field(32, ge=8, le=512)
    encoders: EncoderSettings = EncoderSettings()
    self_attention: int = Field(1, ge=0, le=6)
    position: Literal["none", "sinusoidal", "rotary"] = "none"
    co_attention: Literal["none", "cross", "frame_weighting"] = "cross"
    heads: int = Field(2, ge=1, le=16)
    pooling: Literal["mean", "attentive", "statistics"] = "attentive"
    fusion: Literal["concatenation", "gated", "attention"] = "concatenation"
    dropout: float = Field(0.2, ge=0, lt=1)

    def encoder_width(self, stream: str) -> int:
        """Channels inside a stream's encoder."""
        return self.encoders[stream].width or self.width

    @model_validator(mode="after")
    def _heads_divide_width(self) -> ModelConfig:
        if self.width % self.heads:
            raise ValueError(f"heads must divide width, got {self.heads} heads and width {self.width}")
        if self.self_attention and self.position == "rotary" and self.width // self.heads % 2:
            raise ValueError(
                f"rotary positions turn pairs of channels: width / heads must be even, "
                f"got {self.width} / {self.heads}"
            )
        return self

    @model_validator(mode="after")
    def _recurrent_widths_are_even(self) -> ModelConfig:
        for stream in ENCODER_KINDS:
            width = self.encoder_width(stream)
            if self.encoders[stream].kind in RECURRENT and width % 2:
                raise ValueError(
                    f"the {self.encoders[stream].kind} of {stream} has two directions: "
                    f"its width must be even, got {width}"
                )
        return self
