"""The public Python API, on studies with pruned and failed trials in them."""

import subprocess
import sys
from dataclasses import replace

import pyarrow as pa
import pytest

import serhpo
from serhpo.errors import NoCompleteTrialError, StudyError, UsageError
from serhpo.evaluate import document
from serhpo.study import studies_folder
from tests.evaluate.conftest import HELD_OUT, measured, request
from tests.fakes import make_study, random_trials


@pytest.fixture
def study(tmp_path):
    return serhpo.open_study(make_study(tmp_path / "demo").path)


def test_importing_the_package_loads_no_library_that_computes():
    code = "import sys, serhpo; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"torch", "ray", "optuna", "numpy", "pyarrow"}.isdisjoint(done.stdout.split())


def test_a_study_is_found_by_name_and_by_path(tmp_path, monkeypatch):
    monkeypatch.setenv("SERHPO_HOME", str(tmp_path))
    folder = make_study(studies_folder() / "mine", name="mine").path
    assert serhpo.open_study("mine").path == serhpo.open_study(folder).path == folder
    assert serhpo.open_study("mine").name == "mine"
    with pytest.raises(StudyError, match="No study named `mime`") as caught:
        serhpo.open_study("mime")
    assert "mine" in caught.value.hint


def test_every_trial_is_a_row(study):
    table = study.trials()
    assert isinstance(table, pa.Table)
    assert table.column("number").to_pylist() == [0, 1, 2, 3, 4, 5]
    states = ["COMPLETE", "COMPLETE", "COMPLETE", "PRUNED", "FAIL", "RUNNING"]
    assert table.column("state").to_pylist() == states
    assert table.column("ua").to_pylist() == [0.60, 0.55, 0.50, 0.30, 0.26, None]
    assert table.column("epoch").to_pylist() == [3, 3, 2, 1, 1, None]
    assert table.column("rung").to_pylist() == [None, None, None, 1, None, None]
    assert table.column("reason").to_pylist()[4] == "the loss is not finite"
    assert table.column("se_ua").to_pylist()[2] == 0.03
    assert table.column("params.model.width").to_pylist() == [16, None, None, None, 32, 32]
    assert table.column("params.weighting.lambda").to_pylist()[3] == 0.5


def test_the_front_is_ordered_and_ties_are_named(tmp_path):
    study = serhpo.open_study(make_study(tmp_path / "s", random_trials(24)).path)
    front, trials = study.front(), study.trials()
    assert front.column_names == trials.column_names
    assert front.column("ua").to_pylist() == sorted(front.column("ua").to_pylist(), reverse=True)
    assert front.column("ccc").to_pylist() == sorted(front.column("ccc").to_pylist())
    marked = {row["number"] for row in trials.to_pylist() if row["on_front"]}
    assert marked == set(front.column("number").to_pylist()) != set()
    members = list(zip(front.column("ua").to_pylist(), front.column("ccc").to_pylist(), strict=True))
    for row in trials.to_pylist():
        if row["state"] == "COMPLETE" and not row["on_front"]:  # standard errors are 0.03 and 0.02
            beaten = any(ua >= row["ua"] + 0.03 and ccc >= row["ccc"] + 0.02 for ua, ccc in members)
            assert row["tie"] is not beaten


def test_curves_hypervolume_and_its_growth(study):
    epochs = study.epochs()
    assert epochs.column("trial").to_pylist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 4, 5, 5]
    assert epochs.column("ccc").to_pylist()[-2:] == [0.07, 0.12]
    # above (1/4, 0): 0.35 × 0.30 of trial 0, then 0.25 × 0.15 more with trial 2
    assert study.hypervolume() == pytest.approx(0.1425)
    growth = study.growth().to_pylist()
    assert [row["number"] for row in growth] == [0, 1, 2, 4, 3]  # as they ended
    assert [row["finished"] for row in growth] == [1, 2, 3, 4, 5]
    volumes = [row["hypervolume"] for row in growth]
    assert volumes == pytest.approx([0.105, 0.105, 0.1425, 0.1425, 0.1425])


def test_settings_baselines_and_the_rest(study):
    assert study.objectives == ("ua", "ccc")
    assert study.settings.classes == ("angry", "happy", "neutral", "sad")
    assert study.lock["packages"]["optuna"] == "5.0.0"
    assert study.counts()["PRUNED"] == 1
    assert repr(study) == "<study demo: 3 COMPLETE, 1 PRUNED, 1 FAIL, 1 RUNNING>"
    rows = {row["name"]: row for row in study.baselines().to_pylist()}
    assert rows["class_mean"]["ccc"] == 0.36
    assert rows["class_mean"]["label"] == "class means"


def test_picking_one_trial_says_why(study):
    assert study.pick("best-ccc").number == 2
    assert study.pick("ua>=0.55").number == 0
    with pytest.raises(UsageError):
        study.pick("nicest")


def test_a_study_without_a_trial_has_every_column_and_no_row(tmp_path):
    study = serhpo.open_study(make_study(tmp_path / "s", (), baselines=None).path)
    for table in (study.trials(), study.front(), study.epochs(), study.baselines(), study.growth()):
        assert table.num_rows == 0
    assert {"number", "state", "ua", "ccc", "on_front"} <= set(study.front().column_names)
    assert study.epochs().column_names == ["trial", "epoch", "ua", "ccc"]
    assert study.hypervolume() == 0
    with pytest.raises(NoCompleteTrialError):
        study.pick()


def test_tables_are_pandas_where_pandas_is_installed(study):
    pytest.importorskip("pandas")
    frame = study.front().to_pandas().set_index("number")
    assert frame.loc[2, "params.streams"] == "mfcc+mel"


def test_an_evaluation_is_the_document_of_all_that_was_measured(tmp_path):
    made = make_study(tmp_path / "s")
    study = serhpo.open_study(made.path)
    assert study.evaluation() is None
    record, decision = measured(made, request())
    assert study.evaluation() == document(made, record, decision, HELD_OUT)
    apart = replace(HELD_OUT, key="apart", protocol="leave_one_speaker_out")
    measured(made, request(tested=apart, again=True))
    measured(made, request(tested=replace(HELD_OUT, key="another", corpus="another", corpus_digest="cc")))
    assert study.evaluation("leave_one_speaker_out")["protocol"] == "leave_one_speaker_out"
    assert {row["name"] for row in study.evaluation()["rows"]} >= {"trial 0", "trial 2", "class means"}
    assert study.evaluation()["corpus"] == "embedded"


def test_trials_of_different_folds_are_asked_for_by_their_folds(tmp_path):
    made = make_study(tmp_path / "s")
    measured(made, request(trials=(0,), folds=("1",), seeds=1))
    measured(made, request(trials=(2,), seeds=1))
    study = serhpo.open_study(made.path)
    assert [one["trial"] for one in study.evaluation()["left_out"]] == [0]
    assert [row["trial"] for row in study.evaluation(folds=["1"])["rows"]][:2] == [0, 2]
    assert study.evaluation(folds=["2"]) is None
