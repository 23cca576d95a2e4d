"""Convolutions over time and frequency of a spectrogram."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from serhpo.model.frames import Frames


class SpectrogramConv(nn.Module):
    """A 3 × 3 convolution over time and frequency on ``[B, T, F, C]``, then a norm over the channels.

    Zeros stand behind each utterance's own end, and an utterance of n frames gives ⌈n / stride⌉.

    Args:
        channels: Channels in.
        width: Channels out.
        stride: Step in time and in frequency.
    """

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv2d(channels, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.norm = nn.LayerNorm(width)

    def forward(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, T, F, C]`` and its lengths to ``[B, ⌈T / stride⌉, ⌈F / stride⌉, width]`` and theirs."""
        inside = Frames(values, lengths).mask[..., None, None]
        image = torch.where(inside, values, 0.0).permute(0, 3, 1, 2)  # in memory, channels stay last
        result = self.norm(self.conv(image).permute(0, 2, 3, 1))
        return functional.gelu(result), (lengths + self.stride - 1) // self.stride


class SpectrogramEncoder(nn.Module):
    """A residual 2-D network on log-Mel frames: two strided convolutions to 25 frames a second, then blocks.

    Convolutions on spectrograms for emotion: Satt, Rozenberg & Hoory (Interspeech 2017); residual
    blocks: He et al. (CVPR 2016). No norm over the batch or over time, which would let one utterance or
    its padding change another.

    Args:
        bands: Mel bands.
        width: Channels of the result; the image has a quarter of them, at least 8.
        depth: Residual blocks.
        dropout: After each block.
    """

    def __init__(self, bands: int, width: int, depth: int, dropout: float) -> None:
        super().__init__()
        inner = max(8, width // 4)
        self.front = nn.ModuleList([SpectrogramConv(1, inner, stride=2), SpectrogramConv(inner, inner, 2)])
        self.blocks = nn.ModuleList(SpectrogramConv(inner, inner) for _ in range(depth))
        self.dropout = nn.Dropout(dropout)
        self.projection = nn.Linear(inner * -(-bands // 4), width)

    def forward(self, frames: Frames) -> Frames:
        """``[B, T, bands]`` to ``[B, ⌈T / 4⌉, width]``."""
        x, lengths = frames.values[..., None], frames.lengths
        for layer in self.front:
            x, lengths = layer(x, lengths)
        for block in self.blocks:
            update, _ = block(x, lengths)
            x = x + self.dropout(update)
        return Frames(self.projection(x.flatten(2)), lengths)
