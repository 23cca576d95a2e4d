"""Fusions: one vector per stream in, one vector out."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional


class FusionFactory(Protocol):
    """Builds a fusion: a module that maps a list of ``[B, width]`` to one ``[B, width]``."""

    def __call__(self, width: int, streams: int) -> nn.Module:
        """Args are the width of every vector and how many there are."""


class Concatenation(nn.Module):
    """All vectors side by side, through one layer."""

    def __init__(self, width: int, streams: int) -> None:
        super().__init__()
        self.linear = nn.Linear(streams * width, width)

    def forward(self, vectors: list[Tensor]) -> Tensor:
        """``streams`` times ``[B, W]`` to ``[B, W]``."""
        return functional.gelu(self.linear(torch.cat(vectors, dim=-1)))


class Gated(nn.Module):
    """Σ σ(G_i [x_1 … x_n]) ⊙ tanh(W_i x_i): gated multimodal units (Arevalo et al., ICLR-W 2017)."""

    def __init__(self, width: int, streams: int) -> None:
        super().__init__()
        self.gates = nn.Linear(streams * width, streams * width)
        self.values = nn.ModuleList(nn.Linear(width, width) for _ in range(streams))

    def forward(self, vectors: list[Tensor]) -> Tensor:
        """``streams`` times ``[B, W]`` to ``[B, W]``."""
        gates = torch.sigmoid(self.gates(torch.cat(vectors, dim=-1))).chunk(len(vectors), dim=-1)
        parts = [
            gate * torch.tanh(value(vector))
            for gate, value, vector in zip(gates, self.values, vectors, strict=True)
        ]
        return torch.stack(parts).sum(dim=0)


FUSIONS: dict[str, FusionFactory] = {"concatenation": Concatenation, "gated": Gated}
