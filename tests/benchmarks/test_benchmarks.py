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
