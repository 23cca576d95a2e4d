"""MSP-Podcast (Lotfian & Busso, 2019), releases 1.0 to 2.0.

    Labels/labels_consensus.csv     one line a turn; older releases write ``labels_concensus``, some .json
    Audios/MSP-PODCAST_0001_0008.wav
    Transcripts/MSP-PODCAST_0001_0008.txt

Valence, arousal and dominance are means over raters on 1 to 7. The corpus has its own split (train,
development, test1 to test3; ``Validation`` is the older word for development); the protocol
``predefined`` tests on test1. The labels of test3 are withheld: its turns have none. Speakers may be
``Unknown``, who might be anyone: only the corpus' own split can keep them apart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from serhpo.corpus.cells import csv_lines
from serhpo.corpus.classes import ClassMap, ReadSettings, class_map
from serhpo.corpus.reading import Reading, number, unknown_speaker
from serhpo.corpus.table import Corpus, LabelScheme
from serhpo.errors import CorpusError

NAME = "msp-podcast"
LAYOUT = "MSP-Podcast: Labels/labels_consensus.csv (or .json) and Audios/*.wav"

PRESETS: dict[int, dict[str, tuple[str, ...]]] = {
    4: {"angry": ("A",), "happy": ("H",), "neutral": ("N",), "sad": ("S",)},
    8: {
        "angry": ("A",),
        "contempt": ("C",),
        "disgust": ("D",),
        "fear": ("F",),
        "happy": ("H",),
        "neutral": ("N",),
        "sad": ("S",),
        "surprise": ("U",),
    },
}
"""The field's four classes, and the eight of the Odyssey 2024 and Interspeech 2025 challenges."""
CODES = tuple("ASHUFDCNOX")
"""Codes on disk; ``O`` other, ``X`` no agreement."""

_FILES = ("labels_consensus.csv", "labels_concensus.csv", "labels_consensus.json", "labels_concensus.json")
_COLUMNS = ("FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set")
_SPLITS = {"validation": "development"}
_KNOWN_SPLITS = ("train", "development", "test1", "test2", "test3")
_TURN = re.compile(r"(?P<podcast>MSP-PODCAST_\w+?)_\w+\.wav")


def recognises(path: Path) -> bool:
    """Whether a folder has MSP-Podcast's layout."""
    return _label_file(path) is not None


def read(path: Path, settings: ReadSettings) -> Corpus:
    """Read consensus labels, speakers, split and transcripts, and check every recording.

    A turn's group is its podcast. Speakers, not podcasts, are divided by ``k_fold``.

    Args:
        path: The folder that holds ``Labels`` and ``Audios``.
        settings: Which codes make which class.

    Raises:
        ConfigError: The class map names what MSP-Podcast does not have.
        CorpusError: The label file cannot be read or lacks a column.
    """
    root = path.resolve()
    file = _label_file(root)
    if file is None:
        raise CorpusError("The label file has gone", where=root)
    classes = class_map(settings, PRESETS, CODES)
    reading = Reading(root, LabelScheme(classes=classes.classes, dimensions=(1.0, 7.0)), settings)
    audio = root / ("Audios" if (root / "Audios").is_dir() else "Audio")
    texts = _transcripts(root / "Transcripts")
    lines = _json_lines if file.suffix == ".json" else _csv_lines
    try:
        for line, cells in lines(file):
            _read_turn(reading, classes, audio, texts, file, line, cells)
    except OSError as error:
        raise CorpusError(f"Cannot read the label file: {error.strerror}", where=file) from error
    except UnicodeDecodeError as error:
        raise CorpusError("The label file is not UTF-8 text", where=file) from error
    return reading.corpus(NAME)


def _label_file(path: Path) -> Path | None:
    places = (path / "Labels" / name for name in _FILES)
    return next((file for file in places if file.is_file()), None)


def _csv_lines(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    return csv_lines(file, lambda names: _require_columns(file, names))


def _json_lines(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    text = file.read_text(encoding="utf-8")
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise CorpusError(f"Not valid JSON: {error.msg}", where=f"{file}:{error.lineno}") from error
    if not isinstance(data, dict) or not all(isinstance(cells, dict) for cells in data.values()):
        raise CorpusError("The label file must map file names to labels", where=file)
    places = {}
    for line, content in enumerate(text.split("\n"), start=1):
        if match := re.search(r'"([^"]+)"\s*:\s*{', content):
            places[match[1]] = line
    for name, cells in data.items():
        _require_columns(file, ("FileName", *cells))
        values = {key: None if value is None else str(value) for key, value in cells.items()}
        yield places.get(name, 1), {"FileName": name, **values}


def _require_columns(file: Path, found: Any) -> None:
    if missing := [name for name in _COLUMNS if name not in found]:
        raise CorpusError(
            f"The label file has no column {', '.join(missing)}", where=file, got=", ".join(found)
        )


def _read_turn(
    reading: Reading,
    classes: ClassMap,
    audio: Path,
    texts: Mapping[str, Path],
    file: Path,
    line: int,
    cells: Mapping[str, Any],
) -> None:
    name, code = (cells[column] or "" for column in ("FileName", "EmoClass"))
    turn = _TURN.fullmatch(name)
    if turn is None:
        reading.problem(f"cannot understand the file name {name!r}", file, line)
        return
    split = (cells["Split_Set"] or "").strip().lower()
    split = _SPLITS.get(split, split)
    if split and split not in _KNOWN_SPLITS:
        reading.problem(f"unknown split `{split}`; known: {', '.join(_KNOWN_SPLITS)}", file, line)
        return
    if code and code not in CODES:
        reading.problem(f"unknown emotion code `{code}`; known: {', '.join(sorted(CODES))}", file, line)
        return
    try:
        valence, arousal, dominance = (number(cells[name]) for name in ("EmoVal", "EmoAct", "EmoDom"))
    except ValueError as error:
        reading.problem(f"a rating is no number: {error}", file, line)
        return
    speaker, stem = (cells["SpkrID"] or "").strip(), Path(name).stem
    known = speaker and speaker.lower() != "unknown"
    row = {
        "utt_id": stem,
        "audio": str(audio / name),
        "speaker": speaker if known else unknown_speaker(split or None),
        "group": turn["podcast"],
        "gender": {"f": "F", "m": "M"}.get((cells["Gender"] or "")[:1].lower()),
        "split": split or None,
        "label": classes.of.get(code),
        "valence": valence,
        "arousal": arousal,
        "dominance": dominance,
        "text": texts[stem].read_text(encoding="utf-8", errors="replace").strip() if stem in texts else None,
    }
    reading.add(row, file, line)


def _transcripts(folder: Path) -> dict[str, Path]:
    return {file.stem: file for file in folder.glob("MSP-PODCAST_*.txt")} if folder.is_dir() else {}
