"""A study is resumed with the classes it was read with."""

from __future__ import annotations

from pathlib import Path

import pytest

from serhpo.config import read_yaml, write_yaml
from serhpo.corpus import read_corpus
from serhpo.corpus.classes import parse_classes
from serhpo.corpus.manifest import write
from serhpo.errors import StudyError
from serhpo.search.prepare import create_study, make_plan, reopen
from serhpo.search.space import load_space
from serhpo.study import open_study


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERHPO_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("as_manifest", [False, True])
def test_resumed_with_the_same_classes(small_corpus: Path, tmp_path: Path, as_manifest: bool) -> None:
    file = tmp_path / "classes.yaml"
    bad, good = ("[angry, sad]", "[happy, neutral]") if as_manifest else ("[ang, sad]", "[hap, exc, neu]")
    file.write_text(f"good: {good}\nbad: {bad}\n")
    path = small_corpus
    if as_manifest:
        path = write(read_corpus(small_corpus), tmp_path / "corpus.parquet")
    corpus = read_corpus(path, parse_classes(str(file)))
    create_study(make_plan(load_space("smoke"), "smoke", corpus), "s", {})
    file.unlink()
    again = reopen(open_study("s")).corpus
    assert again.scheme.classes == ("good", "bad")
    assert again.table.equals(corpus.table)


def test_a_study_from_before_there_were_reading_settings(small_corpus: Path) -> None:
    study = create_study(make_plan(load_space("smoke"), "smoke", read_corpus(small_corpus)), "old", {})
    data = read_yaml(study.path / "study.yaml")
    del data["reading"]
    write_yaml(study.path / "study.yaml", data)
    assert reopen(open_study("old")).corpus.scheme.classes == ("angry", "happy", "neutral", "sad")


def test_other_classes_are_another_study(small_corpus: Path) -> None:
    study = create_study(make_plan(load_space("smoke"), "smoke", read_corpus(small_corpus)), "x", {})
    data = read_yaml(study.path / "study.yaml")
    data["reading"] = {"classes": 5}
    write_yaml(study.path / "study.yaml", data)
    with pytest.raises(StudyError, match="corpus has changed"):
        reopen(open_study("x"))
