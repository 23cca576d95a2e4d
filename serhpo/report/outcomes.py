"""What chosen trials say about the validation utterances: confusions, ratings, figures of every fold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serhpo.corpus.table import DIMENSIONS
from serhpo.errors import SerhpoError
from serhpo.metrics import ccc, confusion, ua
from serhpo.report.numbers import Numbers
from serhpo.study import Study
from serhpo.study.corpus import study_corpus
from serhpo.study.names import CHECKPOINT_STATE

POINTS = 400
"""Utterances a scatter plot shows; more would hide each other and make the page heavy."""


@dataclass(frozen=True)
class Outcome:
    """The validation predictions of one trial.

    Attributes:
        number: Trial number.
        matrix: ``[K, K]`` counts, rows are labels.
        ratings: By dimension, ``[n]`` rated and ``[n]`` predicted, in the units of training (−1 to 1).
        folds: By name of the fold, UA and mean CCC on its own speakers.
    """

    number: int
    matrix: NDArray[np.int64]
    ratings: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
    folds: dict[str, tuple[float, float]]


def chosen(numbers: Numbers) -> tuple[int, ...]:
    """Trials worth a closer look: the front's best in each objective, and its knee."""
    best = [numbers.best(objective.metric) for objective in numbers.objectives]
    wanted = [*(trial.number for trial in best if trial), numbers.knee]
    return tuple(dict.fromkeys(number for number in wanted if number is not None))


def outcomes(study: Study, numbers: Iterable[int]) -> tuple[tuple[Outcome, ...], str]:
    """The outcomes of trials whose predictions and corpus are still there, and why others are missing.

    The predictions lie in the trials' checkpoints, the labels in the corpus.
    """
    wanted = [n for n in numbers if (study.trial_folder(n) / "best" / CHECKPOINT_STATE).is_file()]
    if not wanted:
        return (), "no checkpoint with validation predictions is left"
    from serhpo.training.checkpoint import load_predictions  # brings torch: not for a report without

    try:
        labels = _Labels(study)
        return tuple(labels.outcome(n, load_predictions(study.trial_folder(n) / "best")) for n in wanted), ""
    except (SerhpoError, OSError) as error:
        return (), f"corpus or checkpoint cannot be read ({getattr(error, 'what', error)})"


class _Labels:
    """Labels and ratings of a study's corpus."""

    def __init__(self, study: Study) -> None:
        from serhpo.training.data import from_corpus

        self._data = from_corpus(study_corpus(study), {})
        self._folds = [fold["name"] for fold in study.folds()]

    def outcome(self, number: int, predictions: object) -> Outcome:
        from serhpo.training.results import Predictions

        if not isinstance(predictions, Predictions):
            raise TypeError(predictions)
        labels = self._data.labels[predictions.utterances]
        rated = self._data.dimensions[predictions.utterances]
        predicted = predictions.log_probabilities.argmax(axis=1)
        count = len(self._data.classes)

        def matrix(part: NDArray[np.bool_]) -> NDArray[np.int64]:
            known = part & (labels >= 0)
            return confusion(labels[known], predicted[known], count)

        folds = {}
        for index, name in enumerate(self._folds):
            part = predictions.folds == index
            pairs = zip(predictions.dimensions[part].T, rated[part].T, strict=True)
            folds[name] = (ua(matrix(part)), float(np.nanmean([ccc(x, y) for x, y in pairs])))
        shown = np.unique(np.linspace(0, len(labels) - 1, min(POINTS, len(labels))).astype(int))
        ratings = {}
        for axis, dimension in enumerate(DIMENSIONS):
            known = shown[~np.isnan(rated[shown, axis])]
            if len(known):
                ratings[dimension] = rated[known, axis], predictions.dimensions[known, axis]
        return Outcome(number, matrix(np.ones(len(labels), dtype=bool)), ratings, folds)
