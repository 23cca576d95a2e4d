"""MSP-IMPROV (Busso et al., 2017).

    Evaluation.txt                                   (the release spells it ``Evalution.txt``)
    session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM01.wav   44.1 kHz, anywhere below the folder

A label line is ``UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:3.0; V:3.5; D:3.0; N:4.2;`` (class, activation,
valence, dominance, naturalness); the raters' own lines follow it and are not read.

*Activation is inverted on disk*: 1 is very active. Raw class means show it (anger 2.76, sadness 3.72).
The table holds arousal = 6 − A, so that 5 is very active as in every other corpus.
"""

from __future__ import annotations

import re
from pathlib import Path

from serhpo.corpus.classes import ClassMap, ReadSettings, class_map
from serhpo.corpus.reading import Reading, number
from serhpo.corpus.table import Corpus, LabelScheme
from serhpo.errors import CorpusError

NAME = "msp-improv"
LAYOUT = "MSP-IMPROV: Evaluation.txt and **/MSP-IMPROV-*.wav"

PRESETS: dict[int, dict[str, tuple[str, ...]]] = {
    4: {"angry": ("A",), "happy": ("H",), "neutral": ("N",), "sad": ("S",)},
}
CODES = ("A", "H", "S", "N", "O", "X")
"""Codes on disk; ``O`` other, ``X`` no agreement."""

_FILES = ("Evaluation.txt", "Evalution.txt")
_LOW, _HIGH = 1.0, 5.0
_STYLES = {"R": "read", "S": "improvised", "T": "improvised", "P": "natural"}
_NAME = re.compile(
    r"UTD-(?P<name>IMPROV-S\d\d[AHSN]-(?P<speaker>(?P<gender>[FM])(?P<session>\d\d))-(?P<scene>[PRST])-\w+)\.\w+"
)
_VALUE = r"(?P<{}>-?[\d.]+|nan)"
_LINE = re.compile(
    r"(?P<file>\S+?)\s*;\s*(?P<code>\w+)\s*;"
    rf"\s*A:\s*{_VALUE.format('a')}\s*;\s*V:\s*{_VALUE.format('v')}\s*;\s*D:\s*{_VALUE.format('d')}\s*(?:;.*)?",
    re.IGNORECASE,
)


def recognises(path: Path) -> bool:
    """Whether a folder has MSP-IMPROV's layout."""
    return _label_file(path) is not None


def read(path: Path, settings: ReadSettings) -> Corpus:
    """Read consensus labels and speakers, and check every recording.

    A turn's style is ``read`` or ``improvised`` for the target sentences, ``improvised`` for the turns
    around them, ``natural`` for what was said between scenes.

    Args:
        path: The folder that holds ``Evaluation.txt``.
        settings: Which codes make which class.

    Raises:
        ConfigError: The class map names what MSP-IMPROV does not have.
        CorpusError: The label file cannot be read.
    """
    root = path.resolve()
    file = _label_file(root)
    if file is None:
        raise CorpusError("The label file has gone", where=root)
    classes = class_map(settings, PRESETS, CODES)
    reading = Reading(root, LabelScheme(classes=classes.classes, dimensions=(_LOW, _HIGH)), settings)
    recordings = {wav.stem: wav for wav in sorted(root.rglob("MSP-IMPROV-*.wav"))}
    try:
        lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise CorpusError(f"Cannot read the label file: {error.strerror}", where=file) from error
    for number_, line in enumerate(lines, start=1):
        if line.startswith("UTD"):
            _read_turn(reading, classes, recordings, file, number_, line.strip())
    return reading.corpus(NAME)


def _label_file(path: Path) -> Path | None:
    return next((path / name for name in _FILES if (path / name).is_file()), None)


def _read_turn(
    reading: Reading, classes: ClassMap, recordings: dict[str, Path], file: Path, number_: int, line: str
) -> None:
    match = _LINE.fullmatch(line)
    turn = _NAME.fullmatch(match["file"]) if match else None
    try:
        raw = [number(match[key]) for key in "avd"] if match else []
    except ValueError:
        turn = None
    if match is None or turn is None:
        reading.problem(f"cannot understand the line: {line[:60]!r}", file, number_)
        return
    code, name = match["code"].upper(), f"MSP-{turn['name']}"
    if code not in CODES:
        reading.problem(f"unknown emotion code `{code}`; known: {', '.join(sorted(CODES))}", file, number_)
        return
    activation, valence, dominance = raw
    row = {
        "utt_id": name,
        "audio": str(recordings.get(name, reading.root / f"{name}.wav")),
        "speaker": turn["speaker"],
        "group": f"Session{int(turn['session'])}",
        "gender": turn["gender"],
        "label": classes.of.get(code),
        "valence": valence,
        "arousal": None if activation is None else _LOW + _HIGH - activation,
        "dominance": dominance,
        "style": _STYLES[turn["scene"]],
    }
    reading.add(row, file, number_)
