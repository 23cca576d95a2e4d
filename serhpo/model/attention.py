"""Attention of frames to frames: scaled dot products, positions, transformer blocks on one stream."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from serhpo.model.config import ModelConfig
from serhpo.model.frames import Frames, masked_softmax

BASE = 10_000.0  # of the wavelengths, as in both papers on positions below


class Attention(nn.Module):
    """Scaled dot-product attention of several heads (Vaswani et al., NeurIPS 2017), masked.

    The keys have no bias: softmax cancels it, so it could never be learned.

    Args:
        width: Channels of everything.
        heads: Heads; divides the width.
        rotary: Rotate queries and keys by their place.
    """

    def __init__(self, width: int, heads: int, rotary: bool = False) -> None:
        super().__init__()
        self.heads, self.rotary = heads, rotary
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(
        self, queries: Tensor, memory: Tensor, mask: Tensor, maps: list[Tensor] | None = None
    ) -> Tensor:
        """Attend from ``[B, T, W]`` to the frames of ``[B, S, W]`` where the mask ``[B, S]`` is true.

        Args:
            queries: Frames that ask.
            memory: Frames that are asked.
            mask: Which of them are no padding.
            maps: Where to add the weights ``[B, heads, T, S]``, should they be wanted.
        """
        q, k, v = (
            self._split(self.query(queries)),
            self._split(self.key(memory)),
            self._split(self.value(memory)),
        )
        if self.rotary:
            q, k = rotated(q), rotated(k)
        seen = mask[:, None, None, :]
        if maps is None:
            mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        else:
            maps.append(masked_softmax(q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5, seen))
            mixed = maps[-1].to(v.dtype) @ v
        result: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return result

    def _split(self, x: Tensor) -> Tensor:
        batch, steps, width = x.shape
        return x.view(batch, steps, self.heads, width // self.heads).transpose(1, 2)


def _angles(steps: int, channels: int, device: torch.device) -> Tensor:
    """``[steps, ⌈channels / 2⌉]``: place · 10000^(−2i / channels)."""
    rates = BASE ** -(torch.arange(0, channels, 2, device=device) / channels)
    return torch.arange(steps, device=device)[:, None] * rates


def rotated(x: Tensor) -> Tensor:
    """Pairs of channels turned by the angle of their frame (Su et al., RoFormer, 2021, equation 34).

    A product of a turned query and a turned key depends on their distance only, whatever their places:
    there is nothing to learn, and no longest utterance.

    Args:
        x: ``[B, heads, T, C]``, C even.
    """
    angles = _angles(x.shape[-2], x.shape[-1], x.device)
    a, b = x.float().chunk(2, dim=-1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1).to(x.dtype)


def sinusoidal(steps: int, width: int, device: torch.device) -> Tensor:
    """Sines and cosines ``[steps, width]`` of each frame's place (Vaswani et al., NeurIPS 2017, § 3.5)."""
    angles = _angles(steps, width, device)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width]


class TransformerBlock(nn.Module):
    """Self-attention and a feed-forward network, each on normalised input and added to it.

    The order of Xiong et al., On Layer Normalization in the Transformer Architecture (ICML 2020).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.width
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, config.heads, rotary=config.position == "rotary")
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, frames: Frames, maps: list[Tensor] | None = None) -> Frames:
        """``[B, T, W]`` to the same; ``maps`` as in :class:`Attention`."""
        normed = self.attention_norm(frames.values)
        x = frames.values + self.dropout(self.attention(normed, normed, frames.mask, maps))
        return Frames(x + self.dropout(self.feed_forward(x)), frames.lengths)


class SelfAttention(nn.Module):
    """Each frame attends to its own stream, block after block; none at all where none are wanted."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(TransformerBlock(config) for _ in range(config.self_attention))
        self.adds_position = config.self_attention > 0 and config.position == "sinusoidal"

    def forward(self, frames: Frames, maps: list[Tensor] | None = None) -> Frames:
        """``[B, T, W]`` to the same; ``maps`` gets one tensor ``[B, heads, T, T]`` per block."""
        if self.adds_position:
            x = frames.values
            frames = Frames(x + sinusoidal(x.shape[1], x.shape[2], x.device).to(x.dtype), frames.lengths)
        for block in self.blocks:
            frames = block(frames, maps)
        return frames
