import io
import os
import subprocess
from dataclasses import replace

import pytest

from serhpo.cli import console
from serhpo.cli.front import front_document
from serhpo.cli.front_rows import brief, print_rows
from tests.conftest import COMMAND, environment
from tests.fakes import FakeTrial, make_study

TRIALS = (
    FakeTrial("COMPLETE", [(0.40, 0.50)], {"streams": "mel"}),
    FakeTrial("COMPLETE", [(0.58, 0.45)], {"streams": "mfcc+mel"}),
    FakeTrial("COMPLETE", [(0.60, 0.10)], {"streams": "mel"}),
    FakeTrial("COMPLETE", [(0.57, 0.44)], {"streams": "waveform"}),
    FakeTrial("PRUNED", [(0.30, 0.05)], {"streams": "waveform"}),
)


@pytest.fixture
def study(home):
    return make_study(home / "studies" / "demo", TRIALS, epochs=1)


def test_one_document_tells_front_ties_bias_and_choice(serhpo, study):
    document = serhpo("front", "demo", "--pick", "ua>=0.5", "--json").json

    assert [row["number"] for row in document["front"]] == [2, 1, 0]
    assert [row["number"] for row in document["ties"]] == [3]
    assert document["knee"] == document["picked"]["number"] == 1
    assert 0 < document["selection_bias"]["ua"] < 0.05
    assert "Efron" in document["selection_bias"]["method"]


def test_the_table_names_knee_ties_bias_and_choice(serhpo, study):
    out = serhpo("front", "demo", "--pick", "best-ua").out

    for shown in ("1 (knee)", "3 (tie)", "flatters itself", "1 trial ties", "trial 2: the front's best UA"):
        assert shown in out
    assert "● front" in out


def test_values_of_settings_stay_whole_on_a_narrow_terminal(home):
    params = {"weighting.name": "uncertainty", "optimiser.lr": 0.000718, "a.width": 32, "b.width": 48}
    shown = brief(params)
    assert list(shown.values()) == ["weighting", "lr", "a.width", "b.width"]

    make_study(home / "studies" / "demo", [FakeTrial("COMPLETE", [(0.5, 0.4)], {"streams": "mfcc+waveform"})])
    variables = {**environment(home), "COLUMNS": "60"}
    done = subprocess.run(
        [*COMMAND, "front", "demo"], capture_output=True, text=True, env=variables, timeout=60
    )
    assert "streams=mfcc+waveform" in done.stdout
    assert "…" not in done.stdout


@pytest.mark.parametrize("width", [30, 40, 60, 80, 120])
def test_no_figure_is_cut_on_any_terminal(home, monkeypatch, width):
    sizes = (2_000_000, 1_234_567, 300_000, 40_000, 10_000)
    trials = [replace(trial, parameters=size) for trial, size in zip(TRIALS, sizes, strict=True)]
    study = make_study(home / "studies" / "sized", trials, epochs=1)
    document = front_document(study)
    file = io.StringIO()
    out = console._Console(file=file, width=width, highlight=False, soft_wrap=True)
    monkeypatch.setattr(console, "out", out)
    print_rows("sized", document)

    text = file.getvalue()
    words = " ".join(text.replace("│", " ").split())
    for row in document["front"]:
        for metric in ("ua", "ccc"):  # neither cut nor on two lines
            shown = f"{row['values'][metric]:.3f} ± {row['standard_errors'][metric]:.3f}"
            assert shown in text
        assert f"{row['values']['parameters']:,.0f}" in words
        assert f"streams={row['params']['streams']}" in words
    for name in ("(knee)", "class means: mean ratings"):
        assert name in words
    assert ("│" in text) == (width > 80)
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("wish", ["best", ""])
def test_an_unknown_pick_is_a_usage_error(serhpo, study, wish):
    done = serhpo("front", "demo", "--pick", wish, "--json")

    assert done.code == 2
    assert "best-ccc" in done.json["error"]["allowed"]


@pytest.mark.parametrize("columns", ["30", "60"])
def test_a_terminal_that_knows_ascii_only(home, study, columns):
    variables = {**environment(home), "COLUMNS": columns, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    command = [*COMMAND, "front", "demo"]
    done = subprocess.run(command, capture_output=True, env=variables | {"LC_ALL": "C"}, timeout=60)

    assert (done.returncode, done.stderr) == (0, b"")
    assert b"+-" in done.stdout
    assert (b"* front" in done.stdout) == (columns == "60")  # too narrow for a plot
    assert os.linesep.encode() in done.stdout


def test_watching_a_study_that_nobody_runs_shows_it_and_ends(serhpo, study):
    done = serhpo("status", "demo", "--watch")

    assert done.code == 0
    assert "not running" in done.out
    assert serhpo("status", "demo", "--watch", "--json").code == 2


def test_quiet_leaves_results_and_errors(serhpo, study):
    assert "Pareto front" in serhpo("front", "demo", "--quiet").out
    missing = serhpo("front", "missing", "--quiet")

    assert missing.code == 3
    assert "No study named" in missing.err


def test_a_third_objective_is_a_column_and_may_bring_a_trial_onto_the_front(serhpo, home):
    sizes = (2_000_000, 300_000, 300_000, 40_000, 10_000)
    trials = [replace(trial, parameters=size) for trial, size in zip(TRIALS, sizes, strict=True)]
    make_study(home / "studies" / "sized", trials, epochs=1)

    document = serhpo("front", "sized", "--json").json
    out = serhpo("front", "sized", "--pick", "parameters<=100000").out

    assert document["objectives"] == ["ua", "ccc", "parameters"]
    assert [row["number"] for row in document["front"]] == [2, 1, 3, 0]  # 3 was beaten in two objectives
    assert document["ties"] == []
    for shown in ("PARAMETERS", "2,000,000", "40,000", "● front", "trial 3: 1 of the front's 4 trials keep"):
        assert shown in out
