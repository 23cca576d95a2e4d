"""Reading by layout, and the corpus that is made on first use."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serhpo import corpus
from serhpo.corpus import embedded_corpus, read_corpus, synthetic
from serhpo.errors import CorpusError, StorageError


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no such corpus folder") as caught:
        read_corpus(tmp_path / "gone")
    assert caught.value.where == str(tmp_path / "gone")


def test_a_path_that_is_not_utf8(tmp_path: Path) -> None:
    folder = tmp_path / "caf\udce9"
    folder.mkdir()
    with pytest.raises(CorpusError, match="not UTF-8") as caught:
        read_corpus(folder)
    assert caught.value.where == rf"{tmp_path}/caf\udce9"


def test_unknown_layout_lists_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"")
    with pytest.raises(CorpusError, match="No reader knows") as caught:
        read_corpus(tmp_path)
    assert caught.value.allowed is not None
    assert "IEMOCAP: Session*/dialog/EmoEvaluation" in caught.value.allowed


@pytest.fixture
def small_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A home of its own, a corpus of ten turns, and every call that really makes one."""
    monkeypatch.setenv("SERHPO_HOME", str(tmp_path))
    monkeypatch.setattr(corpus, "EMBEDDED", {"speakers": 2, "utterances": 4, "seed": 0})
    made: list[Path] = []
    original = synthetic.synthesise

    def counted(out: Path, *arguments: object, **settings: object) -> Path:
        made.append(out)
        return original(out, *arguments, **settings)

    monkeypatch.setattr(synthetic, "synthesise", counted)
    return made


def test_embedded_corpus_is_made_once(tmp_path: Path, small_home: list[Path]) -> None:
    folder = embedded_corpus()
    assert folder.parent == tmp_path / "embedded"
    assert len(read_corpus(folder).require_clean()) == 10
    assert embedded_corpus() == folder
    assert small_home == [folder]


def test_other_settings_are_another_corpus(small_home: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    first = embedded_corpus()
    monkeypatch.setattr(synthetic, "VERSION", -1)
    assert embedded_corpus() != first
    assert len(small_home) == 2


def test_started_twice_it_is_made_once(small_home: list[Path]) -> None:
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: embedded_corpus(), range(4)))
    assert len(set(folders)) == 1
    assert len(small_home) == 1


def test_what_a_killed_run_left_is_removed(small_home: list[Path]) -> None:
    folder = embedded_corpus()
    left = folder.parent / f".{folder.name}.x1y2.partial"
    (left / "Session1").mkdir(parents=True)
    folder.rename(folder.with_name("moved"))
    assert embedded_corpus() == folder
    assert not left.exists()


def test_home_that_cannot_be_written(
    small_home: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SERHPO_HOME", str(tmp_path / "file"))
    with pytest.raises(StorageError):
        embedded_corpus()
    assert small_home == []
