"""What a forward pass can tell about itself: attention, pooling and fusion weights."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from serhpo.model.frames import Frames


@dataclass
class Explanation:
    """The weights of one forward pass, fp32, detached, on the CPU: ``.numpy()`` works on each.

    T and S are encoder frames of a stream; weights on padding are 0. A part the model does not have is
    empty. Attention weights tell where the model looked, not why it decided (Jain & Wallace, NAACL 2019).

    Attributes:
        frames_per_second: Of each stream's encoder frames, the unit of every axis over time.
        lengths: Encoder frames ``[B]`` of each utterance in each stream.
        self_attention: ``[B, blocks, heads, T, T]`` of each stream: asking frame, asked frame.
        co_attention: ``[B, heads, T, S]`` under asking and asked stream (``co_attention: cross``).
        frame_weights: ``[B, T]`` the other streams give each frame (``co_attention: frame_weighting``).
        pooling: ``[B, T]``, the share of each frame in its stream's vector.
        fusion: ``[B, streams]``, in the model's order, the share of each stream; for ``gated`` the mean
            gate, which need not sum to 1; None where the fusion has no such weights.
    """

    frames_per_second: dict[str, float] = field(default_factory=dict)
    lengths: dict[str, Tensor] = field(default_factory=dict)
    self_attention: dict[str, Tensor] = field(default_factory=dict)
    co_attention: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    frame_weights: dict[str, Tensor] = field(default_factory=dict)
    pooling: dict[str, Tensor] = field(default_factory=dict)
    fusion: Tensor | None = None

    def add_stream(self, name: str, frames: Frames, frames_per_second: float, maps: list[Tensor]) -> None:
        """Note a stream's frames and the self-attention ``[B, heads, T, T]`` of each of its blocks."""
        self.frames_per_second[name] = frames_per_second
        self.lengths[name] = frames.lengths
        if maps:
            self.self_attention[name] = torch.stack(maps, dim=1)

    def detach(self) -> None:
        """Cut everything from the graph and bring it to the CPU."""
        for part in (self.self_attention, self.frame_weights, self.pooling, *self.co_attention.values()):
            part.update({name: weights.detach().float().cpu() for name, weights in part.items()})
        self.lengths = {name: lengths.cpu() for name, lengths in self.lengths.items()}
        self.fusion = None if self.fusion is None else self.fusion.detach().cpu()
