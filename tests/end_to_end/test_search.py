"""A whole search as a user runs it: real Ray, real Optuna, real training, then everything read back."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pyarrow.parquet as pq
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tests.conftest import Done, environment

pytestmark = pytest.mark.slow

SMALL = ["--space", "smoke", "--set", "streams=mfcc", "--set", "model.width=16", "--set", "search.epochs=4"]


@pytest.fixture(scope="module")
def finished(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """Home folder and output of a search of eight trials."""
    home = tmp_path_factory.mktemp("home")
    command = [sys.executable, "-m", "serhpo.cli.app", "search", *SMALL, "--corpus", small_corpus]
    # The strictest ranking: trials of so little data differ by chance, and some must be pruned.
    command += ["--name", "first", "--trials", "8", "--set", "search.ranking=nondominated"]
    command += ["--log-to", "tensorboard"]
    done = subprocess.run(
        map(str, command), capture_output=True, text=True, env=environment(home), timeout=600
    )
    return home, Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def home(finished: tuple[Path, Done]) -> Path:
    return finished[0]


@pytest.fixture
def journal(home: Path) -> optuna.Study:
    return optuna_study(home / "studies" / "first")


def optuna_study(folder: Path) -> optuna.Study:
    storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage)


def trials_of(folder: Path) -> list[tuple[int, dict[str, Any], list[float] | None]]:
    return [(trial.number, trial.params, trial.values) for trial in optuna_study(folder).trials]


def test_search_ends_with_a_front_and_names_the_report(finished: tuple[Path, Done]) -> None:
    home, done = finished
    assert done.code == 0, done.err
    assert "Pareto front of first" in done.out
    assert "class means: " in done.out
    assert f"report: {home / 'studies' / 'first' / 'report.html'}" in done.out
    assert (home / "studies" / "first" / "report.html").stat().st_size > 100_000


def test_front_is_complete_and_mutually_nondominated(serhpo: Callable[..., Done]) -> None:
    document = serhpo("front", "first", "--json").json
    assert document["schema_version"] == 1
    assert document["objectives"] == ["ua", "ccc"]
    assert document["front"]
    points = [(row["values"]["ua"], row["values"]["ccc"]) for row in document["front"]]
    for a in points:
        assert not any(b != a and b[0] >= a[0] and b[1] >= a[1] for b in points)
    assert {row["state"] for row in document["front"]} == {"COMPLETE"}
    assert document["front"][0].keys() >= {"number", "state", "epoch", "values", "params"}
    assert set(document["baselines"]) >= {"majority_class", "class_mean", "class_mean_oracle"}
    expected = sum(  # area of the union of boxes above (1/4, 0), worked out by sweeping over UA
        max(0.0, ua - 0.25) * max(0.0, ccc - best)
        for (ua, ccc), best in zip(sorted(points, reverse=True), _running_best(points), strict=True)
    )
    assert document["hypervolume"] == pytest.approx(expected, abs=1e-9)


def _running_best(points: list[tuple[float, float]]) -> Iterator[float]:
    best = 0.0
    for _, ccc in sorted(points, reverse=True):
        yield best
        best = max(best, ccc)


def test_status_agrees_with_journal_ledger_and_results(
    serhpo: Callable[..., Done], journal: optuna.Study, home: Path
) -> None:
    document = serhpo("status", "first", "--json").json
    states = Counter(trial.state.name for trial in journal.trials)
    assert document["asked"] == 8
    assert document["trials"] == {s: states[s] for s in ("COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING")}
    assert states["COMPLETE"] + states["PRUNED"] == 8
    folder = home / "studies" / "first"
    rows = [json.loads(line) for line in (folder / "epochs.jsonl").read_text().splitlines()]
    keys = [(row["trial"], row["epoch"]) for row in rows]
    assert len(keys) == len(set(keys)) == document["epochs"]
    assert {row["host"] for row in rows} == {platform.node()}
    results = {row["number"]: row for row in pq.read_table(folder / "results.parquet").to_pylist()}
    for trial in journal.trials:
        assert results[trial.number]["state"] == trial.state.name
        if trial.values:
            assert [results[trial.number]["ua"], results[trial.number]["ccc"]] == trial.values


def test_pruned_trials_stopped_at_a_rung_with_their_last_values(journal: optuna.Study, home: Path) -> None:
    lines = (home / "studies" / "first" / "epochs.jsonl").read_text().splitlines()
    rows = {(row["trial"], row["epoch"]): row for row in map(json.loads, lines)}
    pruned = [trial for trial in journal.trials if trial.state.name == "PRUNED"]
    assert len(pruned) >= 2
    for trial in pruned:
        notes = trial.user_attrs
        assert notes["epoch"] == notes["rung"] in (1, 3)
        row = rows[trial.number, notes["epoch"]]
        assert notes["values"] == {"ua": row["ua"], "ccc": row["ccc"]}
        assert (trial.number, notes["epoch"] + 1) not in rows


def test_complete_trials_have_the_values_of_their_one_best_epoch(journal: optuna.Study, home: Path) -> None:
    lines = (home / "studies" / "first" / "epochs.jsonl").read_text().splitlines()
    rows = list(map(json.loads, lines))
    for trial in journal.trials:
        mine = [row for row in rows if row["trial"] == trial.number]
        if trial.state.name == "COMPLETE":
            best = max(mine, key=lambda row: row["ua"] + row["ccc"])
            assert [row["epoch"] for row in mine] == [1, 2, 3, 4]
            assert (trial.user_attrs["epoch"], trial.values) == (best["epoch"], [best["ua"], best["ccc"]])


def test_only_front_members_keep_a_checkpoint(serhpo: Callable[..., Done], home: Path) -> None:
    front = {str(row["number"]) for row in serhpo("front", "first", "--json").json["front"]}
    trials = home / "studies" / "first" / "trials"
    assert {folder.parent.name for folder in trials.glob("*/best")} == front
    assert not list(trials.glob("*/last"))


def test_train_repeats_a_trial_in_every_figure(serhpo: Callable[..., Done], home: Path) -> None:
    number = serhpo("front", "first", "--json").json["front"][0]["number"]
    job = home / "studies" / "first" / "trials" / str(number) / "config.json"
    document = serhpo("train", job, "--json").json
    lines = (home / "studies" / "first" / "epochs.jsonl").read_text().splitlines()
    rows = {row["epoch"]: row for row in map(json.loads, lines) if row["trial"] == number}
    assert document["repeats_study"] is True
    for row in document["epochs"]:
        del row["seconds"]
        assert row.items() <= rows[row["epoch"]].items()  # bit for bit


def test_a_finished_study_grows(serhpo: Callable[..., Done], home: Path) -> None:
    shutil.copytree(home / "studies" / "first", home / "studies" / "grown")  # the others count to eight
    before = trials_of(home / "studies" / "grown")
    done = serhpo("resume", "grown", "--trials", "10")
    assert done.code == 0, done.err
    status = serhpo("status", "grown", "--json").json
    assert (status["asked"], sum(status["trials"].values()), status["resumed"]) == (10, 10, 1)
    after = trials_of(home / "studies" / "grown")
    assert after[:8] == before
    assert all(params not in [p for _, p, _ in before] for _, params, _ in after[8:])


def test_every_trial_was_told_to_tensorboard_under_its_number(home: Path) -> None:
    folder = home / "studies" / "first"
    ledger = (folder / "epochs.jsonl").read_text().splitlines()
    trained = {f"trial-{json.loads(line)['trial']}" for line in ledger}
    logs = {path.parent.name for path in folder.glob("logs/tensorboard/*/events.out.tfevents.*")}
    assert logs == trained
    assert not (folder / "tune").exists()
