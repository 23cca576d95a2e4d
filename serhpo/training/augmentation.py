"""Augmentation of a training batch: masks, and blends of two utterances. Draws torch's random numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from serhpo.training.config import Augmentation

BANDS = ("mel",)  # streams whose neighbouring channels belong together


def mask(
    features: Mapping[str, Tensor],
    lengths: Mapping[str, Tensor],
    means: Mapping[str, Tensor],
    config: Augmentation,
) -> dict[str, Tensor]:
    """SpecAugment: stretches of frames, and bands of the Mel spectrogram, set to the channels' means.

    Every utterance and stream has masks of its own, drawn from the frames that it has itself: those of
    the batch would hide a short utterance whole.

    Args:
        features: ``[B, T, C]`` of each stream.
        lengths: ``[B]`` frames of each utterance in each stream.
        means: ``[C]`` of each stream over the training speakers.
        config: How many masks, and how long.

    Returns:
        New tensors where something is masked.
    """
    masked = dict(features)
    for stream, values in features.items():
        own, channels = lengths[stream], torch.full_like(lengths[stream], values.shape[2])
        for _ in range(config.time_masks):
            inside = _stretches(own, values.shape[1], config.mask_share)[:, :, None]
            masked[stream] = torch.where(inside, means[stream], masked[stream])
        for _ in range(config.channel_masks if stream in BANDS else 0):
            inside = _stretches(channels, values.shape[2], config.mask_share)[:, None, :]
            masked[stream] = torch.where(inside, means[stream], masked[stream])
    return masked


def _stretches(sizes: Tensor, width: int, share: float) -> Tensor:
    """``[B, width]``, true on a stretch within the first ``sizes`` ``[B]``, of at most a share of them."""
    length = torch.rand(len(sizes), device=sizes.device) * (share * sizes).round().clamp(min=1)
    first = (torch.rand(len(sizes), device=sizes.device) * (sizes - length)).long()
    place = torch.arange(width, device=sizes.device)
    return (place >= first[:, None]) & (place < (first + length.long())[:, None])


class Blend:
    """Mixup: every utterance of a batch becomes ``share`` itself and the rest another one.

    One share for the batch, at least a half, so that an utterance keeps its own length: where the other
    has ended, its own frames stay as they are.

    Args:
        size: Utterances in the batch.
        alpha: Of the Beta(α, α) distribution that the share is drawn from.
    """

    def __init__(self, size: int, alpha: float) -> None:
        drawn = float(torch.distributions.Beta(alpha, alpha).sample())
        self.share = max(drawn, 1 - drawn)
        self.other = torch.randperm(size)

    def frames(self, values: Tensor, lengths: Tensor) -> Tensor:
        """``[B, T, C]`` frames, of which the first ``lengths`` ``[B]`` are each utterance's own."""
        other = self.other.to(values.device)
        both = torch.minimum(lengths, lengths[other])
        inside = torch.arange(values.shape[1], device=values.device) < both[:, None]
        return torch.where(inside[..., None], self.targets(values), values)

    def targets(self, values: Tensor) -> Tensor:
        """``[B, …]`` class distributions or ratings; what one of the two lacks, the blend lacks."""
        return self.share * values + (1 - self.share) * values[self.other.to(values.device)]
