"""One row in figures: pooled and as a mean over folds, with standard errors, in all and for groups."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from serhpo.evaluate.figures import figures, names
from serhpo.evaluate.rows import Row
from serhpo.training.sums import added_up
from serhpo.training.uncertainty import resampling, spread

Array: TypeAlias = npt.NDArray[Any]
FloatArray: TypeAlias = npt.NDArray[np.float64]

GROUPINGS = ("speaker", "gender", "style")


@dataclass(frozen=True)
class Figure:
    """One figure of one row.

    Attributes:
        value: On the test utterances of all folds together, mean over the seeds.
        se: Standard error over test speakers (jackknife), or over utterances where speakers are few.
        se_seeds: Standard error over seeds; None with one seed.
        fold_mean: Mean over folds, each a mean over seeds.
        se_folds: Standard error over folds; None with one fold.
    """

    value: float
    se: float | None
    se_seeds: float | None
    fold_mean: float
    se_folds: float | None


def summarise(row: Row) -> dict[str, Figure]:
    """Every figure that says something about a row and can be measured."""
    tested, total = row.tested, row.terms.sum(axis=1)
    pooled = figures(total, row.classes)
    how = resampling(tested.speakers.astype(str), 0, tested.utterances.astype(str))
    replicates = [figures(how.weights @ added_up(terms, how.owner), row.classes) for terms in row.terms]
    folds = [
        figures(row.terms[:, tested.folds == fold].sum(axis=1), row.classes)
        for fold in dict.fromkeys(tested.folds.tolist())
    ]
    found = {}
    for name in names(row.classes):
        if not row.tells(name) or not np.isfinite(pooled[name]).all():
            continue
        each = np.array([np.nanmean(fold[name]) for fold in folds if np.isfinite(fold[name]).any()])
        drawn = np.mean([figure[name] for figure in replicates], axis=0)
        found[name] = Figure(
            # Pooled, constants that differ from fold to fold would look worse than guessing.
            value=float(each.mean() if row.constant else pooled[name].mean()),
            se=None if row.constant else spread(drawn, how.scale),
            se_seeds=None if row.constant else _standard_error(pooled[name]),
            fold_mean=float(each.mean()),
            se_folds=_standard_error(each),
        )
    return found


def by_group(row: Row) -> dict[str, dict[str, dict[str, float]]]:
    """Figures of every speaker, gender and style: ``{grouping: {value: {"utterances", figure…}}}``.

    Pooled over folds, mean over seeds. A grouping the corpus does not tell is not there.
    """
    tested = row.tested
    columns: Mapping[str, Array] = {
        "speaker": tested.speakers,
        "gender": tested.genders,
        "style": tested.styles,
    }
    found: dict[str, dict[str, dict[str, float]]] = {}
    for grouping, column in columns.items():
        for value in sorted({value for value in column.tolist() if value is not None}):
            part = column == value
            measured = figures(row.terms[:, part].sum(axis=1), row.classes)
            kept = {n: float(x.mean()) for n, x in measured.items() if row.tells(n) and np.isfinite(x).all()}
            count = len(set(tested.utterances[part].tolist()))
            found.setdefault(grouping, {})[value] = {"utterances": count, **kept}
    return found


def _standard_error(values: FloatArray) -> float | None:
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None
