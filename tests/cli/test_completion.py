"""Tab after a study or a trial: what the shell is told, by Typer's own machinery."""

import os
import subprocess
import sys

import pytest

from serhpo.study import studies_folder
from tests.fakes import make_study

COMPLETE = """
import atexit, sys
sys.argv = ["serhpo"]
from serhpo.cli.app import main
atexit.register(lambda: print(*sys.modules, file=sys.stderr))
main()
"""


@pytest.fixture
def offered(tmp_path, monkeypatch):
    """Offers to a command line that ends in what was typed so far, as bash asks for them."""
    monkeypatch.setenv("SERHPO_HOME", str(tmp_path))
    for place, name in enumerate(("first", "second", "fine")):
        folder = make_study(studies_folder() / name, name=name).path
        os.utime(folder, (place, place))
    for number in ("10", "2", "1"):
        (studies_folder() / "first" / "trials" / number / "best").mkdir(parents=True)
    (studies_folder() / "first" / "trials" / "3").mkdir()
    (studies_folder() / "thesis").mkdir()

    def offered(*words):
        asked = {"_SERHPO_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(["serhpo", *words])}
        done = subprocess.run(
            [sys.executable, "-c", COMPLETE],
            env={**os.environ, **asked, "COMP_CWORD": str(len(words))},
            capture_output=True,
            text=True,
        )
        assert {"torch", "ray", "optuna", "numpy", "pyarrow"}.isdisjoint(done.stderr.split())
        return done.stdout.split()

    return offered


def test_studies_are_offered_newest_first(offered):
    assert offered("front", "fi") == ["fine", "first"]
    assert offered("report", "first", "s") == ["second"]
    assert offered("resume", "x") == []


def test_trials_that_still_have_a_model_are_offered_by_number(offered, tmp_path):
    assert offered("export", "first", "out", "--trial", "1") == ["1", "10"]
    assert offered("evaluate", str(tmp_path / "studies" / "first"), "--trial", "2") == ["2"]
    assert offered("export", "second", "out", "--trial", "1") == []
