"""The figures of test predictions, for many replicates at once: all are functions of sums over utterances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from serhpo.corpus.table import DIMENSIONS
from serhpo.training.sums import cccs, divide, matrices, mean_of_known, recalls

Array: TypeAlias = npt.NDArray[Any]
FloatArray: TypeAlias = npt.NDArray[np.float64]

OF_CLASSES = ("wa", "ua", "macro_f1")
OF_DIMENSIONS = ("ccc", *(f"ccc_{name}" for name in DIMENSIONS))


def names(classes: Sequence[str]) -> tuple[str, ...]:
    """Names of all figures: :data:`OF_CLASSES`, a recall for each class, :data:`OF_DIMENSIONS`."""
    return (*OF_CLASSES, *(f"recall_{name}" for name in classes), *OF_DIMENSIONS)


def figures(sums: FloatArray, classes: Sequence[str]) -> Mapping[str, FloatArray]:
    """Every figure of every replicate, defined as in :mod:`serhpo.metrics`.

    Args:
        sums: ``[R, T]`` sums of :func:`serhpo.training.sums.terms`.
        classes: Names of the classes.

    Returns:
        ``[R]`` by name; NaN where there is nothing to measure.
    """
    counts = matrices(sums, len(classes))
    hits = np.diagonal(counts, axis1=1, axis2=2)
    of_label, of_prediction = counts.sum(axis=2), counts.sum(axis=1)
    recall, ccc = recalls(sums, len(classes)), cccs(sums, len(classes))
    f1 = np.where(of_label > 0, divide(2 * hits, of_label + of_prediction), np.nan)
    return {
        "wa": divide(hits.sum(axis=1), of_label.sum(axis=1)),
        "ua": mean_of_known(recall),
        "macro_f1": mean_of_known(f1),
        **{f"recall_{name}": recall[:, index] for index, name in enumerate(classes)},
        "ccc": mean_of_known(ccc),
        **{f"ccc_{name}": ccc[:, index] for index, name in enumerate(DIMENSIONS)},
    }
