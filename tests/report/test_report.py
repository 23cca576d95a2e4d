import os
from pathlib import Path

import pytest

from serhpo.errors import StorageError
from serhpo.report import write_report
from tests.fakes import make_study


def test_the_report_lies_in_the_study_unless_told_otherwise(tmp_path):
    study = make_study(tmp_path / "study")

    assert write_report(study) == study.path / "report.html"
    assert write_report(study, tmp_path / "other.html") == tmp_path / "other.html"
    assert (study.path / "report.html").read_bytes() == (tmp_path / "other.html").read_bytes()


def test_a_report_is_replaced_as_a_whole_and_nothing_else_is_left(tmp_path):
    study, out = make_study(tmp_path / "study"), tmp_path / "out" / "report.html"
    out.parent.mkdir()
    out.write_text("old")
    write_report(study, out)

    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]


@pytest.mark.parametrize("place", ["missing/report.html", "folder"])
def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path, place):
    study = make_study(tmp_path / "study")
    (tmp_path / "folder").mkdir()

    with pytest.raises(StorageError):
        write_report(study, tmp_path / place)


def test_a_full_disk_leaves_the_old_report_and_no_rest(tmp_path, monkeypatch):
    study = make_study(tmp_path / "study")
    before = write_report(study).read_bytes()

    def full(self, *args, **kwargs):
        raise OSError(28, os.strerror(28), str(self))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        with pytest.raises(StorageError, match="disk is full"):
            write_report(study)
    assert study.path.joinpath("report.html").read_bytes() == before
    assert not list(study.path.glob(".report*"))
