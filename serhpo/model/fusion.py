"""Fusions: one vector per stream in, one vector out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class Fusion(nn.Module, ABC):
    """Maps the streams' vectors to one.

    Args:
        width: Of every vector.
        streams: How many there are.
    """

    @abstractmethod
    def __init__(self, width: int, streams: int) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        """``streams`` times ``[B, W]`` to ``[B, W]``."""

    @abstractmethod
    def weights(self, vectors: Sequence[Tensor]) -> Tensor | None:
        """How much of each stream passes, ``[B, streams]`` in 0 … 1, where the fusion decides that."""


class Concatenation(Fusion):
    """All vectors side by side, through one layer."""

    def __init__(self, width: int, streams: int) -> None:
        super().__init__(width, streams)
        self.linear = nn.Linear(streams * width, width)

    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        """``streams`` times ``[B, W]`` to ``[B, W]``."""
        return functional.gelu(self.linear(torch.cat(list(vectors), dim=-1)))

    def weights(self, vectors: Sequence[Tensor]) -> None:
        """None: its layer is the same for every utterance."""


class Gated(Fusion):
    """Σ σ(G_i [x_1 … x_n]) ⊙ tanh(W_i x_i): gated multimodal units (Arevalo et al., ICLR-W 2017)."""

    def __init__(self, width: int, streams: int) -> None:
        super().__init__(width, streams)
        self.gates = nn.Linear(streams * width, streams * width)
        self.values = nn.ModuleList(nn.Linear(width, width) for _ in range(streams))

    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        """``streams`` times ``[B, W]`` to ``[B, W]``."""
        parts = [
            gate * torch.tanh(value(vector))
            for gate, value, vector in zip(self._gates(vectors), self.values, vectors, strict=True)
        ]
        return torch.stack(parts).sum(dim=0)

    def weights(self, vectors: Sequence[Tensor]) -> Tensor:
        """Each stream's gate, ``[B, streams]``, on average over the channels; they need not sum to 1."""
        return torch.stack([gate.mean(dim=-1) for gate in self._gates(vectors)], dim=-1)

    def _gates(self, vectors: Sequence[Tensor]) -> Sequence[Tensor]:
        return torch.sigmoid(self.gates(torch.cat(list(vectors), dim=-1))).chunk(len(vectors), dim=-1)


class StreamAttention(Fusion):
    """tanh(Σ α_i D_i x_i), α = softmax_i(u · tanh(V_i x_i)): attention over the streams.

    Hori et al., Attention-Based Multimodal Fusion for Video Description (ICCV 2017), equations 10 to
    12, without the state of a decoder.
    """

    def __init__(self, width: int, streams: int) -> None:
        super().__init__(width, streams)
        self.values = nn.ModuleList(nn.Linear(width, width) for _ in range(streams))
        self.keys = nn.ModuleList(nn.Linear(width, width) for _ in range(streams))
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        """``streams`` times ``[B, W]`` to ``[B, W]``."""
        values = torch.stack([value(x) for value, x in zip(self.values, vectors, strict=True)], dim=1)
        return torch.tanh((self.weights(vectors)[..., None] * values).sum(dim=1))

    def weights(self, vectors: Sequence[Tensor]) -> Tensor:
        """Share ``[B, streams]`` of each stream; they sum to 1."""
        keys = torch.stack([key(x) for key, x in zip(self.keys, vectors, strict=True)], dim=1)
        scores: Tensor = self.score(torch.tanh(keys)).squeeze(-1)
        return scores.softmax(dim=-1)


FUSIONS: dict[str, type[Fusion]] = {
    "concatenation": Concatenation,
    "gated": Gated,
    "attention": StreamAttention,
}


def build_fusion(name: str, width: int, streams: int) -> Fusion:
    """The fusion of this name; one stream leaves nothing to fuse and goes through one layer."""
    return FUSIONS[name if streams > 1 else "concatenation"](width, streams)
