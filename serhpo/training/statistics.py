"""What a fold learns from its training labels by counting: class weights and class means."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
FloatArray: TypeAlias = npt.NDArray[np.float32]


def class_weights(labels: Array, classes: int) -> FloatArray:
    """``[classes]`` weights n / (classes · n_c) from ``[n]`` labels (−1 = none); 0 for an absent class.

    The ``balanced`` rule of scikit-learn (King & Zeng 2001): every class weighs the same in total.
    """
    counts = np.bincount(labels[labels >= 0], minlength=classes)
    present = counts > 0
    weights = np.zeros(classes)
    weights[present] = counts.sum() / (present.sum() * counts[present])
    return weights.astype(np.float32)


def class_means(labels: Array, dimensions: Array, classes: int) -> FloatArray:
    """``[classes, 3]`` mean ratings of each class; the mean over all where a class has no rating.

    Args:
        labels: ``[n]`` class indices, −1 = none.
        dimensions: ``[n, 3]``, NaN = not rated.
        classes: Number of classes.
    """
    overall = mean_of(dimensions, np.zeros(dimensions.shape[1]))
    return np.stack([mean_of(dimensions[labels == c], overall) for c in range(classes)]).astype(np.float32)


def mean_of(values: Array, otherwise: Array) -> Array:
    """Column means over the known values."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0).sum(axis=0, dtype=np.float64)
    result: Array = np.where(count > 0, total / np.maximum(count, 1), otherwise)
    return result
