"""Encoders: one stream of features in, a sequence of about 25 frames a second out."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import nn
from torch.nn import functional

from serhpo.model.config import EncoderConfig
from serhpo.model.frames import Frames, StridedConv


class EncoderFactory(Protocol):
    """Builds an encoder: a module that maps :class:`Frames` of ``channels`` to Frames of ``width``."""

    def __call__(self, channels: int, width: int, config: EncoderConfig) -> nn.Module:
        """Args are channels in, channels out, and what the user chose."""


class ConvBlock(nn.Module):
    """A residual convolution over three frames, normalised before it (per frame, so padding-proof)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = StridedConv(width, width, kernel=3)
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames: Frames) -> Frames:
        """``[B, T, width]`` to the same."""
        update = self.conv(Frames(self.norm(frames.values), frames.lengths))
        return Frames(frames.values + self.dropout(functional.gelu(update.values)), frames.lengths)


class FrameEncoder(nn.Module):
    """For features of about 100 frames a second: a strided convolution to 25, then residual blocks.

    Args:
        channels: Channels of the features.
        width: Channels of the result.
        config: Depth and dropout.
        stride: Frames in for one frame out.
    """

    def __init__(self, channels: int, width: int, config: EncoderConfig, stride: int = 4) -> None:
        super().__init__()
        self.front = StridedConv(channels, width, kernel=2 * stride, stride=stride)
        self.blocks = nn.Sequential(*(ConvBlock(width, config.dropout) for _ in range(config.depth)))
        self.norm = nn.LayerNorm(width)

    def forward(self, frames: Frames) -> Frames:
        """``[B, T, channels]`` to ``[B, ⌈T / stride⌉, width]``."""
        start = self.front(frames)
        result: Frames = self.blocks(Frames(functional.gelu(start.values), start.lengths))
        return Frames(self.norm(result.values), result.lengths)


class WaveformEncoder(nn.Module):
    """For 16 kHz samples: a learned filterbank to 100 frames a second, then a :class:`FrameEncoder`.

    The filterbank is as in Zeghidour et al., Learning Filterbanks from Raw Speech (ICASSP 2018):
    filters of 5 ms every 2.5 ms, magnitude, compression, and a learned low-pass down to 10 ms.

    Args:
        channels: Channels of the waveform, 1.
        width: Channels of the result.
        config: Depth and dropout.
    """

    FILTERS = 16

    def __init__(self, channels: int, width: int, config: EncoderConfig) -> None:
        super().__init__()
        self.filters = StridedConv(channels, self.FILTERS, kernel=80, stride=40, bias=False)
        self.lowpass = StridedConv(self.FILTERS, width, kernel=8, stride=4)
        self.encoder = FrameEncoder(width, width, config)

    def forward(self, frames: Frames) -> Frames:
        """``[B, T, channels]`` to ``[B, ⌈T / 640⌉, width]``."""
        bands = self.filters(frames)
        smooth = self.lowpass(Frames(torch.log1p(bands.values.abs()), bands.lengths))
        result: Frames = self.encoder(Frames(functional.gelu(smooth.values), smooth.lengths))
        return result


class PretrainedEncoder(nn.Module):
    """For the many channels of a pretrained model at 50 frames a second.

    They are brought down to the width before any convolution, which at 768 channels would cost several
    times as much.

    Args:
        channels: Channels of one hidden state.
        width: Channels of the result.
        config: Depth and dropout.
    """

    def __init__(self, channels: int, width: int, config: EncoderConfig) -> None:
        super().__init__()
        self.projection = nn.Linear(channels, width)
        self.encoder = FrameEncoder(width, width, config, stride=2)

    def forward(self, frames: Frames) -> Frames:
        """``[B, T, channels]`` to ``[B, ⌈T / 2⌉, width]``."""
        result: Frames = self.encoder(Frames(self.projection(frames.values), frames.lengths))
        return result


class LayerMix(nn.Module):
    """A learned weighted mean of the layers of a pretrained model (Yang et al., SUPERB, Interspeech 2021).

    Args:
        layers: How many lie side by side in a frame; they start with equal weights.
    """

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(layers))

    def forward(self, frames: Frames) -> Frames:
        """``[B, T, layers · C]`` to ``[B, T, C]``."""
        stacked = frames.values.reshape(*frames.values.shape[:2], len(self.scores), -1)
        return Frames(torch.einsum("btlc,l->btc", stacked, self.scores.softmax(dim=0)), frames.lengths)


ENCODERS: dict[str, EncoderFactory] = {
    "mfcc": FrameEncoder,
    "short_term": FrameEncoder,
    "mel": FrameEncoder,
    "waveform": WaveformEncoder,
    "wav2vec2": PretrainedEncoder,
    "hubert": PretrainedEncoder,
}
