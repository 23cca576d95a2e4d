"""What the joint model is built from: every size and every choice of layout."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from serhpo.config import Config


class EncoderConfig(Config):
    """One stream's encoder.

    Attributes:
        depth: Residual convolution blocks after the encoder's strided front.
        dropout: Dropout inside the encoder's blocks.
    """

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


class ModelConfig(Config):
    """The joint model: encoders side by side, attention, pooling, fusion, two heads.

    Attributes:
        width: Channels of every encoder's frames and of the fused vector.
        encoders: What differs between the encoders.
        self_attention: A transformer block on each stream's own frames.
        co_attention: ``cross``: each stream attends to the frames of the others. A model of one stream
            has nothing to attend to and is the same under both choices.
        heads: Attention heads; divides the width.
        pooling: How a stream's frames become one vector: their mean, a weighted mean, or weighted mean
            and standard deviation.
        fusion: How the streams' vectors become one.
        dropout: Dropout on attention output and before the heads.
    """

    width: int = Field(32, ge=8, le=512)
    encoders: EncoderSettings = EncoderSettings()
    self_attention: bool = True
    co_attention: Literal["none", "cross"] = "cross"
    heads: int = Field(2, ge=1, le=16)
    pooling: Literal["mean", "attentive", "statistics"] = "attentive"
    fusion: Literal["concatenation", "gated"] = "concatenation"
    dropout: float = Field(0.2, ge=0, lt=1)

    @model_validator(mode="after")
    def _heads_divide_width(self) -> ModelConfig:
        if self.width % self.heads:
            raise ValueError(f"heads must divide width, got {self.heads} heads and width {self.width}")
        return self
