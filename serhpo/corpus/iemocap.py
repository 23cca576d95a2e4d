"""IEMOCAP as it lies on disk (Busso et al., 2008), and every corpus laid out like it.

    Session1/dialog/EmoEvaluation/Ses01F_impro01.txt      labels, one block a turn
    Session1/dialog/transcriptions/Ses01F_impro01.txt     what was said
    Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav

The letter after the session number names the actor who wore the markers in that dialogue; who
*speaks* is the letter of the turn's last token. The summary line gives valence, activation and
dominance, in this order, as the mean over the external raters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serhpo.corpus.audio import audio_problem
from serhpo.corpus.table import DIMENSIONS, Corpus, LabelScheme
from serhpo.errors import Problem

NAME = "iemocap"
SYNTHETIC_NAME = "synthetic speech"
SYNTHETIC_MARK = "SYNTHETIC.txt"
"""A file at the root of a corpus that was synthesised in this layout: it must not be called IEMOCAP."""
LAYOUT = "IEMOCAP: Session*/dialog/EmoEvaluation/*.txt and Session*/sentences/wav/<dialog>/<turn>.wav"

LABELS = {"ang": "angry", "exc": "happy", "hap": "happy", "neu": "neutral", "sad": "sad"}
"""The field's four classes; excitement counts as happiness."""
OTHER_CODES = ("dis", "fea", "fru", "oth", "sur", "xxx")
"""Codes that stay without a label; ``xxx`` means that the raters did not agree."""

_LOW, _HIGH = 1.0, 5.0
TOLERANCE = 0.5
"""How far outside 1 to 5 a rating may lie and still be clamped: 0.5 and 5.5 occur in the release."""

_SESSION = re.compile(r"Session(\d+)")
_TURN = re.compile(r"(?P<dialog>Ses(?P<session>\d\d)[FM]_(?P<style>impro|script)\w*)_(?P<speaker>[FM])\w+")
_NUMBER = r"(-?\d+(?:\.\d+)?)"
_SUMMARY = re.compile(
    rf"\[{_NUMBER} - {_NUMBER}\]\t(?P<turn>\S+)\t(?P<code>\w{{3}})\t\[{_NUMBER}, {_NUMBER}, {_NUMBER}\]"
)
_TRANSCRIPT = re.compile(r"(?P<turn>\w+) \[[\d.]+-[\d.]+\]: ?(?P<text>.*)")
_IGNORED = ("%", "C-", "A-")  # header; one rater's categories; one rater's dimensions


@dataclass
class _Reading:
    """What has been found so far."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)  # utt_id -> source
    problems: list[Problem] = field(default_factory=list)
    clamped: int = 0

    def problem(self, what: str, file: Path, line: int | None = None) -> None:
        self.problems.append(Problem(what, file=str(file), line=line))


def recognises(path: Path) -> bool:
    """Whether a folder has IEMOCAP's layout."""
    return any((session / "dialog" / "EmoEvaluation").is_dir() for session in _sessions(path))


def read(path: Path) -> Corpus:
    """Read labels, speakers and transcripts, and check every recording's header.

    Every turn becomes a row; those with another code than the four classes' carry no label but keep
    their ratings. Whatever is wrong is collected in ``problems`` and stays out of the table.

    Args:
        path: The folder that holds ``Session1`` and its siblings.
    """
    root = path.resolve()
    reading = _Reading()
    for session in _sessions(root):
        folder = session / "dialog" / "EmoEvaluation"
        files = sorted(_label_files(folder))
        if not files:
            reading.problem("no label file in this session", folder)
        for file in files:
            _read_dialog(reading, session, file)
    name = SYNTHETIC_NAME if (root / SYNTHETIC_MARK).is_file() else NAME
    rows = [{**row, "corpus": name} for row in reading.rows]
    scheme = LabelScheme(dimensions=(_LOW, _HIGH))
    return Corpus.from_rows(name, root, rows, scheme, reading.clamped, reading.problems)


def _sessions(path: Path) -> list[Path]:
    found = [folder for folder in path.glob("Session*") if _SESSION.fullmatch(folder.name)]
    return sorted(found, key=lambda folder: (int(folder.name[7:]), folder.name))


def _label_files(folder: Path) -> Iterator[Path]:
    """Label files of the dialogues: not macOS copies (``._x.txt``), not the per-rater sub-folders."""
    return (file for file in folder.glob("*.txt") if file.is_file() and not file.name.startswith("."))


def _read_dialog(reading: _Reading, session: Path, file: Path) -> None:
    try:
        lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        reading.problem(f"cannot read the label file: {error.strerror}", file)
        return
    texts = _transcripts(session / "dialog" / "transcriptions" / file.name)
    found = False
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith(_IGNORED):
            continue
        found = True
        _read_summary(reading, session, file, number, line.rstrip(), texts)
    if not found:
        reading.problem("no turn in this label file", file)


def _read_summary(
    reading: _Reading, session: Path, file: Path, number: int, line: str, texts: dict[str, str]
) -> None:
    summary = _SUMMARY.fullmatch(line)
    turn = _TURN.fullmatch(summary["turn"]) if summary else None
    if summary is None or turn is None:
        reading.problem(f"cannot understand the line: {line[:60]!r}", file, number)
        return
    name, code = summary["turn"], summary["code"]
    ratings = [float(text) for text in summary.groups()[-3:]]
    wav = session / "sentences" / "wav" / file.stem / f"{name}.wav"
    source = f"{file}:{number}"
    first = reading.seen.setdefault(name, source)
    if turn["dialog"] != file.stem or int(turn["session"]) != int(session.name[7:]):
        problem: str | None = f"turn {name} does not belong to this dialogue"
    elif first != source:
        problem = f"turn {name} stands twice, first in {first}"
    else:
        problem = _why_unusable(code, ratings, wav)
    if problem:
        reading.problem(problem, file, number)
        return
    kept = [min(max(rating, _LOW), _HIGH) for rating in ratings]
    reading.clamped += sum(rating != moved for rating, moved in zip(ratings, kept, strict=True))
    reading.rows.append(
        {
            "utt_id": name,
            "audio": str(wav),
            "speaker": f"{int(turn['session'])}{turn['speaker']}",
            "group": session.name,
            "gender": turn["speaker"],
            "label": LABELS.get(code),
            **dict(zip(DIMENSIONS, kept, strict=True)),
            "style": "improvised" if turn["style"] == "impro" else "scripted",
            "text": texts.get(name),
            "source": source,
        }
    )


def _why_unusable(code: str, ratings: list[float], wav: Path) -> str | None:
    if code not in LABELS and code not in OTHER_CODES:
        return f"unknown emotion code `{code}`; known: {', '.join(sorted((*LABELS, *OTHER_CODES)))}"
    if not all(_LOW - TOLERANCE <= rating <= _HIGH + TOLERANCE for rating in ratings):
        return f"rating outside {_LOW:g} to {_HIGH:g}: {ratings}"
    reason = audio_problem(wav)
    return f"the recording {wav} {reason}" if reason else None


def _transcripts(file: Path) -> dict[str, str]:
    """Text of every turn; a dialogue without transcript, or a turn, simply has none."""
    if not file.is_file():
        return {}
    found = map(_TRANSCRIPT.fullmatch, file.read_text(encoding="utf-8-sig", errors="replace").splitlines())
    return {match["turn"]: match["text"].strip() for match in found if match}
