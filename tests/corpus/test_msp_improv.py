"""Inversion, styles and speakers; all that readers share is in tests/contracts."""

from __future__ import annotations

from pathlib import Path

import pytest

from serhpo.corpus import read_corpus
from tests.contracts.layouts import LAYOUTS


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return LAYOUTS["msp-improv"].write(tmp_path / "MSP-IMPROV")


def test_activation_is_turned_round(root: Path) -> None:
    """Raw 4.0, 1.5 and 3.0: on disk 1 is very active."""
    assert read_corpus(root).column("arousal") == [2.0, 4.5, 3.0]
    assert read_corpus(root).column("valence") == [3.0, 2.0, None]


def test_speakers_sessions_styles(root: Path) -> None:
    corpus = read_corpus(root).require_clean()
    assert corpus.groups == {"Session1": ("F01", "M01"), "Session2": ("F02",)}
    assert corpus.column("gender") == ["F", "M", "F"]
    assert corpus.column("style") == ["natural", "read", "improvised"]


def test_the_releases_own_spelling(root: Path) -> None:
    (root / "Evaluation.txt").rename(root / "Evalution.txt")
    assert len(read_corpus(root).require_clean()) == 3


def test_a_byte_order_mark_hides_no_line(root: Path) -> None:
    file = root / "Evaluation.txt"
    lines = file.read_text().splitlines(keepends=True)
    start = next(number for number, line in enumerate(lines) if line.startswith("UTD"))
    file.write_text("".join(lines[start:]), encoding="utf-8-sig")
    assert len(read_corpus(root).require_clean()) == 3


def test_a_folder_whose_name_is_not_utf8(root: Path) -> None:
    before = len(read_corpus(root))
    wav = next(root.rglob("*FM01.wav"))
    (root / "caf\udce9").mkdir()
    wav.rename(root / "caf\udce9" / wav.name)
    corpus = read_corpus(root)
    assert len(corpus) == before - 1
    assert corpus.problems[0].what == rf"`audio` is not UTF-8: {root}/caf\udce9/{wav.name}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("UTD-IMPROV-S01A-F01-P-FM09.avi; Z; A:3; V:3; D:3; N:3;", "unknown emotion code `Z`"),
        ("UTD-IMPROV-S01A-F01-P-FM09.avi; N; A:3; V:3;", "cannot understand the line"),
        ("UTD-IMPROV-S01A-F01-P-FM09.avi; N; A:3; V:9; D:3; N:3;", "rating outside 1 to 5"),
        ("UTD-IMPROV-S01A-F01-P-FM09.avi; N; A:3; V:3..; D:3; N:3;", "cannot understand the line"),
        ("UTD-IMPROV-S01A-F01-P-FM09.avi; N; A:3; V:3; D:3; N:3;", "does not exist"),
    ],
)
def test_lines_that_cannot_be_used(root: Path, line: str, message: str) -> None:
    file = root / "Evaluation.txt"
    file.write_text(file.read_text() + line)
    problem = read_corpus(root).problems[0]
    assert message in problem.what
    assert problem.line == len(file.read_text().splitlines())
