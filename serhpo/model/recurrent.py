"""Recurrent layers in both directions, on padded batches that leave no trace of their padding."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor, nn

from serhpo.model.frames import Frames


class BidirectionalLayer(nn.Module):
    """One recurrent layer read forwards and one read backwards, side by side.

    Graves & Schmidhuber, Framewise phoneme classification with bidirectional LSTM (Neural Networks 2005).
    The backward layer reads every utterance from its own last frame, so padding, which only ever
    follows, reaches neither direction. Packed sequences give the same and take 1.4 to 5 times as long
    on a CPU, where they miss its fast kernels.

    Args:
        cell: ``nn.LSTM`` or ``nn.GRU``.
        width: Channels in and, half of them from either direction, out.
    """

    def __init__(self, cell: type[nn.LSTM] | type[nn.GRU], width: int) -> None:
        super().__init__()
        self.ahead = cell(width, width // 2, batch_first=True)
        self.back = cell(width, width // 2, batch_first=True)

    def forward(self, frames: Frames) -> Frames:
        """``[B, T, width]`` to the same."""
        turned = _mirror(frames)
        # On a CPU, autocast makes a GRU slower than fp32 is: it has no kernel of its own there.
        slow = frames.values.device.type == "cpu" and isinstance(self.ahead, nn.GRU)
        with torch.autocast("cpu", enabled=False) if slow else nullcontext():
            values = frames.values.float() if slow else frames.values
            ahead, _ = self.ahead(values)
            back, _ = self.back(torch.take_along_dim(values, turned, dim=1))
        back = torch.take_along_dim(back, turned, dim=1)
        return Frames(torch.cat([ahead, back], dim=-1), frames.lengths)


def _mirror(frames: Frames) -> Tensor:
    """``[B, T, 1]``: the place of each frame when its utterance, and not its padding, is turned round."""
    steps = torch.arange(frames.values.shape[1], device=frames.lengths.device)
    return torch.where(frames.mask, frames.lengths[:, None] - 1 - steps, steps)[..., None]


class RecurrentBlocks(nn.Module):
    """Bidirectional layers one after another, with dropout after each.

    LSTM: Hochreiter & Schmidhuber (Neural Computation 1997); GRU: Cho et al. (EMNLP 2014).

    Args:
        cell: ``nn.LSTM`` or ``nn.GRU``.
        width: Channels in and out, even.
        depth: Layers.
        dropout: After each layer.
    """

    def __init__(self, cell: type[nn.LSTM] | type[nn.GRU], width: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(BidirectionalLayer(cell, width) for _ in range(depth))
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames: Frames) -> Frames:
        """``[B, T, width]`` to the same."""
        for layer in self.layers:
            update = layer(frames)
            frames = Frames(self.dropout(update.values), frames.lengths)
        return frames
