"""``serhpo --help`` is quick because of what it does not import."""

from __future__ import annotations

import subprocess
import sys

import serhpo


def test_help_loads_no_library_that_computes() -> None:
    code = "import sys, serhpo.cli.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert loaded.isdisjoint({"torch", "ray", "optuna", "numpy", "pyarrow", "pydantic", "yaml", "plotly"})


def test_what_is_wrong_with_an_option_names_it_and_the_help_of_its_command(serhpo):
    done = serhpo("evaluate", "x", "--limit", "0")
    assert done.code == 2
    assert "--limit" in done.err
    assert "next: serhpo evaluate --help" in done.err
    assert "Missing argument 'study'\n" in serhpo("status").err


def test_python_runs_the_package_as_the_command_does() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "serhpo", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"serhpo {serhpo.__version__}\n"
