"""The two losses of the joint model; an utterance without a label or rating is masked, never filled in."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

# Keeps 0/0 away when predictions and targets are one same constant: the loss is then 1, its gradient 0.
EPSILON = 1e-8


def cross_entropy(
    logits: Tensor, labels: Tensor, class_weights: Tensor | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """Mean cross-entropy over the labelled utterances, weighted by class.

    Args:
        logits: ``[B, K]``.
        labels: ``[B]`` class indices, −1 where there is no label.
        class_weights: ``[K]``; the mean is over weights, as in :func:`torch.nn.functional.cross_entropy`.
        label_smoothing: Share of the target spread evenly over the classes.

    Returns:
        A scalar; 0 with zero gradient when nothing is labelled.
    """
    logits = logits.float()
    if not bool((labels >= 0).any()):
        return logits.sum() * 0.0
    return functional.cross_entropy(
        logits, labels, weight=class_weights, ignore_index=-1, label_smoothing=label_smoothing
    )


def ccc_loss(predictions: Tensor, targets: Tensor) -> Tensor:
    """Mean of 1 − CCC over the dimensions that have at least two rated utterances.

    CCC with population moments over the batch (Lin 1989; as a loss Trigeorgis et al., ICASSP 2016), in
    fp32 and from centred values: the moment form loses its digits in bf16.

    Args:
        predictions: ``[B, D]``.
        targets: ``[B, D]``, NaN where there is no rating.

    Returns:
        A scalar; 0 with zero gradient when no dimension can be measured.
    """
    predictions, targets = predictions.float(), targets.float()
    known = ~torch.isnan(targets)
    count = known.sum(dim=0)
    usable = count >= 2
    if not bool(usable.any()):
        return predictions.sum() * 0.0
    size = count.clamp(min=1)
    x = torch.where(known, predictions, 0.0)
    y = torch.where(known, targets, 0.0)
    mean_x, mean_y = x.sum(dim=0) / size, y.sum(dim=0) / size
    dx, dy = torch.where(known, x - mean_x, 0.0), torch.where(known, y - mean_y, 0.0)
    joint = (dx * dy).sum(dim=0) / size
    spread = (dx.square() + dy.square()).sum(dim=0) / size
    ccc = 2 * joint / (spread + (mean_x - mean_y).square() + EPSILON)
    return (1 - ccc)[usable].mean()
