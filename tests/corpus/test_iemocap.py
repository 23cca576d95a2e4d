"""The reader against IEMOCAP's own grammar; every expected value is read off the fixture by hand."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from serhpo.corpus import read_corpus
from serhpo.errors import CorpusError, Problem

IMPROVISED = Path("Session1/dialog/EmoEvaluation/Ses01F_impro01.txt")
FIRST_WAV = Path("Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav")


def only_problem(root: Path) -> Problem:
    problems = read_corpus(root).problems
    assert len(problems) == 1, problems
    return problems[0]


def line_of(file: Path, text: str) -> int:
    """The last line that starts so, counted from one as an editor does."""
    lines = file.read_text().splitlines()
    return max(number for number, line in enumerate(lines, start=1) if text in line)


def test_reads_every_turn_with_its_label(tiny: Path) -> None:
    corpus = read_corpus(tiny).require_clean()
    rows = {row["utt_id"]: row for row in corpus.table.to_pylist()}

    assert list(rows) == [
        "Ses01F_impro01_F000",
        "Ses01F_impro01_M000",
        "Ses01F_impro01_M001",
        "Ses02M_script01_1b_F000",
        "Ses02M_script01_1b_M000",
    ]
    assert [row["label"] for row in rows.values()] == ["neutral", "happy", None, "angry", None]
    assert rows["Ses01F_impro01_F000"] == {
        "utt_id": "Ses01F_impro01_F000",
        "audio": str(tiny.resolve() / FIRST_WAV),
        "start": None,
        "end": None,
        "corpus": "iemocap",
        "speaker": "1F",
        "group": "Session1",
        "gender": "F",
        "split": None,
        "label": "neutral",
        # E2 hears neutral, E4 half neutral and half something else; F1 is the actor herself.
        "label_dist": [("neutral", 1.0)],
        "valence": 2.5,
        "arousal": 2.5,
        "dominance": 2.5,
        "style": "improvised",
        "text": "Excuse me.",
        "source": f"{tiny.resolve() / IMPROVISED}:3",
    }
    assert rows["Ses02M_script01_1b_M000"]["style"] == "scripted"
    assert rows["Ses02M_script01_1b_M000"]["text"] is None


def test_speaker_is_the_last_letter_not_the_markers(tiny: Path) -> None:
    speakers = dict(zip(*[read_corpus(tiny).column(name) for name in ("utt_id", "speaker")], strict=True))
    assert speakers["Ses01F_impro01_M000"] == "1M"
    assert speakers["Ses02M_script01_1b_F000"] == "2F"


def test_slightly_outside_ratings_are_clamped_and_counted(tiny: Path) -> None:
    corpus = read_corpus(tiny)
    assert corpus.clamped == 2
    assert corpus.column("arousal")[1] == 5.0  # 5.5 on disk
    assert corpus.column("valence")[2] == 1.0  # 0.5 on disk


@pytest.mark.parametrize("ratings", ["5.6000, 3.0000, 3.0000", "3.0000, 0.4000, 3.0000", "-3.0, 3.0, 3.0"])
def test_ratings_far_outside_are_a_problem(tiny: Path, add_turn: Callable[..., Path], ratings: str) -> None:
    add_turn("Ses01F_impro01_F001", ratings=ratings)
    assert only_problem(tiny).what.startswith("rating outside 1 to 5")
    assert len(read_corpus(tiny)) == 5


@pytest.mark.parametrize(
    ("code", "label"),
    [("ang", "angry"), ("hap", "happy"), ("exc", "happy"), ("neu", "neutral"), ("sad", "sad")]
    + [(code, None) for code in ("fru", "fea", "sur", "dis", "oth", "xxx")],
)
def test_codes(tiny: Path, add_turn: Callable[..., Path], code: str, label: str | None) -> None:
    add_turn("Ses01F_impro01_M002", code)
    corpus = read_corpus(tiny).require_clean()
    assert corpus.column("label")[3] == label
    assert corpus.column("valence")[3] == 3.0  # kept whatever the code


def test_unknown_code(tiny: Path, add_turn: Callable[..., Path]) -> None:
    file = add_turn("Ses01F_impro01_M002", "joy")
    problem = only_problem(tiny)
    assert problem.what.startswith("unknown emotion code `joy`; known: ang, dis, exc")
    assert (problem.file, problem.line) == (str(file.resolve()), line_of(file, "M002"))


@pytest.mark.parametrize(
    "garbled",
    [
        "[6.2901 - 8.2357] Ses01F_impro01_F009 neu [2.5000, 2.5000, 2.5000]",  # blanks for tabs
        "[6.2901 - 8.2357]\tSes01F_impro01_F009\tneu\t[2.5000, 2.5000]",
        "[6.2901 - 8.2357]\tSes01F_impro01_F009\tneu\t[2.5000, 2.5000, n/a]",
        "[6.2901 - 8.2357]\tSes01F_impro01\tneu\t[2.5000, 2.5000, 2.5000]",
        "B-E2:\tNeutral;\t()",
        "6.2901 - 8.2357",
    ],
)
def test_garbled_line_is_named(tiny: Path, garbled: str) -> None:
    file = tiny / IMPROVISED
    file.write_text(file.read_text() + garbled + "\n")
    problem = only_problem(tiny)
    assert problem.what.startswith("cannot understand the line: ")
    assert garbled[:20].replace("\t", "\\t") in problem.what
    assert problem.line == len(file.read_text().splitlines())


def test_carriage_returns_are_no_problem(tiny: Path) -> None:
    file = tiny / IMPROVISED
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert len(read_corpus(tiny).require_clean()) == 5


def test_turn_of_another_dialogue(tiny: Path, add_turn: Callable[..., Path]) -> None:
    file = add_turn("Ses01F_impro01_F001")
    file.write_text(file.read_text().replace("Ses01F_impro01_F001", "Ses02F_impro01_F001"))
    assert only_problem(tiny).what == "turn Ses02F_impro01_F001 does not belong to this dialogue"


def test_session_folder_with_another_sessions_dialogue(tiny: Path) -> None:
    """Copied into the wrong folder, a voice would be two speakers: nothing of it may be kept."""
    shutil.copytree(tiny / "Session1", tiny / "Session3")
    corpus = read_corpus(tiny)
    assert len(corpus) == 5
    assert {problem.what.split(" does ")[0] for problem in corpus.problems} == {
        "turn Ses01F_impro01_F000",
        "turn Ses01F_impro01_M000",
        "turn Ses01F_impro01_M001",
    }


def test_turn_that_stands_twice(tiny: Path, add_turn: Callable[..., Path]) -> None:
    file = add_turn("Ses01F_impro01_F000")
    problem = only_problem(tiny)
    assert problem.what == f"turn Ses01F_impro01_F000 stands twice, first in {file.resolve()}:3"
    assert problem.line == line_of(file, "F000")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda wav: wav.unlink(), "does not exist"),
        (lambda wav: wav.write_bytes(b""), "is an empty file"),
        (lambda wav: wav.write_bytes(b"not a recording at all"), "Format not recognised"),
        (lambda wav: wav.write_bytes(wav.read_bytes()[:-1000]), "is truncated: 1000 bytes are missing"),
        (lambda wav: wav.write_bytes(wav.read_bytes()[:44]), "holds no samples"),
    ],
    ids=["missing", "empty", "other", "truncated", "header"],
)
def test_broken_recording_is_named_with_its_label_line(
    tiny: Path, damage: Callable[[Path], object], reason: str
) -> None:
    wav = tiny.resolve() / FIRST_WAV
    damage(wav)
    problem = only_problem(tiny)
    assert str(wav) in problem.what
    assert reason in problem.what
    assert (problem.file, problem.line) == (str(tiny.resolve() / IMPROVISED), 3)
    assert "Ses01F_impro01_F000" not in read_corpus(tiny).column("utt_id")


def test_all_problems_are_told_at_once(tiny: Path) -> None:
    (tiny / FIRST_WAV).unlink()
    (tiny / IMPROVISED).write_text((tiny / IMPROVISED).read_text() + "what?\n")
    (tiny / "Session4" / "dialog" / "EmoEvaluation").mkdir(parents=True)
    with pytest.raises(CorpusError) as caught:
        read_corpus(tiny).require_clean()
    assert caught.value.what == "3 problems in the corpus"
    assert [problem.what.split()[0] for problem in caught.value.problems] == ["the", "cannot", "no"]
    assert caught.value.exit_code == 3


def test_label_file_without_a_turn(tiny: Path) -> None:
    (tiny / IMPROVISED).write_text("% only a header\n\n")
    assert only_problem(tiny).what == "no turn in this label file"


def test_ten_sessions_and_more(tiny: Path) -> None:
    for file in list((tiny / "Session2").rglob("*Ses02M*")):
        if file.is_file():
            renamed = file.with_name(file.name.replace("Ses02M", "Ses10M"))
            file.rename(renamed)
            if renamed.suffix == ".txt":
                renamed.write_text(renamed.read_text().replace("Ses02M", "Ses10M"))
    wavs = tiny / "Session2" / "sentences" / "wav"
    (wavs / "Ses02M_script01_1b").rename(wavs / "Ses10M_script01_1b")
    (tiny / "Session2").rename(tiny / "Session10")
    corpus = read_corpus(tiny).require_clean()
    assert corpus.groups == {"Session1": ("1F", "1M"), "Session10": ("10F", "10M")}
