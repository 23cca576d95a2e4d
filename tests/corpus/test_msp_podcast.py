"""Splits and unknown speakers; all that readers share is in tests/contracts."""

from __future__ import annotations

from pathlib import Path

import pytest

from serhpo.corpus import read_corpus
from serhpo.corpus.folds import Fold, ProtocolConfig, make_folds, taking_part
from serhpo.errors import CorpusError, LeakageError
from tests.contracts.layouts import LAYOUTS

PREDEFINED = ProtocolConfig(name="predefined")


@pytest.fixture(params=["msp-podcast csv", "msp-podcast json"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return LAYOUTS[request.param].write(tmp_path / "MSP-PODCAST-Publish")


def test_its_own_split(root: Path) -> None:
    corpus = read_corpus(root).require_clean()
    assert corpus.column("split") == ["train", "train", "development", "test1", "test3"]
    part = taking_part(corpus, PREDEFINED)
    assert len(part) == 4  # not test3
    assert make_folds(part, PREDEFINED) == (Fold("predefined", ("1", "Unknown-train"), ("2",), ("3",)),)


@pytest.mark.parametrize(
    "name", ["holdout", "leave_one_session_out", "leave_one_speaker_out", "k_fold", "nested"]
)
def test_unknown_speakers_cannot_be_divided(root: Path, name: str) -> None:
    with pytest.raises(CorpusError, match="2 utterances have an unknown speaker, who might be any") as caught:
        make_folds(read_corpus(root), ProtocolConfig(name=name))
    assert "protocol.name=predefined" in str(caught.value.hint)


def test_unknown_speakers_in_two_parts_might_be_one(root: Path) -> None:
    for file in (root / "Labels").iterdir():
        if file.suffix == ".json":
            pytest.skip("one format will do")
        file.write_text(file.read_text().replace(",2,Male,Dev", ",Unknown,Male,Dev"))
    with pytest.raises(LeakageError, match="Unknown speakers stand in train and validation"):
        make_folds(read_corpus(root), PREDEFINED)


def test_podcast_gender_and_transcript(root: Path) -> None:
    (root / "Transcripts").mkdir()
    (root / "Transcripts" / "MSP-PODCAST_0001_0008.txt").write_text("So I said, fine.\n")
    corpus = read_corpus(root)
    assert corpus.column("group")[:3] == ["MSP-PODCAST_0001", "MSP-PODCAST_0001", "MSP-PODCAST_0002"]
    assert corpus.column("gender") == ["F", "M", "M", "F", None]
    assert corpus.column("text") == ["So I said, fine.", None, None, None, None]


def test_a_column_is_missing(root: Path) -> None:
    for file in (root / "Labels").iterdir():
        file.write_text(file.read_text().replace("SpkrID", "Speaker"))
    with pytest.raises(CorpusError, match="no column SpkrID"):
        read_corpus(root)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("FileName,", "EmoClass,FileName,", "column `EmoClass` stands twice"),
        ("\nMSP-PODCAST_0002", '\n"MSP-PODCAST_0002', "Not valid CSV"),
    ],
)
def test_a_broken_table(tmp_path: Path, old: str, new: str, message: str) -> None:
    root = LAYOUTS["msp-podcast csv"].write(tmp_path / "x")
    file = root / "Labels" / "labels_consensus.csv"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(CorpusError, match=message):
        read_corpus(root)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("MSP-PODCAST_0001_0008.wav,N,8.2,4,4,1,Male,Train", "rating outside 1 to 7"),
        ("MSP-PODCAST_0001_0008.wav,N,much,4,4,1,Male,Train", "a rating is no number"),
        ("MSP-PODCAST_0001_0008.wav,N,4,4,4,1,Male,Final", "unknown split `final`"),
        ("podcast.wav,N,4,4,4,1,Male,Train", "cannot understand the file name"),
        ("MSP-PODCAST_0001_0008.wav,N,4,4,4,1,Male,Train", "stands twice"),
    ],
)
def test_lines_that_cannot_be_used(tmp_path: Path, cells: str, message: str) -> None:
    root = LAYOUTS["msp-podcast csv"].write(tmp_path / "x")
    file = root / "Labels" / "labels_consensus.csv"
    lines = file.read_text().splitlines()
    if "twice" not in message:
        lines = [line for line in lines if "0001_0008" not in line]
    file.write_text("\n".join([*lines, cells]) + "\n")
    problems = read_corpus(root).problems
    assert message in problems[0].what
    assert problems[0].line == len(lines) + 1
