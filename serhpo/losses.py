"""The losses of the joint model; an utterance without a label or rating is masked, never filled in."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# Keeps 0/0 away when predictions and targets are one same constant: the loss is then 1, its gradient 0.
EPSILON = 1e-8


def classification_loss(
    logits: Tensor,
    targets: Tensor,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
    focal_gamma: float = 0.0,
) -> Tensor:
    """Cross-entropy, or focal loss, against class distributions; the mean over labelled utterances.

    −Σ_c w_c q_c (1 − p_c)^γ log p_c, divided by Σ_c w_c q_c over the batch, as
    :func:`torch.nn.functional.cross_entropy` divides for hard labels. γ = 0 is cross-entropy; with one
    class certain, γ > 0 is the focal loss of Lin et al. (ICCV 2017), equation 5.

    Args:
        logits: ``[B, K]``.
        targets: ``[B, K]`` distributions, a hard label being a 1; rows of NaN where there is no label.
        class_weights: ``[K]``.
        label_smoothing: Share of the target spread evenly over the classes (Szegedy et al., CVPR 2016).
        focal_gamma: How much less an utterance counts that is already recognised.

    Returns:
        A scalar; 0 with zero gradient when nothing is labelled.
    """
    logits, targets = logits.float(), targets.float()
    known = ~torch.isnan(targets).any(dim=1)
    if not bool(known.any()):
        return logits.sum() * 0.0
    log_p, q = logits[known].log_softmax(dim=1), targets[known]
    weights = torch.ones_like(q[0]) if class_weights is None else class_weights
    size = (weights * q).sum()
    smooth = (1 - label_smoothing) * q + label_smoothing / q.shape[1]
    terms = -weights * smooth * log_p
    if focal_gamma:
        # Kept off 0, where p rounds to 1: for γ < 1 the gradient there is not finite.
        terms = terms * (1 - log_p.exp()).clamp(min=EPSILON).pow(focal_gamma)
    return terms.sum() / size.clamp(min=EPSILON)


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


def mse_loss(predictions: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error of each rated dimension, then the mean over them; arguments as :func:`ccc_loss`."""
    return _mean_error(predictions, targets, torch.square)


def mae_loss(predictions: Tensor, targets: Tensor) -> Tensor:
    """Mean absolute error of each rated dimension, then the mean over them; arguments as :func:`ccc_loss`."""
    return _mean_error(predictions, targets, torch.abs)


DIMENSION_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "ccc": ccc_loss,
    "mse": mse_loss,
    "mae": mae_loss,
}


def _mean_error(predictions: Tensor, targets: Tensor, error: Callable[[Tensor], Tensor]) -> Tensor:
    predictions, targets = predictions.float(), targets.float()
    known = ~torch.isnan(targets)
    count = known.sum(dim=0)
    if not bool(known.any()):
        return predictions.sum() * 0.0
    errors = error(predictions - torch.where(known, targets, 0.0)) * known
    return (errors.sum(dim=0) / count.clamp(min=1))[count > 0].mean()
