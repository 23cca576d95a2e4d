"""Padded sequences that know how long each of them really is."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class Frames(NamedTuple):
    """A padded batch of sequences.

    Attributes:
        values: ``[B, T, C]``; whatever stands behind an utterance's end means nothing.
        lengths: ``[B]`` frames of each utterance, int64, at least 1.
    """

    values: Tensor
    lengths: Tensor

    @property
    def mask(self) -> Tensor:
        """``[B, T]``, true where a frame belongs to its utterance."""
        steps = torch.arange(self.values.shape[1], device=self.lengths.device)
        return steps < self.lengths[:, None]

    @property
    def masked(self) -> Tensor:
        """The values with zeros behind each utterance's end: a neutral edge for a convolution."""
        return torch.where(self.mask[..., None], self.values, 0.0)


class StridedConv(nn.Module):
    """A 1-D convolution over time on ``[B, T, C]`` that keeps padding out.

    Zeros stand before the first and after the last frame of each *utterance*, and an utterance of n
    frames gives ⌈n / stride⌉, so neither depends on the longest neighbour in the batch. It is computed
    as one matrix product over groups of ``stride`` frames and a sum of shifted results, which at a few
    dozen channels is faster on a CPU than ``Conv1d`` and copies no input.

    Args:
        channels: Channels in.
        width: Channels out.
        kernel: Frames seen by one output frame, a multiple of ``stride``.
        stride: Frames between two output frames.
        bias: Add a learned constant.
    """

    def __init__(self, channels: int, width: int, kernel: int, stride: int = 1, bias: bool = True) -> None:
        super().__init__()
        self.stride, self.groups = stride, kernel // stride
        self.before = (kernel - stride) // 2
        self.after = kernel - stride - self.before
        bound = (kernel * channels) ** -0.5  # as torch's own convolutions start
        self.weight = nn.Parameter(
            torch.empty(self.groups * width, stride * channels).uniform_(-bound, bound)
        )
        self.bias = nn.Parameter(torch.empty(width).uniform_(-bound, bound)) if bias else None

    def forward(self, frames: Frames) -> Frames:
        """``[B, T, channels]`` to ``[B, ⌈T / stride⌉, width]``."""
        batch, steps, channels = frames.values.shape
        length = (steps + self.stride - 1) // self.stride  # not -(-a // b): ONNX truncates towards zero
        rest = length * self.stride - steps
        x = functional.pad(frames.masked, (0, 0, self.before, self.after + rest))
        grouped = x.reshape(batch, -1, self.stride * channels)
        partial = functional.linear(grouped, self.weight).chunk(self.groups, dim=-1)
        shifted = [part[:, first : first + length] for first, part in enumerate(partial)]
        result = sum(shifted[1:], start=shifted[0])
        result = result if self.bias is None else result + self.bias
        return Frames(result, (frames.lengths + self.stride - 1) // self.stride)


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last axis in fp32, where the mask is true; elsewhere 0."""
    return scores.float().masked_fill(~mask, float("-inf")).softmax(dim=-1)


def weighted_sum(weights: Tensor, values: Tensor) -> Tensor:
    """Σ_t w_t x_t of weights ``[B, T]`` and values ``[B, T, W]``: ``[B, W]``, in fp32 under autocast too."""
    with torch.autocast(values.device.type, enabled=False):
        return torch.einsum("bt,btw->bw", weights.float(), values.float())
