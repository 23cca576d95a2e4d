"""Every benchmark still runs and prints its table; no time is judged here."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def run(*command: str) -> Any:
    """The JSON document of a benchmark, run as a user would."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *command, "--json"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_cache() -> None:
    (result,) = run("benchmarks/cache.py", "--quick", "--channels", "40")["results"]
    assert {"serhpo", ".npy files", "Parquet"} <= set(result["rows"])
    for row in result["rows"].values():
        assert len(row["random"]) == len(row["bucketed"]) == 1
        assert row["size"] == pytest.approx(1.0, abs=0.3)
    assert len(result["memory"]) == 3


def test_extract() -> None:
    rows = run("benchmarks/extract.py", "--rounds", "1")["rows"]
    assert [row["feature"].partition(",")[0] for row in rows][:2] == ["MFCC-40", "log-Mel-64"]


def test_training() -> None:
    results = run("benchmarks/training.py", "--quick")["results"]
    assert len(results) == 3
    for result in results.values():
        assert len(result["ours"]) == len(result["plain"]) == 1
        assert sum(result["parts"].values()) == pytest.approx(1)


def test_joint_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERHPO_HOME", str(tmp_path))
    rows = run("benchmarks/joint_tasks.py", "--quick")["rows"]
    assert [row["kind"] for row in rows] == ["joint", "classification only", "class means", "dimensions only"]


def test_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERHPO_HOME", str(tmp_path))
    (row,) = run("benchmarks/checkpoints.py", "--quick")["rows"]
    assert row["share"] == row["save_s"] / row["epoch_s"]
    assert row["megabytes"] > 12 * row["parameters"] * 2 / 1e6  # weights and two moments, two folds


def test_overhead() -> None:
    figures = run("benchmarks/overhead.py", "--quick")
    assert {len(figures[name]) for name in figures if name != "goals"} == {1}
    assert all(figures[name][0] > 0 for name in ("ours", "plain", "results_per_s", "first_result_s"))


def test_scale() -> None:
    figures = run("benchmarks/scale.py", "--quick")
    assert [row["trials"] for row in figures["rows"]] == [100, 120]
    for name in ("report_ms", "end_ms", "propose_ms", "decisions_per_s", "journal_mib", "ledger_mib"):
        assert all(row[name] > 0 for row in figures["rows"]), name
    assert [ask["sampler"] for ask in figures["asks"]] == ["tpe", "nsga2"]


def test_gpu() -> None:
    found = run("benchmarks/gpu.py", "--quick")
    assert found.get("skipped") == "no GPU" or found["agreement"]["loss"] < 1e-2


def test_the_gpu_benchmark_runs_where_there_is_none() -> None:
    found = run("benchmarks/gpu.py", "--quick", "--device", "cpu")
    assert len(found["epochs"]) == 3
    assert [row["trials"] for row in found["packed"]] == [2]
    assert all(row["ms_per_step"] > 0 for row in found["fine_tuning"])
    assert found["agreement"] == {"loss": 0.0, "prediction": 0.0}


def test_profile_of_a_search() -> None:
    found = run("benchmarks/profile_search.py", "--trials", "1", "--utterances", "40")
    spent = found["worker_seconds"]
    assert all(spent[phase] > 0 for phase in ("starting", "opening", "training", "evaluating", "saving"))
    assert sum(spent.values()) <= 2 * found["seconds"]


def test_a_profile_counts_every_second_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from profile_search import phases

    def row(pid: int, phase: str, start: float, end: float, trial: int = 0) -> dict[str, Any]:
        return {"pid": pid, "phase": phase, "start": start, "end": end, "trial": trial}

    rows = [
        row(1, "step", 10, 20, trial=0),
        row(1, "opening", 10, 12),
        row(1, "training", 12, 19),
        row(1, "evaluating", 17, 19),
        row(1, "saving", 19, 20),
        row(1, "step", 21, 25, trial=0),
        row(1, "training", 21, 25),
        row(1, "step", 28, 30, trial=2),
        row(1, "training", 28, 30),
        row(2, "step", 15, 32, trial=1),
        row(2, "training", 15, 32),
    ]
    spent = phases(rows, {"began": 5, "trained": 35, "ended": 40})
    assert spent == {
        "starting": 5 + 10,
        "opening": 2,
        "training": 5 + 4 + 2 + 17,
        "evaluating": 2,
        "saving": 1,
        "between epochs": 1,
        "between trials": 3,
        "out of work": 5 + 3,
        "class means": 10,
    }
    assert sum(spent.values()) == 2 * 35
