"""Co-attention: what the streams of one utterance say about each other's frames."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

import torch
from torch import Tensor, nn

from serhpo.model.attention import Attention
from serhpo.model.config import ModelConfig
from serhpo.model.frames import Frames, masked_softmax, weighted_sum


class CrossAttention(nn.Module):
    """The frames of each stream attend to those of every other, pair by pair.

    x_i + mean over j ≠ i of attention(x_i → x_j), after the crossmodal attention of Tsai et al.,
    Multimodal Transformer for Unaligned Multimodal Language Sequences (ACL 2019). The streams need no
    common frame rate.

    Args:
        config: Width, heads, dropout.
        streams: Names of the streams, two or more.
    """

    def __init__(self, config: ModelConfig, streams: list[str]) -> None:
        super().__init__()
        self.norms = nn.ModuleDict({stream: nn.LayerNorm(config.width) for stream in streams})
        self.attentions = nn.ModuleDict(
            {_pair(*pair): Attention(config.width, config.heads) for pair in permutations(streams, 2)}
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, streams: Mapping[str, Frames], maps: dict[str, dict[str, Tensor]] | None = None
    ) -> dict[str, Frames]:
        """Every stream ``[B, T, W]`` to the same, T being each stream's own.

        Args:
            streams: The frames of each stream.
            maps: Where to put the weights ``[B, heads, T, S]`` under asking and asked stream.
        """
        normed = {name: self.norms[name](x.values) for name, x in streams.items()}
        masks = {name: x.mask for name, x in streams.items()}
        result = {}
        for name, frames in streams.items():
            updates = []
            for other in (other for other in streams if other != name):
                seen: list[Tensor] | None = None if maps is None else []
                attend = self.attentions[_pair(name, other)]
                updates.append(attend(normed[name], normed[other], masks[other], seen))
                if maps is not None and seen:
                    maps.setdefault(name, {})[other] = seen[0]
            update = torch.stack(updates).mean(dim=0)
            result[name] = Frames(frames.values + self.dropout(update), frames.lengths)
        return result


def _pair(name: str, other: str) -> str:
    return f"{name}_to_{other}"


class FrameWeighting(nn.Module):
    """One weight per frame of a stream from the pooled vectors of all the others.

    After Zou et al., Speech Emotion Recognition with Co-Attention based Multi-level Acoustic Information
    (CA-MSER, ICASSP 2022). There a layer on the other streams' vectors gives the weights of the 149
    frames of a segment of fixed length. Here utterances keep their length, so the layer gives a vector
    to compare each frame with: w = softmax_t(x_t K · Q g / √W), g the others' vectors side by side; and
    it is done for every stream, not for one: v = p + O Σ_t w_t x_t, p the stream's own pooled vector.

    Args:
        config: Width, dropout.
        streams: Names of the streams, two or more.
    """

    def __init__(self, config: ModelConfig, streams: list[str]) -> None:
        super().__init__()
        width, others = config.width, len(streams) - 1
        self.queries = nn.ModuleDict({name: nn.Linear(others * width, width) for name in streams})
        self.keys = nn.ModuleDict({name: nn.Linear(width, width, bias=False) for name in streams})
        self.outs = nn.ModuleDict({name: nn.Linear(width, width) for name in streams})
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        streams: Mapping[str, Frames],
        pooled: Mapping[str, Tensor],
        weights: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Pooled vectors ``[B, W]`` of every stream to the same.

        Args:
            streams: The frames ``[B, T, W]`` of each stream.
            pooled: Their pooled vectors.
            weights: Where to put the weights ``[B, T]`` of each stream's frames.
        """
        result = {}
        for name, frames in streams.items():
            guide = torch.cat([vector for other, vector in pooled.items() if other != name], dim=-1)
            query, keys = self.queries[name](guide), self.keys[name](frames.values)
            scores = torch.einsum("bw,btw->bt", query.to(keys.dtype), keys) / keys.shape[-1] ** 0.5
            shares = masked_softmax(scores, frames.mask)
            update = self.outs[name](weighted_sum(shares, frames.values))
            result[name] = pooled[name] + self.dropout(update)
            if weights is not None:
                weights[name] = shares
        return result
