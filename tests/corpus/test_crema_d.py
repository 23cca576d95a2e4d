"""What is peculiar to CREMA-D; all that readers share is in tests/contracts."""

from __future__ import annotations

from pathlib import Path

import pytest

from serhpo.corpus import read_corpus
from serhpo.corpus.classes import ReadSettings
from serhpo.corpus.crema_d import SENTENCES
from serhpo.errors import CorpusError
from tests.contracts.layouts import LAYOUTS


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return LAYOUTS["crema-d"].write(tmp_path / "CREMA-D")


def test_actors_genders_sentences(root: Path) -> None:
    corpus = read_corpus(root, ReadSettings(classes=6)).require_clean()
    assert corpus.groups == {"1001": ("1001",), "1002": ("1002",)}
    assert corpus.column("gender") == ["M", "M", "F"]
    assert corpus.column("text")[2] == "It's eleven o'clock."
    assert corpus.column("label") == ["angry", "sad", "disgust"]
    assert corpus.scheme.dimensions is None
    assert len(SENTENCES) == 12


def test_without_the_demographics(root: Path) -> None:
    (root / "VideoDemographics.csv").unlink()
    assert read_corpus(root).require_clean().column("gender") == [None] * 3


def test_demographics_of_another_shape(root: Path) -> None:
    (root / "VideoDemographics.csv").write_text("id,sex\n1001,Male\n")
    with pytest.raises(CorpusError, match="ActorID and Sex"):
        read_corpus(root)


def test_names_that_say_nothing(root: Path) -> None:
    wav = root / "AudioWAV" / "1001_DFA_ANG_XX.wav"
    wav.rename(wav.with_name("angry.wav"))
    problem = read_corpus(root).problems[0]
    assert problem.what == "cannot understand the file name 'angry.wav'"
    assert problem.file == str(wav.with_name("angry.wav").resolve())
