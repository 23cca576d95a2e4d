"""audformat databases: what the contract does not ask of every reader."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from serhpo.corpus import read_corpus
from serhpo.corpus.classes import ReadSettings
from serhpo.errors import CorpusError, UsageError
from tests.contracts.layouts import LAYOUTS


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return LAYOUTS["audformat"].write(tmp_path.resolve() / "db")


def test_what_stands_about_a_file_holds_for_its_segments(database: Path) -> None:
    rows = read_corpus(database).table.to_pylist()
    assert [(row["speaker"], row["gender"], row["split"]) for row in rows] == [
        ("anna", "F", "dev"),
        ("anna", "F", "dev"),
        ("ben", "M", "dev"),
    ]
    assert [(row["start"], row["end"]) for row in rows] == [(None, 0.25), (0.25, 0.5), (None, None)]


def test_classes_and_range_are_those_of_the_schemes(database: Path) -> None:
    scheme = read_corpus(database).scheme
    assert (scheme.classes, scheme.dimensions) == (("happy", "sad", "bored"), (1.0, 7.0))
    merged = read_corpus(database, ReadSettings(classes={"up": ("happy",), "down": ("sad", "bored")}))
    assert merged.column("label") == ["up", "down", None]


def test_a_label_names_its_line(database: Path) -> None:
    sources = read_corpus(database).column("source")
    lines = (database / "db.labels.csv").read_text().splitlines()
    for source, cell in zip(sources, ("happy", "sad", "audio/b.wav"), strict=True):
        assert cell in lines[int(source.rpartition(":")[2]) - 1]


def test_pickles_are_not_opened(database: Path) -> None:
    (database / "db.labels.pkl").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    with pytest.raises(CorpusError, match="can run any code"):
        read_corpus(database)


@pytest.mark.parametrize("change", ["maximum", "minimum"])
def test_ratings_without_a_range_are_refused(database: Path, change: str) -> None:
    header = database / "db.yaml"
    text = header.read_text()
    assert change in text
    header.write_text(re.sub(rf", {change}: [0-9.]+", "", text))
    with pytest.raises(CorpusError, match="one range"):
        read_corpus(database)


def test_a_range_goes_from_low_to_high(database: Path) -> None:
    header = database / "db.yaml"
    header.write_text(re.sub(r"maximum: [0-9.]+", "maximum: 1", header.read_text()))
    with pytest.raises(CorpusError, match="one range"):
        read_corpus(database)


@pytest.mark.parametrize("text", ["", "name: [", "name: x\ntables: 7\n"])
def test_a_broken_header_is_one_error(database: Path, text: str) -> None:
    (database / "db.yaml").write_text(text)
    with pytest.raises(CorpusError, match=r"cannot read|no utterance"):
        read_corpus(database).require_clean()


def test_without_the_library_the_extra_is_named(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "audformat", None)
    with pytest.raises(UsageError) as caught:
        read_corpus(database)
    assert "serhpo[audformat]" in str(caught.value.hint)
