"""Where a model looked in an utterance: the weights of its parts as shares of frames and streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # figures are drawn without torch
    from serhpo.model.explanation import Explanation

Shares = NDArray[np.float64]

PARTS = {
    "self-attention": "how much its own frames ask for a frame",
    "co-attention": "how much the other streams ask for a frame",
    "pooling": "how much of a frame is in the stream's vector",
}
"""What each part's share of a frame means."""


@dataclass(frozen=True)
class Attended:
    """What the answer for one utterance attended to.

    Attention weights tell where a model looked, not why it decided (Jain & Wallace, NAACL 2019).

    Attributes:
        frames: Of each stream and each of :data:`PARTS` that the model has, the share ``[T]`` of every
            frame, on average over blocks, heads and whoever asked; sums to 1.
        fusion: Share of each stream in the fused vector, for ``gated`` its mean gate; empty where the
            fusion has no such weights.
        seconds: Length of each stream's frames.
    """

    frames: Mapping[str, Mapping[str, Shares]]
    fusion: Mapping[str, float]
    seconds: Mapping[str, float]


def attended(explanation: Explanation) -> Attended:
    """The shares of an explained batch of one utterance.

    Raises:
        ValueError: It has more than one.
    """
    streams = list(explanation.lengths)
    if any(len(lengths) != 1 for lengths in explanation.lengths.values()):
        raise ValueError("one utterance at a time")
    frames: dict[str, dict[str, Shares]] = {}
    for stream in streams:
        own = {}
        if stream in explanation.self_attention:
            own["self-attention"] = _of_frames(explanation.self_attention[stream].numpy())
        if stream in explanation.frame_weights:
            own["co-attention"] = _of_frames(explanation.frame_weights[stream].numpy())
        asking = [asked[stream] for asked in explanation.co_attention.values() if stream in asked]
        if asking:
            own["co-attention"] = np.mean([_of_frames(weights.numpy()) for weights in asking], axis=0)
        own["pooling"] = _of_frames(explanation.pooling[stream].numpy())
        frames[stream] = own
    weights = [] if explanation.fusion is None else explanation.fusion[0].tolist()
    seconds = {
        stream: int(explanation.lengths[stream][0]) / explanation.frames_per_second[stream]
        for stream in streams
    }
    return Attended(frames, dict(zip(streams, weights, strict=False)), seconds)


def mean(several: Sequence[Attended]) -> Attended:
    """The mean of what several models, as those of a trial's folds, attended to in one utterance."""
    first = several[0]
    frames = {
        stream: {part: np.mean([one.frames[stream][part] for one in several], axis=0) for part in parts}
        for stream, parts in first.frames.items()
    }
    fusion = {stream: float(np.mean([one.fusion[stream] for one in several])) for stream in first.fusion}
    return Attended(frames, fusion, first.seconds)


def profile(shares: Shares, bins: int) -> Shares:
    """Shares of frames ``[T]`` over as many equal parts of the utterance, ``[bins]``: 1 is an even share."""
    edges = np.linspace(0, len(shares), bins + 1)
    reached = np.interp(edges, np.arange(len(shares) + 1), np.concatenate([[0.0], np.cumsum(shares)]))
    result: Shares = np.diff(reached) * bins
    return result


def spread(shares: Shares) -> float:
    """Over what part of the frames shares ``[T]`` are spread: exp(entropy) / T, 1 where all are even."""
    some = shares[shares > 0]
    return float(np.exp(-(some * np.log(some)).sum()) / len(shares))


def _of_frames(weights: NDArray[np.float32]) -> Shares:
    """``[…, T]`` on average over all other axes."""
    result: Shares = weights.astype(np.float64).reshape(-1, weights.shape[-1]).mean(axis=0)
    return result
