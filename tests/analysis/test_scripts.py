"""The analysis scripts, run as a user runs them on finished studies."""

import ast
import runpy
import sys
from pathlib import Path

import pytest

from serhpo.study import studies_folder
from tests.evaluate.conftest import measured, request
from tests.fakes import make_study, random_trials

FOLDER = Path(__file__).parents[2] / "analysis"
SCRIPTS = sorted(FOLDER.glob("*.py"))


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a script in an empty folder with the names of studies; what it printed."""
    monkeypatch.setenv("SERHPO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(tmp_path)

    def run(script: str, *studies: str) -> str:
        monkeypatch.setattr(sys, "argv", [script, *studies])
        runpy.run_path(str(FOLDER / script))
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_notebooks_of_the_public_api_alone(script):
    text = script.read_text()
    assert text.startswith("# %% [markdown]\n# # ")
    imported = {
        name
        for node in ast.walk(ast.parse(text))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= {"sys", "pathlib", "serhpo", "matplotlib.pyplot"}
    assert "serhpo.open_study" in text


def test_the_front_is_reviewed(run, tmp_path):
    make_study(studies_folder() / "demo")
    out = run("review_front.py", "demo")
    assert "<study demo: 3 COMPLETE, 1 PRUNED, 1 FAIL, 1 RUNNING>" in out
    assert "trial 2  ua 0.500 ± 0.030  ccc 0.450 ± 0.020" in out
    assert "class means  ua 0.580  ccc 0.360" in out
    assert "best-ccc: trial 2, the front's best CCC" in out
    assert "mfcc+mel  ua 0.525  ccc 0.350  (2 of 3)" in out
    assert (tmp_path / "review_front.png").stat().st_size > 10_000


def test_without_matplotlib_the_text_is_there(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    make_study(tmp_path / "by_path")
    assert 'pip install "serhpo[figures]"' in run("review_front.py", "by_path")
    assert not (tmp_path / "review_front.png").exists()


def test_studies_are_compared_where_they_can_be(run, tmp_path):
    make_study(studies_folder() / "a", name="a")
    make_study(studies_folder() / "b", random_trials(20), name="b", epochs=9)
    out = run("compare_studies.py", "a", "b")
    assert "Not the same in all: epochs of a trial." in out
    row = next(line.split() for line in out.splitlines() if line.startswith("a "))
    assert row == ["a", "5", "13", "0.00", "2", "0.1425", "0.600", "0.450"]
    assert (tmp_path / "compare_studies.png").is_file()


def test_the_papers_table(run, tmp_path):
    make_study(studies_folder() / "demo")
    out = run("papers_table.py", "demo")
    assert "| mel, as in the space (best of 1) | 60.00 | 60.00 | – | – | – | 0.3000 |" in out
    assert "| mfcc+mel, as in the space (best of 2) | 50.00 | 50.00 | – | – | – | 0.4500 |" in out
    assert "72.66" not in out
    assert r"class means & 57.00 & 58.00" in (tmp_path / "papers_table.tex").read_text()


def test_the_papers_table_ends_in_test_speakers_once_they_were_read(run):
    made = make_study(studies_folder() / "demo")
    assert "serhpo evaluate demo" in run("papers_table.py", "demo")
    measured(made, request())
    out = run("papers_table.py", "demo")
    assert "| test speakers: trial 0 | " in out
    assert "| test speakers: class means | " in out
    assert "trials compared: 2." in out
    assert "Bautista & Shin 2025 |" not in out  # neither that corpus nor that protocol


@pytest.mark.parametrize("script", ["review_front.py", "papers_table.py"])
def test_a_study_that_has_no_complete_trial_yet(run, script):
    make_study(studies_folder() / "young", (), baselines=None)
    assert "embedded, holdout" in run(script, "young")
