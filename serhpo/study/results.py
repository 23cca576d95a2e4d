"""``results.parquet``: journal and ledger as one table, a row a trial, for people who analyse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from serhpo.files import replace_file
from serhpo.study.folder import Study
from serhpo.study.trial import TrialRecord

_KINDS = {
    "number": pa.int64(),
    "state": pa.string(),
    "epoch": pa.int64(),
    "rung": pa.int64(),
    "reason": pa.string(),
}
"""Columns every study has, whatever is in them; then come the objectives."""


def write_results(study: Study) -> Path:
    """Write the table of :func:`results_table` into the study's folder.

    Raises:
        StorageError: It cannot be written; an older one is intact.
    """
    path = study.path / "results.parquet"
    table = results_table(study)
    replace_file(path, lambda temporary: pq.write_table(table, temporary))
    return path


def results_table(study: Study) -> pa.Table:
    """One row a trial, by number: journal and ledger together.

    Columns are ``number, state, epoch, rung, reason``, the objectives and everything else measured at
    that epoch, and the parameters as ``params.<parameter>``, null where a trial does not have one.
    """
    at_epoch = {(row["trial"], row["epoch"]): row for row in study.epochs()}
    rows = [_flat(trial, at_epoch.get((trial.number, trial.epoch), {})) for trial in study.trials()]
    kinds = {**_KINDS, **{objective.metric: pa.float64() for objective in study.objectives}}
    columns = {**kinds, **dict.fromkeys(name for row in rows for name in row if name not in kinds)}
    return pa.table({name: column(rows, name, kind) for name, kind in columns.items()})


def _flat(trial: TrialRecord, row: Mapping[str, Any]) -> dict[str, Any]:
    """A trial as one row: the figures are those of the epoch that stands for it."""
    head = {"number": trial.number, "state": trial.state, "epoch": trial.epoch}
    ending = {name: trial.notes.get(name) for name in ("rung", "reason")}
    measured = {name: value for name, value in row.items() if name not in ("trial", "epoch", "decision")}
    params = {f"params.{name}": value for name, value in trial.params.items()}
    return {**head, **ending, **measured, **(trial.values or {}), **params}


def column(rows: Sequence[Mapping[str, Any]], name: str, kind: pa.DataType | None = None) -> pa.Array:
    """Values of one column of rows, of a kind if one is given; as text where values are of mixed kinds."""
    values = [row.get(name) for row in rows]
    kinds = {type(value) for value in values if value is not None}
    if kind is None and len(kinds) > 1 and kinds != {int, float}:
        values = [None if value is None else str(value) for value in values]
    return pa.array(values, kind)
