"""What a model must beat: guesses that need no dimension head, and one that needs no model at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from serhpo.corpus.folds import Fold
from serhpo.metrics import ccc, confusion, ua, wa
from serhpo.training.data import TrainingData
from serhpo.training.results import Predictions
from serhpo.training.statistics import class_means
from serhpo.training.uncertainty import standard_errors

Array: TypeAlias = npt.NDArray[Any]


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
    predicted = predictions.log_probabilities.argmax(axis=1)
    posteriors = np.exp(predictions.log_probabilities)
    majority = np.empty_like(labels)
    guesses = {
        name: np.empty((len(rows), data.dimensions.shape[1]))
        for name in ("majority_class", "class_mean", "class_mean_posterior", "class_mean_oracle")
    }
    for index, fold in enumerate(folds):
        part = predictions.folds == index
        train = data.rows(fold.train)
        means = class_means(data.labels[train], data.dimensions[train], len(data.classes))
        known = data.labels[train]
        majority[part] = np.bincount(known[known >= 0], minlength=len(data.classes)).argmax()
        guesses["majority_class"][part] = np.nanmean(data.dimensions[train], axis=0)
        guesses["class_mean"][part] = means[predicted[part]]
        guesses["class_mean_posterior"][part] = posteriors[part] @ means
        guesses["class_mean_oracle"][part] = means[labels[part]]
    classes = {"majority_class": majority, "class_mean_oracle": labels}
    result = {
        name: _row(data, rows, classes.get(name, predicted), guess, labels >= 0 if "oracle" in name else None)
        for name, guess in guesses.items()
    }
    # Pooled, majority classes that differ from fold to fold would look worse than guessing.
    parts = [predictions.folds == index for index in range(len(folds))]
    each = [_row(data, rows[p], majority[p], guesses["majority_class"][p], None) for p in parts]
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
