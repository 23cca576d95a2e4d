"""Standard errors of UA and mean CCC, of one model or of the difference of two on the same utterances.

Both figures are functions of sums over utterances, so every replicate is one row of weights times one
table of per-utterance (or per-speaker) terms: no replicate is computed from scratch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from serhpo.training.sums import added_up, cccs, mean_of_known, recalls, terms

Array: TypeAlias = npt.NDArray[Any]
FloatArray: TypeAlias = npt.NDArray[np.float64]

JACKKNIFE_SPEAKERS = 5  # fewer speakers say too little about the spread between speakers
BOOTSTRAP_REPLICATES = 200


def method(speakers: int) -> str:
    """How :func:`standard_errors` goes about so many speakers, for the note under a table."""
    if speakers >= JACKKNIFE_SPEAKERS:
        return f"jackknife over {speakers} speakers"
    return f"bootstrap over utterances, too small: {speakers} speakers say too little about speakers"


@dataclass(frozen=True)
class Resampling:
    """How to draw again what a figure was measured on.

    Attributes:
        owner: ``[n]`` unit that each row belongs to: its speaker, or its utterance.
        weights: ``[R, units]`` how often each replicate has each unit.
        scale: Factor from the replicates' variance to that of the figure.
    """

    owner: Array
    weights: FloatArray
    scale: float


def resampling(speakers: Array, seed: int, utterances: Array | None = None) -> Resampling:
    """Leave out one speaker at a time where there are enough of them, else redraw utterances.

    Args:
        speakers: ``[n]``.
        seed: Of the bootstrap.
        utterances: ``[n]`` ids, where an utterance has several rows.
    """
    names, owner = np.unique(speakers, return_inverse=True)
    count = len(names)
    if count >= JACKKNIFE_SPEAKERS:
        # the jackknife's (n − 1)/n Σ, from a variance that divides by n − 1
        return Resampling(owner, 1 - np.eye(count), (count - 1) ** 2 / count)
    owner = np.arange(len(speakers))
    if utterances is not None:
        owner = np.unique(utterances, return_inverse=True)[1]
    size = int(owner.max()) + 1
    draws = np.random.default_rng(seed).integers(0, size, (BOOTSTRAP_REPLICATES, size))
    weights = np.stack([np.bincount(draw, minlength=size) for draw in draws]).astype(np.float64)
    return Resampling(owner, weights, 1.0)


def standard_errors(
    labels: Array,
    predicted: Array,
    dimensions: Array,
    targets: Array,
    speakers: Array,
    classes: int,
    seed: int,
) -> tuple[float, float]:
    """Standard errors of UA and of the mean CCC.

    From five speakers up the delete-one-speaker jackknife (Efron & Stein 1981), which counts what
    speakers have in common; below, a bootstrap over utterances, which cannot and is too small.

    Args:
        labels: ``[n]``, −1 = none.
        predicted: ``[n]`` class indices.
        dimensions: ``[n, D]`` predictions.
        targets: ``[n, D]`` ratings, NaN = none.
        speakers: ``[n]``.
        classes: Number of classes.
        seed: Of the bootstrap.
    """
    how = resampling(speakers, seed)
    sums = how.weights @ added_up(terms(labels, predicted, dimensions, targets, classes), how.owner)
    return (
        spread(mean_of_known(recalls(sums, classes)), how.scale),
        spread(mean_of_known(cccs(sums, classes)), how.scale),
    )


def influence(
    labels: Array, predicted: Array, dimensions: Array, targets: Array, speakers: Array, classes: int
) -> dict[str, FloatArray]:
    """What each speaker has to do with UA and mean CCC; below five speakers, each utterance.

    Both figures as linear functions of the weights of utterances around equal ones, the infinitesimal
    jackknife (Jaeckel 1972; Efron 1982, "The jackknife, the bootstrap and other resampling plans", ch. 6).
    The difference of two models' values is the influence on the difference of their figures, which
    :func:`paired_error` turns into its standard error.

    Args:
        labels: ``[n]``, −1 = none.
        predicted: ``[n]`` class indices.
        dimensions: ``[n, D]`` predictions.
        targets: ``[n, D]`` ratings, NaN = none.
        speakers: ``[n]``.
        classes: Number of classes.

    Returns:
        ``ua`` and ``ccc``, each ``[speakers]`` in the order of their names or ``[n]``, of sum 0.
    """
    rows = terms(labels, predicted, dimensions, targets, classes)
    sums = rows.sum(axis=0)
    cells = classes * classes
    names, owner = np.unique(speakers, return_inverse=True)
    if len(names) >= JACKKNIFE_SPEAKERS:
        rows = added_up(rows, owner)
    return {
        "ua": rows[:, :cells] @ _ua_gradient(sums[:cells], classes),
        "ccc": rows[:, cells:] @ _mean_ccc_gradient(sums[cells:]),
    }


def paired_error(one: Array, other: Array) -> float:
    """Standard error of the difference of a figure between two models on the same utterances.

    Args:
        one: ``[m]``, the first model's :func:`influence` on the figure.
        other: ``[m]``, the second one's.
    """
    count = len(one)
    difference = np.asarray(one, dtype=np.float64) - other
    return float(np.sqrt(count / (count - 1) * difference @ difference)) if count > 1 else 0.0


def _ua_gradient(sums: FloatArray, classes: int) -> FloatArray:
    """Derivatives of UA by the cells of the confusion matrix."""
    matrix = sums.reshape(classes, classes)
    totals = matrix.sum(axis=1, keepdims=True)
    safe = np.maximum(totals, 1)
    gradient: FloatArray = (totals > 0) * (np.eye(classes) - np.diagonal(matrix)[:, None] / safe) / safe
    return gradient.ravel() / max(1, int(np.count_nonzero(totals)))


def _mean_ccc_gradient(sums: FloatArray) -> FloatArray:
    """Derivatives of the mean CCC by each dimension's six sums; 0 where its CCC is 0 by definition."""
    count, x, y, xx, yy, xy = (table := sums.reshape(-1, 6)).T
    none = np.zeros_like(count)
    joint = np.stack([xy, -y, -x, none, none, count], axis=1)
    scale = np.stack([xx + yy, -2 * y, -2 * x, count, count, none], axis=1)
    denominator = count * (xx + yy) - 2 * x * y
    usable = (denominator > 1e-12)[:, None]
    safe = np.where(usable, denominator[:, None], 1.0)
    ccc = 2 * (count * xy - x * y)[:, None] / safe
    gradient: FloatArray = usable * (2 * joint - ccc * scale) / safe
    return gradient.ravel() / max(1, int(np.count_nonzero(table[:, 0])))


def spread(values: FloatArray, scale: float) -> float:
    """Root of scaled sample variance over the replicates that could be measured."""
    values = values[~np.isnan(values)]
    return float(np.sqrt(scale * values.var(ddof=1))) if len(values) > 1 else 0.0
