"""``results.parquet``: journal and ledger as one table, a row a trial, for people who analyse."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from serhpo.files import replace_file
from serhpo.study.folder import Study
from serhpo.study.trial import TrialRecord


def write_results(study: Study) -> Path:
    """Derive the table; parameters are columns named ``params.<parameter>``.

    Raises:
        StorageError: It cannot be written; an older one is intact.
    """
    at_epoch = {(row["trial"], row["epoch"]): row for row in study.epochs()}
    rows = [_flat(trial, at_epoch.get((trial.number, trial.epoch), {})) for trial in study.trials()]
    columns = dict.fromkeys(name for row in rows for name in row)
    path = study.path / "results.parquet"
    table = pa.table({name: _column(rows, name) for name in columns})
    replace_file(path, lambda temporary: pq.write_table(table, temporary))
    return path


def _flat(trial: TrialRecord, row: Mapping[str, Any]) -> dict[str, Any]:
    """A trial as one row: the figures are those of the epoch that stands for it."""
    head = {"number": trial.number, "state": trial.state, "epoch": trial.epoch}
    ending = {name: trial.notes.get(name) for name in ("rung", "reason")}
    measured = {name: value for name, value in row.items() if name not in ("trial", "epoch", "decision")}
    params = {f"params.{name}": value for name, value in trial.params.items()}
    return {**head, **ending, **measured, **(trial.values or {}), **params}


def _column(rows: list[dict[str, Any]], name: str) -> pa.Array:
    """Values of one column; as text where a parameter mixes kinds."""
    values = [row.get(name) for row in rows]
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1 and kinds != {int, float}:
        values = [None if value is None else str(value) for value in values]
    return pa.array(values)
