"""UA, CCC and all they are made of as functions of sums over utterances, for many replicates at once.

One row of weights times one table of per-utterance (or per-speaker) terms is a replicate: none is computed
from scratch. Definitions are those of :mod:`serhpo.metrics`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
FloatArray: TypeAlias = npt.NDArray[np.float64]


def terms(labels: Array, predicted: Array, dimensions: Array, targets: Array, classes: int) -> FloatArray:
    """What the figures of utterances are functions of the sums of.

    Returns:
        ``[n, classes² + 6·D]``: cell of the confusion matrix, then 1, x, y, x², y², xy per dimension.
    """
    cells = np.zeros((len(labels), classes * classes))
    labelled = np.flatnonzero(labels >= 0)
    cells[labelled, labels[labelled] * classes + predicted[labelled]] = 1
    columns = [cells]
    for x, y in zip(dimensions.T.astype(np.float64), targets.T.astype(np.float64), strict=True):
        known = ~np.isnan(y)
        # Centred, so that the sums of squares lose no digits; CCC does not change when both shift.
        centre = y[known].mean() if known.any() else 0.0
        x, y = np.where(known, x - centre, 0), np.where(known, y - centre, 0)
        columns.append(np.stack([known, x, y, x * x, y * y, x * y], axis=1))
    return np.concatenate(columns, axis=1)


def added_up(rows: FloatArray, owner: Array) -> FloatArray:
    """``[units, T]``: the rows of each unit, summed."""
    totals = np.zeros((int(owner.max()) + 1, rows.shape[1]))
    np.add.at(totals, owner, rows)
    return totals


def matrices(sums: FloatArray, classes: int) -> FloatArray:
    """``[R, classes, classes]`` confusion matrices out of ``[R, T]`` sums of terms."""
    return sums[:, : classes * classes].reshape(-1, classes, classes)


def recalls(sums: FloatArray, classes: int) -> FloatArray:
    """``[R, classes]`` recall of each class, NaN where the labels do not have it."""
    counts = matrices(sums, classes)
    return divide(np.diagonal(counts, axis1=1, axis2=2), counts.sum(axis=2))


def cccs(sums: FloatArray, classes: int) -> FloatArray:
    """``[R, D]`` CCC of each dimension, NaN where nobody rated it."""
    moments = sums[:, classes * classes :].reshape(len(sums), -1, 6)
    count, x, y, xx, yy, xy = np.moveaxis(moments, 2, 0)
    joint = count * xy - x * y
    denominator = count * xx - x * x + count * yy - y * y + (x - y) ** 2
    ccc = np.divide(2 * joint, denominator, out=np.zeros_like(joint), where=denominator > 1e-12)
    return np.where(count > 0, ccc, np.nan)


def mean_of_known(values: FloatArray) -> FloatArray:
    """``[R]`` from ``[R, …]``: the mean over what is not NaN."""
    known = ~np.isnan(values)
    return divide(np.where(known, values, 0).sum(axis=1), known.sum(axis=1))


def divide(total: Array, count: Array) -> FloatArray:
    """The ratio, NaN where the count is 0."""
    ratio: FloatArray = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return ratio
