"""Six kills at random moments; ``make chaos`` has two hundred."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.chaos.faulty import EPOCH, FAULTS, STUDY_SEED
from tests.chaos.invariants import check_ledger, journal
from tests.chaos.run import Chaos
from tests.chaos.s3 import S3
from tests.conftest import environment


@pytest.mark.slow
def test_nothing_is_lost_by_six_kills(tmp_path: Path) -> None:
    chaos = Chaos(tmp_path, "replayed", seed=2, trials=24, wait=1.0)
    chaos.run(6)
    assert sum(chaos.killed.values()) == 6
    assert len(chaos.killed) > 2


@pytest.mark.slow
def test_a_study_on_a_store_survives_the_loss_of_its_heads(tmp_path: Path) -> None:
    s3 = S3()
    chaos = Chaos(tmp_path, "replayed", seed=0, trials=10, wait=1.0, s3=s3, kinds={"driver": 1})
    chaos.run(2)
    s3.stop()
    assert chaos.killed == {"driver": 2}


REASONS = {
    "memory": "MemoryError: cannot allocate 1 TiB",
    "not a number": f"epoch {EPOCH} is not finite: ccc",
    "killed": "its process died 2 times; The actor is dead because its worker process has died.",
    "hangs": f"epoch {EPOCH} took longer than search.epoch_limit_s (15 s)",
}


@pytest.mark.slow
def test_trials_that_go_wrong_fail_with_their_reason_and_harm_no_other(
    home: Path, small_corpus: Path
) -> None:
    settings = ["streams=mfcc", "search.grace_period=3", "search.max_failures=1", "search.epoch_limit_s=15"]
    settings.append(f"search.seed={STUDY_SEED}")
    search = ["search", "--space", "smoke", "--name", "x", "--corpus", str(small_corpus), "--trials", "7"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.faulty", *search, *(x for s in settings for x in ("--set", s))],
        env={**environment(home), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=900,
    )
    study = home / "studies" / "x"
    trials = {trial.number: trial for trial in journal(study)}
    rows = check_ledger(study, [])
    results = {row["number"]: row for row in pq.read_table(study / "results.parquet").to_pylist()}

    assert done.returncode == 0, done.stderr
    assert sorted(trials) == list(range(7))
    for number, trial in trials.items():
        reason = REASONS.get(FAULTS.get(number, ""))
        mine = [row["epoch"] for row in rows if row["trial"] == number]
        if reason is None:
            assert trial.state.name in ("COMPLETE", "PRUNED")
            assert len(mine) in (3, 9)
        else:
            assert (trial.state.name, results[number]["state"]) == ("FAIL", "FAIL")
            assert trial.user_attrs["reason"].startswith(reason)
            assert mine == list(range(1, EPOCH))
            assert not {"last", "best"} & {path.name for path in (study / "trials" / str(number)).iterdir()}
    assert "MemoryError" in (study / "trials" / "1" / "error.txt").read_text()
    assert "faulty.py" in (study / "trials" / "4" / "hung.txt").read_text()
