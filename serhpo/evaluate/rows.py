"""The rows of every table: candidates, single-task controls, and guesses that need no dimension head."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from serhpo.corpus.table import DIMENSIONS
from serhpo.evaluate.figures import OF_CLASSES, OF_DIMENSIONS
from serhpo.evaluate.jobs import Job, Variant
from serhpo.evaluate.record import Record
from serhpo.evaluate.shown import finished
from serhpo.study.baseline_names import BASELINES
from serhpo.training.sums import terms

Array: TypeAlias = npt.NDArray[Any]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Kind = Literal["candidate", "control", "baseline"]

_LAMBDAS: Mapping[Variant, str] = {"classes": "λ=1", "dimensions": "λ=0"}
_UNASKED: Mapping[Variant, tuple[str, ...]] = {"classes": OF_DIMENSIONS, "dimensions": OF_CLASSES}


@dataclass(frozen=True)
class Utterances:
    """Test utterances, one after another, fold after fold; under ``holdout`` each stands there once a fold.

    Attributes:
        utterances: ``[n]`` their ids.
        folds: ``[n]`` names of the folds.
        speakers: ``[n]``.
        genders: ``[n]``, None where the corpus does not tell.
        styles: ``[n]``, the same.
        labels: ``[n]`` class indices, −1 = none.
        targets: ``[n, 3]`` ratings in corpus units, NaN = none.
    """

    utterances: Array
    folds: Array
    speakers: Array
    genders: Array
    styles: Array
    labels: Array
    targets: FloatArray


@dataclass(frozen=True)
class Row:
    """Predictions of one configuration, or guesses, for the test utterances.

    Attributes:
        name: As tables call it.
        kind: What it is there for.
        trial: Whose configuration it comes from.
        seeds: The repetitions, in order.
        tested: What was tested.
        classes: Names of the classes.
        predicted: ``[S, n]`` class indices.
        dimensions: ``[S, n, 3]`` in corpus units.
        unasked: Figures that say nothing of it, since it was not trained for them.
        constant: Whether its predictions are the same for all utterances of a fold.
    """

    name: str
    kind: Kind
    trial: int
    seeds: tuple[int, ...]
    tested: Utterances
    classes: tuple[str, ...]
    predicted: Array
    dimensions: FloatArray
    unasked: tuple[str, ...] = ()
    constant: bool = False

    @cached_property
    def terms(self) -> FloatArray:
        """``[S, n, T]``: what all figures are functions of the sums of."""
        tested = self.tested
        return np.stack(
            [
                terms(tested.labels, predicted, ratings, tested.targets, len(self.classes))
                for predicted, ratings in zip(self.predicted, self.dimensions, strict=True)
            ]
        )

    def tells(self, figure: str) -> bool:
        """Whether a figure says anything about this row."""
        kind = "wa" if figure.startswith("recall_") else figure
        return kind not in self.unasked


def candidate_row(record: Record, trial: int, jobs: Sequence[Job], folds: Sequence[str]) -> Row | None:
    """The row of a trial, or None where no repetition has all its folds."""
    return _row(record, f"trial {trial}", "candidate", jobs, folds)


def control_row(record: Record, jobs: Sequence[Job], folds: Sequence[str]) -> Row | None:
    """The row of a trial's configuration trained for one task alone, or None as above."""
    if not jobs:
        return None
    name = f"trial {jobs[0].trial}, {_LAMBDAS[jobs[0].variant]}"
    row = _row(record, name, "control", jobs, folds)
    return row and replace(row, unasked=_UNASKED[jobs[0].variant])


def baseline_rows(record: Record, control: Row, jobs: Sequence[Job]) -> list[Row]:
    """The guesses derived from the classifier that was trained for classes alone.

    Args:
        record: Where predictions lie.
        control: Its row.
        jobs: Its jobs.
    """
    tested = control.tested
    found: dict[str, tuple[list[Array], list[Array]]] = {name: ([], []) for name in BASELINES}
    for seed in control.seeds:
        mine = {job.fold: job for job in jobs if job.seed == seed}
        whole = {name: (np.empty_like(tested.labels), np.empty_like(tested.targets)) for name in BASELINES}
        for fold in dict.fromkeys(tested.folds.tolist()):
            part = tested.folds == fold
            log_probabilities = np.log(_probabilities(record.predictions(mine[fold]), control.classes))
            guesses = record.knowledge(mine[fold]).guesses(log_probabilities, tested.labels[part])
            for name, (classes, ratings) in guesses.items():
                whole[name][0][part], whole[name][1][part] = classes, ratings
        for name, (classes, ratings) in whole.items():
            found[name][0].append(classes)
            found[name][1].append(ratings)
    return [
        replace(
            control,
            name=BASELINES[name].label,
            kind="baseline",
            predicted=np.stack(classes),
            dimensions=np.stack(ratings),
            unasked=(),
            constant=name == "majority_class",
            tested=_labelled(tested) if name == "class_mean_oracle" else tested,
        )
        for name, (classes, ratings) in found.items()
    ]


def _labelled(tested: Utterances) -> Utterances:
    """With no rating where there is no label: the oracle cannot be asked there."""
    return replace(tested, targets=np.where(tested.labels[:, None] >= 0, tested.targets, np.nan))


def _row(record: Record, name: str, kind: Kind, jobs: Sequence[Job], folds: Sequence[str]) -> Row | None:
    by_seed = {seed: by_fold for (_, _, seed), by_fold in finished(record, jobs).items()}
    seeds = tuple(seed for seed, found in sorted(by_seed.items()) if set(folds) <= found.keys())
    if not seeds:
        return None
    tables = {seed: [record.predictions(by_seed[seed][fold]) for fold in folds] for seed in seeds}
    classes = tuple(c.removeprefix("p_") for c in tables[seeds[0]][0].column_names if c.startswith("p_"))
    whole = [pa.concat_tables(tables[seed]) for seed in seeds]
    return Row(
        name=name,
        kind=kind,
        trial=jobs[0].trial,
        seeds=seeds,
        tested=_tested(tables[seeds[0]], folds, classes),
        classes=classes,
        predicted=np.stack([_probabilities(table, classes).argmax(axis=1) for table in whole]),
        dimensions=np.stack([_columns(table, (f"predicted_{d}" for d in DIMENSIONS)) for table in whole]),
    )


def _tested(tables: Sequence[pa.Table], folds: Sequence[str], classes: Sequence[str]) -> Utterances:
    whole = pa.concat_tables(tables)
    index = {name: number for number, name in enumerate(classes)}

    def column(name: str) -> Array:
        return np.array(whole[name].to_pylist(), dtype=object)

    return Utterances(
        utterances=column("utt_id"),
        folds=np.repeat(np.array(folds, dtype=object), [len(table) for table in tables]),
        speakers=column("speaker"),
        genders=column("gender"),
        styles=column("style"),
        labels=np.array([index.get(label, -1) for label in whole["label"].to_pylist()], dtype=np.int64),
        targets=_columns(whole, DIMENSIONS),
    )


def _probabilities(table: pa.Table, classes: Sequence[str]) -> FloatArray:
    """``[n, K]``."""
    return _columns(table, (f"p_{name}" for name in classes))


def _columns(table: pa.Table, names: Iterable[str]) -> FloatArray:
    """``[n, …]`` some columns side by side, null as NaN."""
    return np.stack([np.array(table[name].to_pylist(), dtype=np.float64) for name in names], axis=1)
