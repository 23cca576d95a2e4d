import errno
import json
from pathlib import Path

import optuna
import pytest

from serhpo.config import read_yaml
from serhpo.errors import StorageError, StudyError
from serhpo.study import Study, creation, new_study
from tests.study.made import LOCK, SPACE, make, settings


def test_a_new_study_has_everything_and_nothing_in_it(tmp_path):
    study = make(tmp_path)
    again = Study(study.path)
    assert again.settings == settings("s")
    assert (again.name, again.asked, again.resumed) == ("s", 6, 0)
    assert again.counts() == dict.fromkeys(["COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING"], 0)
    assert again.trials() == again.front() == []
    assert again.hypervolume() == 0.0
    assert again.knee() is None
    assert again.baselines() is None
    assert list(again.epochs()) == []
    assert again.folds() == LOCK["folds"]
    assert read_yaml(study.path / "space.yaml") == SPACE
    assert json.loads((study.path / "lock.json").read_text()) == LOCK == again.lock
    assert again.journal.directions == [optuna.study.StudyDirection.MAXIMIZE] * 2
    assert again.journal.metric_names == ["ua", "ccc"]


def test_an_existing_name_is_refused_and_left_alone(tmp_path):
    path = make(tmp_path).path
    before = {file.name: file.read_bytes() for file in path.iterdir() if file.is_file()}
    with pytest.raises(StudyError, match="named `s` exists already") as caught:
        new_study(path, settings("other"), {}, {}, 1)
    assert "serhpo resume s" in caught.value.hint
    assert {file.name: file.read_bytes() for file in path.iterdir() if file.is_file()} == before


def test_a_folder_that_is_something_else_is_neither_used_nor_deleted(tmp_path, monkeypatch):
    mine = tmp_path / "s" / "thesis.txt"
    mine.parent.mkdir()
    mine.write_text("years of work")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(creation, "write_yaml", full)
    with pytest.raises((StudyError, StorageError)):
        make(tmp_path)
    assert [file.name for file in mine.parent.iterdir()] == ["thesis.txt"]
    assert mine.read_text() == "years of work"


def test_a_study_whose_checkpoints_were_cleared_away_is_not_overwritten(tmp_path):
    path = make(tmp_path).path
    (path / "trials").rmdir()
    with pytest.raises(StudyError, match="exists already"):
        new_study(path, settings("s"), {}, {}, 1)
    assert read_yaml(path / "space.yaml") == SPACE


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        make(tmp_path / "file")

    def read_only(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.raises(StorageError, match="read-only") as caught:
        make(tmp_path)
    assert caught.value.where == str(tmp_path / "s")
    assert "SERHPO_HOME" in caught.value.hint


@pytest.mark.parametrize("call", range(2))
def test_a_disk_that_fills_up_leaves_no_half_study(tmp_path, monkeypatch, call):
    calls = []

    def filling(*arguments):
        calls.append(arguments)
        if len(calls) > call:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(creation, "write_yaml", filling)
    with pytest.raises(StorageError, match="disk is full"):
        make(tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert make(tmp_path).asked == 6
