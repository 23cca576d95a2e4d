"""A node that is lost in mid-search, on a real cluster: its trials go on elsewhere, at no cost to them."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from serhpo.study import Study
from tests.chaos.invariants import ledger
from tests.cluster.conftest import private_cluster
from tests.conftest import environment

QUICK = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 1000}
"""Settings of the head: a lost node is noticed in seconds."""

TRIALS = 16


@pytest.mark.slow
def test_a_lost_node_is_no_failure_of_its_trials(tmp_path: Path) -> None:
    with private_cluster(_system_config=QUICK) as cluster:
        first, _ = cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)
        command = [
            sys.executable,
            "-m",
            "tests.chaos.replayed",
            "search",
            "--space",
            "smoke",
            "--name",
            "cut",
        ]
        command += ["--trials", TRIALS, "--wait-nodes", "3", "--set", "search.max_failures=0", "--json"]
        search = subprocess.Popen(
            map(str, command),
            env={**environment(tmp_path), "RAY_ADDRESS": cluster.address, "RAY_AUTH_MODE": "disabled"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        study = tmp_path / "studies" / "cut"
        while search.poll() is None and len(ledger(study)) < 20:
            time.sleep(0.1)
        before = ledger(study)
        cluster.remove_node(first, allow_graceful=False)
        _, said = search.communicate(timeout=300)
    assert search.returncode == 0, said
    assert "2 at once" in said
    assert ledger(study)[: len(before)] == before
    counts = Study(study).counts()
    assert counts["COMPLETE"] + counts["PRUNED"] == TRIALS, counts
