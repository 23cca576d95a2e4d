"""Encoders: one stream of features in, a sequence of about 25 frames a second out."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import nn
from torch.nn import functional

from serhpo.model.config import EncoderConfig
from serhpo.model.frames import Frames, StridedConv
from serhpo.model.recurrent import RecurrentBlocks
from serhpo.model.spectrogram import SpectrogramEncoder


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


class AcousticFront(nn.Module):
    """For features of about 100 frames a second: a strided convolution to 25."""

    STRIDE = 4

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv = StridedConv(channels, width, kernel=8, stride=4)

    def forward(self, frames: Frames) -> Frames:
        """``[B, T, channels]`` to ``[B, ⌈T / 4⌉, width]``."""
        result = self.conv(frames)
        return Frames(functional.gelu(result.values), result.lengths)


class FilterbankFront(nn.Module):
    """For 16 kHz samples: a learned filterbank to 100 frames a second, then to 25.

    The filterbank is as in Zeghidour et al., Learning Filterbanks from Raw Speech (ICASSP 2018):
    filters of 5 ms every 2.5 ms, magnitude, compression, and a learned low-pass down to 10 ms.
    """

    FILTERS = 16
    STRIDE = 640

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.filters = StridedConv(channels, self.FILTERS, kernel=80, stride=40, bias=False)
        self.lowpass = AcousticFront(self.FILTERS, width)
        self.conv = AcousticFront(width, width)

    def forward(self, frames: Frames) -> Frames:
        """``[B, T, channels]`` to ``[B, ⌈T / 640⌉, width]``."""
        bands = self.filters(frames)
        result: Frames = self.conv(self.lowpass(Frames(torch.log1p(bands.values.abs()), bands.lengths)))
        return result


class StridedFront(nn.Module):
    """For 16 kHz samples: strided convolutions with a norm per frame, as wav2vec 2.0's feature encoder.

    Baevski et al. (NeurIPS 2020), with other strides: down to 25 frames a second. Channels grow as the
    rate falls, so that no layer costs much more than the last.
    """

    STRIDES = (5, 4, 4, 4, 2)
    STRIDE = 640

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        widths = [channels, width // 4, width // 2, width // 2, width, width]
        self.convs = nn.ModuleList(
            StridedConv(narrow, wide, kernel=2 * stride, stride=stride, bias=False)
            for narrow, wide, stride in zip(widths, widths[1:], self.STRIDES, strict=False)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(wide) for wide in widths[1:])

    def forward(self, frames: Frames) -> Frames:
        """``[B, T, channels]`` to ``[B, ⌈T / 640⌉, width]``."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            result = conv(frames)
            frames = Frames(functional.gelu(norm(result.values)), result.lengths)
        return frames


class PretrainedFront(nn.Module):
    """For the many channels of a pretrained model at 50 frames a second: down to the width, then to 25.

    They are brought down before any convolution, which at 768 channels would cost several times as much.
    """

    STRIDE = 2

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(channels, width)
        self.conv = StridedConv(width, width, kernel=4, stride=2)

    def forward(self, frames: Frames) -> Frames:
        """``[B, T, channels]`` to ``[B, ⌈T / 2⌉, width]``."""
        result = self.conv(Frames(self.projection(frames.values), frames.lengths))
        return Frames(functional.gelu(result.values), result.lengths)


class Front(Protocol):
    """Builds the first part of an encoder: a stream's channels to ``width``, 25 frames a second."""

    STRIDE: int

    def __call__(self, channels: int, width: int) -> nn.Module:
        """Args are channels in and channels out."""


FRONTS: dict[str, Front] = {
    "mfcc": AcousticFront,
    "short_term": AcousticFront,
    "mel": AcousticFront,
    "waveform": FilterbankFront,
    "wav2vec2": PretrainedFront,
    "hubert": PretrainedFront,
}


class Encoder(nn.Module):
    """The front of a stream, the layers of a kind, a norm, and a projection where widths differ.

    Args:
        stream: Decides the front.
        channels: Channels of the features.
        width: Channels of the result.
        config: Kind, width, depth and dropout.
    """

    def __init__(self, stream: str, channels: int, width: int, config: EncoderConfig) -> None:
        super().__init__()
        inner, depth, dropout = config.width or width, config.depth, config.dropout
        front = StridedFront if config.kind == "strided_convolution" else FRONTS[stream]
        self.stride = front.STRIDE
        self.front: nn.Module
        self.blocks: nn.Module
        if config.kind == "convolution_2d":
            self.front, self.blocks = nn.Identity(), SpectrogramEncoder(channels, inner, depth, dropout)
        else:
            self.front = front(channels, inner)
            if config.kind in CELLS:
                self.blocks = RecurrentBlocks(CELLS[config.kind], inner, depth, dropout)
            else:
                self.blocks = nn.Sequential(*(ConvBlock(inner, dropout) for _ in range(depth)))
        self.norm = nn.LayerNorm(inner)
        self.projection = nn.Linear(inner, width) if inner != width else nn.Identity()

    def forward(self, frames: Frames) -> Frames:
        """``[B, T, channels]`` to ``[B, ⌈T / stride⌉, width]``."""
        result: Frames = self.blocks(self.front(frames))
        return Frames(self.projection(self.norm(result.values)), result.lengths)


CELLS: dict[str, type[nn.LSTM] | type[nn.GRU]] = {"bilstm": nn.LSTM, "bigru": nn.GRU}


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
