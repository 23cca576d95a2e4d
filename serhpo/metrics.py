"""Accuracy and agreement: WA, UA and macro-F1 from a confusion matrix, CCC from merged sums.

A confusion matrix and :class:`CccSums` are both *sums*: those of batches, folds or speakers add up to
exactly those of the whole, so nothing here is ever a mean of means. Definitions at the edges:

- a class absent from the labels does not count towards UA and macro-F1 (scikit-learn's
  ``balanced_accuracy_score``); one that is only predicted still costs precision elsewhere;
- a constant predictor has CCC 0, also against constant labels, and so has a single pair;
- nothing to measure gives NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
IntArray: TypeAlias = npt.NDArray[np.int64]
FloatArray: TypeAlias = npt.NDArray[np.float64]


def confusion(labels: Array, predictions: Array, classes: int) -> IntArray:
    """Counts of (label, prediction) pairs.

    Args:
        labels: ``[n]`` class indices.
        predictions: ``[n]`` class indices.
        classes: Number of classes, so that matrices of different parts have one shape.

    Returns:
        ``[classes, classes]``, rows are labels.

    Raises:
        ValueError: The two differ in length or an index is outside ``0 … classes − 1``.
    """
    pairs = np.stack([np.asarray(labels), np.asarray(predictions)]).astype(np.int64)
    if pairs.size and not 0 <= pairs.min() <= pairs.max() < classes:
        raise ValueError(f"a class index lies outside 0 … {classes - 1}")
    counts = np.bincount(pairs[0] * classes + pairs[1], minlength=classes * classes)
    return counts.reshape(classes, classes)


def wa(matrix: Array) -> float:
    """Weighted accuracy: the share of all utterances that is right."""
    return float(_ratio(np.trace(matrix), matrix.sum()))


def ua(matrix: Array) -> float:
    """Unweighted accuracy: the mean recall over the classes present in the labels."""
    present = matrix.sum(axis=1) > 0
    recalls = _ratio(np.diag(matrix), matrix.sum(axis=1))
    return float(recalls[present].mean()) if present.any() else float("nan")


def macro_f1(matrix: Array) -> float:
    """Mean F1 over the classes present in the labels."""
    present = matrix.sum(axis=1) > 0
    scores = _ratio(2 * np.diag(matrix), matrix.sum(axis=1) + matrix.sum(axis=0))
    return float(scores[present].mean()) if present.any() else float("nan")


def _ratio(part: Any, whole: Any) -> FloatArray:
    whole = np.asarray(whole, dtype=np.float64)
    ratio: FloatArray = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
    return ratio


@dataclass(frozen=True)
class CccSums:
    """Counts, means and centred sums of (prediction, target) pairs; two of them add up exactly.

    Merging follows Chan, Golub & LeVeque (1979): unlike sums of squares it loses nothing when the mean
    is large against the spread.

    Attributes:
        count: Pairs.
        mean_x: Mean of the predictions.
        mean_y: Mean of the targets.
        spread_x: Σ (x − mean_x)².
        spread_y: Σ (y − mean_y)².
        joint: Σ (x − mean_x)(y − mean_y).
    """

    count: int = 0
    mean_x: float = 0.0
    mean_y: float = 0.0
    spread_x: float = 0.0
    spread_y: float = 0.0
    joint: float = 0.0

    @classmethod
    def of(cls, x: Array, y: Array) -> CccSums:
        """The sums of ``[n]`` predictions and targets; pairs with a NaN target are left out.

        Raises:
            ValueError: The two differ in shape.
        """
        x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        if x.shape != y.shape:
            raise ValueError(f"{x.shape} predictions for {y.shape} targets")
        known = ~np.isnan(y)
        x, y = x[known], y[known]
        if not x.size:
            return cls()
        # Means taken from the first value: that of a constant is then exact, and its spread exactly 0.
        mean_x, mean_y = x[0] + (x - x[0]).mean(), y[0] + (y - y[0]).mean()
        dx, dy = x - mean_x, y - mean_y
        return cls(x.size, float(mean_x), float(mean_y), float(dx @ dx), float(dy @ dy), float(dx @ dy))

    def __add__(self, other: CccSums) -> CccSums:
        count = self.count + other.count
        if not self.count or not other.count:
            return self if self.count else other
        dx, dy = other.mean_x - self.mean_x, other.mean_y - self.mean_y
        cross = self.count * other.count / count
        return CccSums(
            count,
            self.mean_x + dx * other.count / count,
            self.mean_y + dy * other.count / count,
            self.spread_x + other.spread_x + dx * dx * cross,
            self.spread_y + other.spread_y + dy * dy * cross,
            self.joint + other.joint + dx * dy * cross,
        )

    @classmethod
    def merge(cls, parts: list[CccSums]) -> CccSums:
        """The sums of all parts together."""
        return reduce(cls.__add__, parts, cls())

    def value(self) -> float:
        """The concordance correlation coefficient (Lin 1989) with population moments; NaN without pairs.

        2·s_xy / (s_x² + s_y² + (mean_x − mean_y)²). Perfect agreement of constants is 0/0, and is 0
        here: a constant explains nothing.
        """
        if not self.count:
            return float("nan")
        distance = self.count * (self.mean_x - self.mean_y) ** 2
        denominator = self.spread_x + self.spread_y + distance
        return 2 * self.joint / denominator if denominator > 0 else 0.0


def ccc(x: Array, y: Array) -> float:
    """Concordance correlation coefficient of ``[n]`` predictions and targets (NaN = no target)."""
    return CccSums.of(x, y).value()
