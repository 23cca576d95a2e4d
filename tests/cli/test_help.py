"""``serhpo --help`` is quick because of what it does not import."""

from __future__ import annotations

import subprocess
import sys


def test_help_loads_no_library_that_computes() -> None:
    code = "import sys, serhpo.cli.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert loaded.isdisjoint({"torch", "ray", "optuna", "numpy", "pyarrow", "pydantic", "yaml", "plotly"})
