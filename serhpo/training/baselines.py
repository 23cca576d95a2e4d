"""What a model must beat: guesses that need no dimension head, and one that needs no model at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from serhpo.corpus.folds import Fold
from serhpo.metrics import ccc, confusion, ua, wa
from serhpo.training.data import TrainingData
from serhpo.training.results import Predictions
from serhpo.training.statistics import class_means, mean_of
from serhpo.training.uncertainty import standard_errors

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class Knowledge:
    """All that the baselines know: counts and means over a fold's training speakers.

    Attributes:
        majority: The most frequent class.
        mean: ``[3]`` mean ratings; 0 for a dimension that nobody rated.
        class_means: ``[K, 3]`` mean ratings of each class.
    """

    majority: int
    mean: Array
    class_means: Array

    @classmethod
    def of(cls, data: TrainingData, fold: Fold) -> Knowledge:
        """What the training speakers of a fold teach."""
        train = data.rows(fold.train)
        labels, count = data.labels[train], len(data.classes)
        return cls(
            int(np.bincount(labels[labels >= 0], minlength=count).argmax()),
            mean_of(data.dimensions[train], np.zeros(data.dimensions.shape[1])),
            class_means(labels, data.dimensions[train], count),
        )

    def guesses(self, log_probabilities: Array, labels: Array) -> dict[str, tuple[Array, Array]]:
        """``[n]`` classes and ``[n, 3]`` ratings by the name of the baseline.

        Args:
            log_probabilities: ``[n, K]`` of a classifier.
            labels: ``[n]`` for the oracle, whose guess is of no use where there is none (−1).
        """
        predicted, count = log_probabilities.argmax(axis=1), len(labels)
        return {
            "majority_class": (np.full(count, self.majority), np.tile(self.mean, (count, 1))),
            "class_mean": (predicted, self.class_means[predicted]),
            "class_mean_posterior": (predicted, np.exp(log_probabilities) @ self.class_means),
            "class_mean_oracle": (labels, self.class_means[labels]),
        }


def baselines(
    predictions: Predictions, data: TrainingData, folds: Sequence[Fold]
) -> dict[str, dict[str, float | None]]:
    """Baselines on the same utterances as the predictions, pooled over folds (majority: mean over folds).

    Everything fitted (majority class, class means) comes from the fold's training speakers. Only
    utterances with a label count for accuracy, only rated ones for CCC; the class-mean rows take the
    predicted (or, for the oracle, the true) class, and the oracle leaves unlabelled utterances out.

    Args:
        predictions: Of a training of the configuration for classification only (λ = 1).
        data: The corpus they index.
        folds: The folds they were made on, in the same order.

    Returns:
        For each of ``majority_class`` (with the training mean as its ratings), ``class_mean`` (of the
        predicted class), ``class_mean_posterior`` (weighted by the predicted probabilities) and
        ``class_mean_oracle`` (of the true class): ``{"ua", "wa", "ccc", "se_ua", "se_ccc"}``.
    """
    rows, labels = predictions.utterances, data.labels[predictions.utterances]
    parts = [predictions.folds == index for index in range(len(folds))]
    guesses: dict[str, tuple[Array, Array]] = {}
    for fold, part in zip(folds, parts, strict=True):
        found = Knowledge.of(data, fold).guesses(predictions.log_probabilities[part], labels[part])
        for name, (classes, ratings) in found.items():
            new = np.empty_like(labels), np.empty((len(rows), data.dimensions.shape[1]))
            all_classes, all_ratings = guesses.setdefault(name, new)
            all_classes[part], all_ratings[part] = classes, ratings
    result = {
        name: _row(data, rows, *guess, labels >= 0 if "oracle" in name else None)
        for name, guess in guesses.items()
    }
    # Pooled, majority classes that differ from fold to fold would look worse than guessing.
    majority, means = guesses["majority_class"]
    each = [_row(data, rows[p], majority[p], means[p], None) for p in parts]
    for figure in ("ua", "wa", "ccc"):
        result["majority_class"][figure] = float(np.mean([row[figure] for row in each]))
    result["majority_class"] |= {"se_ua": None, "se_ccc": None}  # no choice of speakers changes a constant
    return result


def _row(
    data: TrainingData, rows: Array, chosen: Array, guess: Array, only: Array | None
) -> dict[str, float | None]:
    """Figures of one baseline and their standard errors; CCC on all rated rows, or on ``only`` some."""
    labels, speakers, count = data.labels[rows], data.speakers[rows], len(data.classes)
    targets = data.dimensions[rows].copy()
    if only is not None:
        targets[~only] = np.nan
    labelled = labels >= 0
    matrix = confusion(labels[labelled], chosen[labelled], count)
    se_ua, se_ccc = standard_errors(labels, chosen, guess, targets, speakers, count, seed=0)
    agreement = _mean_ccc(guess, targets)
    row = {"ua": ua(matrix), "wa": wa(matrix), "ccc": agreement, "se_ua": se_ua, "se_ccc": se_ccc}
    # A class without training speakers has no mean, and JSON no NaN.
    return {name: value if math.isfinite(value) else None for name, value in row.items()}


def _mean_ccc(guesses: Array, targets: Array) -> float:
    return float(np.nanmean([ccc(guess, target) for guess, target in zip(guesses.T, targets.T, strict=True)]))
