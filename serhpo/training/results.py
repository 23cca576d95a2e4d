"""What an epoch yields: pooled validation predictions, and the figures measured on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from serhpo.metrics import CccSums, confusion, macro_f1, ua, wa
from serhpo.training.data import TrainingData
from serhpo.training.uncertainty import influence, standard_errors

FloatArray: TypeAlias = npt.NDArray[np.float32]
IntArray: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class EpochResult:
    """One epoch of a trial: figures on the predictions pooled over the folds' validation speakers.

    Attributes:
        epoch: Counted from 1.
        ua: Unweighted accuracy.
        ccc: Mean CCC over the dimensions that are rated.
        wa: Weighted accuracy.
        macro_f1: Mean F1 over classes.
        ccc_valence: CCC of valence, None where nobody rated it.
        ccc_arousal: CCC of arousal.
        ccc_dominance: CCC of dominance.
        se_ua: Standard error of ``ua``.
        se_ccc: Standard error of ``ccc``.
        loss_class: Mean classification loss on the training batches of this epoch, mean over folds.
        loss_dimension: The same of the dimension loss.
        weight_class: Weight of the classification loss in this epoch, mean over its steps and over folds.
        weight_dimension: The same of the dimension loss.
        seconds: Wall time of the epoch, all folds, with evaluation.
        parameters: Trainable weights of the model; None in what an older version wrote.
    """

    epoch: int
    ua: float
    ccc: float
    wa: float
    macro_f1: float
    ccc_valence: float | None
    ccc_arousal: float | None
    ccc_dominance: float | None
    se_ua: float
    se_ccc: float
    loss_class: float
    loss_dimension: float
    weight_class: float
    weight_dimension: float
    seconds: float
    parameters: int | None = None

    @property
    def score(self) -> float:
        """(UA + CCC) / 2: which epoch of a trial counts."""
        return (self.ua + self.ccc) / 2

    def to_json(self) -> dict[str, Any]:
        """Plain values, by field name."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EpochResult:
        """Back from :meth:`to_json`."""
        return cls(**data)


@dataclass(frozen=True)
class Predictions:
    """What the folds' models say about their validation utterances, fold after fold.

    Attributes:
        utterances: ``[n]`` indices into the corpus.
        folds: ``[n]`` index of the fold whose model it was.
        log_probabilities: ``[n, K]``.
        dimensions: ``[n, 3]`` in scaled units.
    """

    utterances: IntArray
    folds: IntArray
    log_probabilities: FloatArray
    dimensions: FloatArray

    @classmethod
    def pool(cls, parts: Sequence[Predictions]) -> Predictions:
        """All parts one after another."""
        return cls(
            np.concatenate([part.utterances for part in parts]),
            np.concatenate([part.folds for part in parts]),
            np.concatenate([part.log_probabilities for part in parts]),
            np.concatenate([part.dimensions for part in parts]),
        )


def measure(predictions: Predictions, data: TrainingData, seed: int) -> dict[str, float | None]:
    """The figures of an :class:`EpochResult` that predictions decide.

    Args:
        predictions: Pooled over the folds.
        data: Labels, ratings and speakers of the corpus they index.
        seed: Of the bootstrap.
    """
    rows = predictions.utterances
    labels, targets = data.labels[rows], data.dimensions[rows]
    classes, known = predictions.log_probabilities.argmax(axis=1), labels >= 0
    matrix = confusion(labels[known], classes[known], len(data.classes))
    cccs = [
        CccSums.merge(
            [
                CccSums.of(predictions.dimensions[part, index], targets[part, index])
                for part in (predictions.folds == fold for fold in np.unique(predictions.folds))
            ]
        ).value()
        for index in range(targets.shape[1])
    ]
    se_ua, se_ccc = standard_errors(
        labels, classes, predictions.dimensions, targets, data.speakers[rows], len(data.classes), seed
    )
    valence, arousal, dominance = (None if np.isnan(value) else value for value in cccs)
    return {
        "ua": ua(matrix),
        "ccc": float(np.nanmean(cccs)),
        "wa": wa(matrix),
        "macro_f1": macro_f1(matrix),
        "ccc_valence": valence,
        "ccc_arousal": arousal,
        "ccc_dominance": dominance,
        "se_ua": se_ua,
        "se_ccc": se_ccc,
    }


def influences(predictions: Predictions, data: TrainingData) -> dict[str, npt.NDArray[np.float64]]:
    """:func:`serhpo.training.uncertainty.influence` of predictions on their UA and mean CCC."""
    rows = predictions.utterances
    return influence(
        data.labels[rows],
        predictions.log_probabilities.argmax(axis=1),
        predictions.dimensions,
        data.dimensions[rows],
        data.speakers[rows],
        len(data.classes),
    )
