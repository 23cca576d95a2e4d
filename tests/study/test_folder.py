import os
import pickle
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from serhpo.errors import ConfigError, StudyError, StudyLockedError
from serhpo.pareto import Objective
from serhpo.study import Study, known_studies, open_study, studies_folder, write_results
from serhpo.study.ledger import Ledger
from tests.study.made import make

KINDS = {
    "model.width": CategoricalDistribution((16, 32)),
    "weighting.name": CategoricalDistribution(("fixed", "dwa")),
    "weighting.lambda": FloatDistribution(0, 1),
    "optimiser.clip": CategoricalDistribution((True, "none", 2)),
}


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("SERHPO_HOME", str(tmp_path))
    return tmp_path


def add(study: Study, state: str, told=None, params=None, /, **notes) -> None:
    params = {"model.width": 16} if params is None else params
    study.journal.add_trial(
        create_trial(
            state=TrialState[state],
            values=told,
            params=params,
            distributions={name: KINDS[name] for name in params},
            user_attrs=notes,
        )
    )


@pytest.fixture
def filled(tmp_path) -> Study:
    """Complete 0, 1, 2, 6; pruned 3, better than all; failed 4; running 5; 7 repeats 0."""
    study = make(tmp_path)
    fixed = {"model.width": 32, "weighting.name": "fixed", "weighting.lambda": 0.25}
    add(study, "COMPLETE", (0.5, 0.2), fixed, epoch=2)
    add(study, "COMPLETE", (0.6, 0.1), {"weighting.name": "dwa", "optimiser.clip": True}, epoch=1)
    add(study, "COMPLETE", (0.4, 0.15), {"optimiser.clip": "none"}, epoch=3)
    add(study, "PRUNED", None, {"optimiser.clip": 2}, epoch=1, values={"ua": 0.9, "ccc": 0.9}, rung=1)
    add(study, "FAIL", None, {}, epoch=0, reason="the loss is not finite")
    add(study, "RUNNING")
    add(study, "COMPLETE", (0.5, 0.2), epoch=3)
    add(study, "COMPLETE", (0.5, 0.2), fixed, duplicate_of=0)
    ledger = Ledger(study.path / "epochs.jsonl")
    for trial, epoch, ua, ccc in [
        (0, 1, 0.45, 0.1),
        (1, 1, 0.6, 0.1),
        (0, 2, 0.5, 0.2),
        (2, 3, 0.4, 0.15),
        (3, 1, 0.9, 0.9),
        (5, 1, 0.3, 0.1),
        (6, 3, 0.5, 0.2),
    ]:
        ledger.append(
            {"trial": trial, "epoch": epoch, "ua": ua, "ccc": ccc, "wa": ua, "se_ua": 0.03, "se_ccc": None}
        )
    ledger.close()
    return study


# --- Opening -------------------------------------------------------------------------------------------


def test_directions_are_those_of_the_objectives(tmp_path):
    objectives = (Objective(metric="loss", direction="minimise", reference=3), Objective(metric="ua"))
    study = make(tmp_path, objectives=objectives)
    assert [d.name for d in study.journal.directions] == ["MINIMIZE", "MAXIMIZE"]
    for values in ((1.0, 0.5), (2.0, 0.5), (0.5, 0.1), (0.5, 0.1)):
        add(study, "COMPLETE", values, epoch=1)
    assert [trial.number for trial in study.front()] == [2, 3, 0]
    assert study.hypervolume() == pytest.approx((3 - 1.0) * 0.5 + 0.5 * 0.1)


@pytest.mark.parametrize("name", ["1e5", "007", "true", "null", "2026-03-01", "é", "a b", "x.y"])
def test_any_folder_name_is_a_study_name(home, name):
    make(studies_folder(), name)
    assert open_study(name).name == name


def test_a_study_is_opened_by_name_or_path(home, monkeypatch):
    made = make(studies_folder(), "one")
    elsewhere = make(home / "elsewhere", "two")
    assert studies_folder() == home / "studies"
    assert open_study("one").path == made.path
    assert open_study(elsewhere.path).name == open_study(str(elsewhere.path)).name == "two"
    monkeypatch.chdir(elsewhere.path.parent)
    assert open_study("two").path == elsewhere.path
    assert open_study("two").path.is_absolute()
    copy = pickle.loads(pickle.dumps(made))
    assert (copy.path, copy.settings) == (made.path, made.settings)


def test_an_unknown_name_lists_the_known_ones_newest_first(home):
    assert known_studies() == []
    with pytest.raises(StudyError, match="No study named `x`") as caught:
        open_study("x")
    assert "none yet" in caught.value.allowed
    for age, name in enumerate(["new", "older", "oldest"]):
        make(studies_folder(), name)
        os.utime(studies_folder() / name, (1e9 - age, 1e9 - age))
    (studies_folder() / "half-made").mkdir()
    assert known_studies() == ["new", "older", "oldest"]
    with pytest.raises(StudyError) as caught:
        open_study("oldestt")
    assert caught.value.allowed == "new, older, oldest"
    assert caught.value.hint == "Did you mean `oldest`?"
    assert caught.value.exit_code == 3


def test_a_folder_that_is_no_study_is_told(home):
    (studies_folder() / "half").mkdir(parents=True)
    with pytest.raises(StudyError, match="not a study"):
        open_study("half")
    study = make(studies_folder(), "whole")
    (study.path / "journal.log").unlink()
    with pytest.raises(StudyError, match="not a study"):
        open_study("whole")


def test_a_damaged_study_is_an_error_with_its_file(tmp_path):
    study = make(tmp_path)
    (study.path / "study.yaml").write_text("name: [\n")
    with pytest.raises((StudyError, ConfigError)) as caught:
        Study(study.path)
    assert "study.yaml" in caught.value.where
    other = make(tmp_path, "t")
    journal = other.path / "journal.log"
    journal.write_bytes(b"oops\n" + journal.read_bytes())
    with pytest.raises(StudyError, match="journal is damaged") as caught:
        Study(other.path).trials()
    assert caught.value.where.endswith("journal.log:1")
    empty = make(tmp_path, "u")
    (empty.path / "journal.log").write_bytes(b"")
    with pytest.raises(StudyError, match="journal is damaged"):
        Study(empty.path).counts()


# --- Reading --------------------------------------------------------------------------------------------


def test_trials_are_told_as_the_journal_has_them(filled):
    trials = Study(filled.path).trials()
    assert [trial.number for trial in trials] == [0, 1, 2, 3, 4, 5, 6]  # a repetition does not count
    assert [trial.state for trial in trials] == ["COMPLETE"] * 3 + ["PRUNED", "FAIL", "RUNNING", "COMPLETE"]
    assert trials[0].params == {"model.width": 32, "weighting.name": "fixed", "weighting.lambda": 0.25}
    assert (trials[0].epoch, trials[0].values, trials[0].notes) == (2, {"ua": 0.5, "ccc": 0.2}, {})
    pruned = trials[3]
    assert (pruned.epoch, pruned.values, pruned.notes) == (1, {"ua": 0.9, "ccc": 0.9}, {"rung": 1})
    assert (trials[4].epoch, trials[4].values) == (0, None)
    assert trials[4].notes == {"reason": "the loss is not finite"}
    assert (trials[5].epoch, trials[5].values) == (None, None)


def test_counts_and_front(filled):
    assert filled.counts() == {"COMPLETE": 4, "PRUNED": 1, "FAIL": 1, "RUNNING": 1, "WAITING": 0}
    # 2 is dominated; 0 and 6 are equal and both stay; the pruned trial beats all and is not there.
    assert [trial.number for trial in filled.front()] == [1, 0, 6]
    assert filled.hypervolume() == pytest.approx((0.6 - 0.25) * 0.1 + (0.5 - 0.25) * 0.1)


def test_a_reader_sees_what_a_driver_writes(filled):
    reader = Study(filled.path)
    front = reader.front()
    errors = reader.standard_errors()
    assert errors[front[0].number, front[0].epoch] == {"ua": 0.03}  # none in the ledger for ccc
    add(filled, "COMPLETE", (0.7, 0.7), epoch=4)
    ledger = Ledger(filled.path / "epochs.jsonl")
    ledger.append({"trial": 8, "epoch": 4, "ua": 0.7, "ccc": 0.7, "se_ua": 0.1, "se_ccc": 0.2})
    (new,) = reader.front()
    assert new.number == 8
    assert reader.standard_errors()[new.number, new.epoch] == {"ua": 0.1, "ccc": 0.2}


def test_the_front_among_some_trials(filled):
    complete = [trial.number for trial in filled.trials() if trial.state == "COMPLETE"]
    assert filled.front(among=complete) == filled.front()
    best = filled.front()[0].number
    others = set(complete) - {trial.number for trial in filled.front()}
    assert [trial.number for trial in filled.front(among={best})] == [best]
    assert {trial.number for trial in filled.front(among=others)} <= others
    assert filled.front(among=()) == []
    assert filled.trial(best) == filled.front()[0]


def test_the_knee_is_a_trials_number(tmp_path):
    study = make(tmp_path)
    for values in ((0.3, 0.1), (0.8, 0.1), (0.4, 0.6), (0.7, 0.5)):
        add(study, "COMPLETE", values, epoch=1)
    assert study.knee() == 3


def test_other_files_of_a_study(filled):
    baselines = filled.path / "baselines.json"
    baselines.write_text('{"trial": 3, "class_mean": {"ua": 0.5}}')
    assert filled.baselines() == {"trial": 3, "class_mean": {"ua": 0.5}}
    baselines.write_text('{"trial": 3, "class_')  # torn: to be measured again
    assert filled.baselines() is None
    for name in ("last", "best"):
        (filled.trial_folder(2) / name).mkdir(parents=True)
    filled.drop_checkpoint(2, "last", "never there")
    assert [path.name for path in filled.trial_folder(2).iterdir()] == ["best"]


# --- results.parquet ------------------------------------------------------------------------------------


def test_results_agree_with_journal_and_ledger(filled):
    path = write_results(filled)
    assert path == filled.path / "results.parquet"
    rows = pq.read_table(path).to_pylist()
    trials = filled.trials()
    assert [(row["number"], row["state"], row["epoch"]) for row in rows] == [
        (trial.number, trial.state, trial.epoch) for trial in trials
    ]
    ledger = {(row["trial"], row["epoch"]): row for row in filled.epochs()}
    for row, trial in zip(rows, trials, strict=True):
        measured = ledger.get((trial.number, trial.epoch), {})
        assert {"ua": row["ua"], "ccc": row["ccc"]} == (trial.values or {"ua": None, "ccc": None})
        assert (row["wa"], row["se_ua"], row["se_ccc"]) == (measured.get("wa"), measured.get("se_ua"), None)
        given = {name: row[f"params.{name}"] for name in KINDS if row[f"params.{name}"] is not None}
        mixed = (
            {"optimiser.clip": str(trial.params["optimiser.clip"])}
            if "optimiser.clip" in trial.params
            else {}
        )
        assert given == {**trial.params, **mixed}  # a column of several types holds text
    assert "trial" not in rows[0]


def test_results_of_a_study_without_trials_and_again(tmp_path):
    study = make(tmp_path)
    assert pq.read_table(write_results(study)).num_rows == 0
    add(study, "RUNNING")
    assert pq.read_table(write_results(study)).to_pylist() == [
        {
            "number": 0,
            "state": "RUNNING",
            "epoch": None,
            "rung": None,
            "reason": None,
            "ua": None,
            "ccc": None,
            "params.model.width": 16,
        }
    ]


# --- Driving --------------------------------------------------------------------------------------------


def test_one_driver_at_a_time(tmp_path):
    study = make(tmp_path)
    with study.driving():
        with pytest.raises(StudyLockedError, match="study `s`") as caught:
            ExitStack().enter_context(Study(study.path).driving())
        assert f"process {os.getpid()}" in caught.value.got
        assert Study(study.path).counts()["RUNNING"] == 0  # reading needs no lock
    with study.driving():
        pass


def test_a_driver_that_was_killed_blocks_nothing(tmp_path):
    study = make(tmp_path)
    hold = "import sys; from pathlib import Path; from serhpo.study import Study\n"
    hold += "with Study(Path(sys.argv[1])).driving(): print('held', flush=True); sys.stdin.readline()"
    process = subprocess.Popen(
        [sys.executable, "-c", hold, str(study.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    try:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(StudyLockedError, match="Another process is running study `s`") as caught:
            ExitStack().enter_context(study.driving())
        assert f"process {process.pid} on " in caught.value.got
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    # It died while it wrote to the journal: half a line, and Optuna's own lock still there.
    journal = study.path / "journal.log"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":4,"worker')
    Path(f"{journal}.lock").symlink_to(journal)
    assert Study(study.path).asked == 6  # readable meanwhile
    with study.driving():
        assert journal.read_bytes() == whole
        study.journal.ask()  # would wait half a minute for the dead driver's lock
    assert Study(study.path).counts()["RUNNING"] == 1
