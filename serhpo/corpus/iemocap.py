"""IEMOCAP as it lies on disk (Busso et al., 2008), and every corpus laid out like it.

    Session1/dialog/EmoEvaluation/Ses01F_impro01.txt      labels, one block a turn
    Session1/dialog/transcriptions/Ses01F_impro01.txt     what was said
    Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav

The letter after the session number names the actor who wore the markers in that dialogue; who
*speaks* is the letter of the turn's last token. The summary line gives valence, activation and
dominance, in this order, as the mean over the external raters. The lines below it are single raters':
``C-E*`` the categories of the external ones, which become the soft label; ``C-F*`` and ``C-M*`` those
of the actors themselves, who are left out there as they are in the summary.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from serhpo.corpus.classes import ClassMap, ReadSettings, class_map
from serhpo.corpus.reading import Reading
from serhpo.corpus.table import DIMENSIONS, Corpus, LabelScheme

NAME = "iemocap"
SYNTHETIC_NAME = "synthetic speech"
SYNTHETIC_MARK = "SYNTHETIC.txt"
"""A file at the root of a corpus that was synthesised in this layout: it must not be called IEMOCAP."""
LAYOUT = "IEMOCAP: Session*/dialog/EmoEvaluation/*.txt and Session*/sentences/wav/<dialog>/<turn>.wav"

PRESETS: dict[int, dict[str, tuple[str, ...]]] = {
    4: {"angry": ("ang",), "happy": ("hap", "exc"), "neutral": ("neu",), "sad": ("sad",)},
    5: {"angry": ("ang",), "excited": ("exc",), "happy": ("hap",), "neutral": ("neu",), "sad": ("sad",)},
}
"""The field's four classes, where excitement counts as happiness (5,531 turns of the release; so
SpeechBrain's and emotion2vec's recipes), and five, the same turns with excitement by itself. Others
mean frustration by the fifth class: give that as a map of your own."""

WORDS = {
    "Anger": "ang",
    "Disgust": "dis",
    "Excited": "exc",
    "Fear": "fea",
    "Frustration": "fru",
    "Happiness": "hap",
    "Neutral": "neu",
    "Other": "oth",
    "Sadness": "sad",
    "Surprise": "sur",
}
"""What raters write, and the code of a summary line that it stands for."""
CODES = (*WORDS.values(), "xxx")
"""Codes of the summary lines; ``xxx`` means that the raters did not agree."""

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
_EXTERNAL_VOTE = re.compile(r"C-E\w*:\t?(?P<words>[^\t(]*)")


@dataclass
class _Block:
    """A summary line and what the external raters wrote below it."""

    line: int
    text: str
    votes: list[tuple[str, ...]] = field(default_factory=list)


def recognises(path: Path) -> bool:
    """Whether a folder has IEMOCAP's layout."""
    return any((session / "dialog" / "EmoEvaluation").is_dir() for session in _sessions(path))


def read(path: Path, settings: ReadSettings) -> Corpus:
    """Read labels, raters, speakers and transcripts, and check every recording.

    Every turn becomes a row; those with a code of no class carry no label but keep their ratings, and
    a soft label where a rater heard one of the classes. Whatever is wrong is collected in ``problems``
    and stays out of the table.

    Args:
        path: The folder that holds ``Session1`` and its siblings.
        settings: Which codes make which class.

    Raises:
        ConfigError: The class map names what IEMOCAP does not have.
    """
    root = path.resolve()
    classes = class_map(settings, PRESETS, CODES)
    scheme = LabelScheme(classes=classes.classes, dimensions=(_LOW, _HIGH))
    reading = Reading(root, scheme, settings, TOLERANCE)
    for session in _sessions(root):
        folder = session / "dialog" / "EmoEvaluation"
        files = sorted(_label_files(folder))
        if not files:
            reading.problem("no label file in this session", folder)
        for file in files:
            _read_dialog(reading, classes, session, file)
    return reading.corpus(SYNTHETIC_NAME if (root / SYNTHETIC_MARK).is_file() else NAME)


def _sessions(path: Path) -> list[Path]:
    found = [folder for folder in path.glob("Session*") if _SESSION.fullmatch(folder.name)]
    return sorted(found, key=lambda folder: (int(folder.name[7:]), folder.name))


def _label_files(folder: Path) -> Iterator[Path]:
    """Label files of the dialogues: not macOS copies (``._x.txt``), not the per-rater sub-folders."""
    return (file for file in folder.glob("*.txt") if file.is_file() and not file.name.startswith("."))


def _read_dialog(reading: Reading, classes: ClassMap, session: Path, file: Path) -> None:
    try:
        lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        reading.problem(f"cannot read the label file: {error.strerror}", file)
        return
    texts = _transcripts(session / "dialog" / "transcriptions" / file.name)
    blocks = _blocks(lines)
    for block in blocks:
        _read_block(reading, classes, session, file, block, texts)
    if not blocks:
        reading.problem("no turn in this label file", file)


def _blocks(lines: list[str]) -> list[_Block]:
    blocks: list[_Block] = []
    for number, line in enumerate(lines, start=1):
        if line.strip() and not line.startswith(_IGNORED):
            blocks.append(_Block(number, line.rstrip()))
        elif blocks and (vote := _EXTERNAL_VOTE.match(line)):
            words = (word.strip() for word in vote["words"].split(";"))
            blocks[-1].votes.append(tuple(WORDS.get(word, "oth") for word in words if word))
    return blocks


def _read_block(
    reading: Reading, classes: ClassMap, session: Path, file: Path, block: _Block, texts: dict[str, str]
) -> None:
    summary = _SUMMARY.fullmatch(block.text)
    turn = _TURN.fullmatch(summary["turn"]) if summary else None
    if summary is None or turn is None:
        reading.problem(f"cannot understand the line: {block.text[:60]!r}", file, block.line)
        return
    name, code = summary["turn"], summary["code"]
    if turn["dialog"] != file.stem or int(turn["session"]) != int(session.name[7:]):
        reading.problem(f"turn {name} does not belong to this dialogue", file, block.line)
        return
    if code not in CODES:
        what = f"unknown emotion code `{code}`; known: {', '.join(sorted(CODES))}"
        reading.problem(what, file, block.line)
        return
    row = {
        "utt_id": name,
        "audio": str(session / "sentences" / "wav" / file.stem / f"{name}.wav"),
        "speaker": f"{int(turn['session'])}{turn['speaker']}",
        "group": session.name,
        "gender": turn["speaker"],
        "label": classes.of.get(code),
        "label_dist": classes.distribution(block.votes),
        **dict(zip(DIMENSIONS, map(float, summary.groups()[-3:]), strict=True)),
        "style": "improvised" if turn["style"] == "impro" else "scripted",
        "text": texts.get(name),
    }
    reading.add(row, file, block.line)


def _transcripts(file: Path) -> dict[str, str]:
    """Text of every turn; a dialogue without transcript, or a turn, simply has none."""
    if not file.is_file():
        return {}
    found = map(_TRANSCRIPT.fullmatch, file.read_text(encoding="utf-8-sig", errors="replace").splitlines())
    return {match["turn"]: match["text"].strip() for match in found if match}
