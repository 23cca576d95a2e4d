"""What must hold of a study that was killed and resumed, read from its files alone."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import optuna
import pyarrow.parquet as pq
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial

from serhpo.training.config import TrialConfig
from tests.chaos.replayed import replay

OBJECTIVES = ("ua", "ccc")


def ledger(study: Path) -> list[dict[str, Any]]:
    """Whole lines of the ledger."""
    path = study / "epochs.jsonl"
    return rows_of(path.read_bytes() if path.exists() else b"")


def rows_of(content: bytes) -> list[dict[str, Any]]:
    """Whole lines of a ledger's content."""
    text = content.decode()
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def journal(study: Path) -> list[FrozenTrial]:
    """Trials that count."""
    storage = JournalStorage(JournalFileBackend(str(study / "journal.log")))
    trials = optuna.load_study(study_name=None, storage=storage).get_trials(deepcopy=False)
    return [trial for trial in trials if "duplicate_of" not in trial.user_attrs]


def check_ledger(study: Path, before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """At any moment: no epoch twice, none missing before another, none lost that was there before."""
    return check_rows(ledger(study), before)


def check_rows(rows: list[dict[str, Any]], before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same of a ledger wherever it lies."""
    assert rows[: len(before)] == before, "an epoch that was written has changed"
    epochs = defaultdict(list)
    for row in rows:
        epochs[row["trial"]].append(row["epoch"])
    for trial, mine in epochs.items():
        assert mine == list(range(1, len(mine) + 1)), f"trial {trial} has epochs {mine}"
    return rows


def check_finished(study: Path, status: dict[str, Any], front: dict[str, Any], *, replayed: bool) -> None:
    """At the end: journal, ledger, results and commands agree, nothing runs, nothing is left over."""
    rows = check_ledger(study, [])
    by_trial: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_trial[row["trial"]].append(row)
    trials = journal(study)
    settings = {"epochs": status["epochs"], "asked": status["asked"]}
    assert len(trials) == settings["asked"], f"{len(trials)} trials, asked for {settings['asked']}"
    assert len(rows) == settings["epochs"]
    states = [trial.state.name for trial in trials]
    assert set(states) <= {"COMPLETE", "PRUNED"}, states
    assert {state: n for state, n in status["trials"].items() if n} == {s: states.count(s) for s in {*states}}
    assert status["driver"] is None
    results = {row["number"]: row for row in pq.read_table(study / "results.parquet").to_pylist()}
    assert results.keys() == {trial.number for trial in trials}
    for trial in trials:
        _check_trial(trial, by_trial[trial.number], results[trial.number])
        if replayed:
            _check_replayed(study, trial.number, by_trial[trial.number])
    _check_front(study, trials, front)
    assert not (study / "tune").exists()
    assert not (study / "driver.json").exists()


def _check_trial(trial: FrozenTrial, rows: list[dict[str, Any]], result: dict[str, Any]) -> None:
    at = trial.user_attrs["epoch"]
    values = [rows[at - 1][name] for name in OBJECTIVES]
    assert result["state"] == trial.state.name
    assert (result["epoch"], [result[name] for name in OBJECTIVES]) == (at, values)
    if trial.state.name == "COMPLETE":
        assert trial.values == values
        assert values == max(([row[name] for name in OBJECTIVES] for row in rows), key=sum)
    else:
        assert at == len(rows) == trial.user_attrs["rung"]
        assert list(trial.user_attrs["values"].values()) == values


def _check_replayed(study: Path, number: int, rows: list[dict[str, Any]]) -> None:
    job = json.loads((study / "trials" / str(number) / "config.json").read_text())
    config = TrialConfig.model_validate(job["trial"])
    for row in rows:
        expected = replay(config, job["seed"], row["epoch"]).to_json()
        assert {name: row[name] for name in expected} == expected, f"trial {number}, epoch {row['epoch']}"


def _check_front(study: Path, trials: list[FrozenTrial], front: dict[str, Any]) -> None:
    complete = {trial.number: trial.values for trial in trials if trial.state.name == "COMPLETE"}
    best = {
        number
        for number, (ua, ccc) in complete.items()
        if not any((u, c) != (ua, ccc) and u >= ua and c >= ccc for u, c in complete.values())
    }
    assert {row["number"] for row in front["front"]} == best
    kept = {int(folder.parent.name) for folder in study.glob("trials/*/best")}
    assert kept == best, f"checkpoints of {kept}, front {best}"
    assert not list(study.glob("trials/*/last"))
    assert not list(study.glob("trials/*/hung.txt"))
