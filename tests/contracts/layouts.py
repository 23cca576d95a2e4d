"""Small corpora in every layout a reader knows, written as the corpora's own documentation has it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile


def record(path: Path, rate: int = 16_000, channels: int = 1, seconds: float = 0.5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sine = 0.5 * np.sin(2 * np.pi * 200 * np.arange(round(seconds * rate)) / rate)
    soundfile.write(path, np.repeat(sine[:, None], channels, axis=1), rate)
    return path


@dataclass(frozen=True)
class Layout:
    """One corpus layout.

    Attributes:
        reader: Name in ``READERS``.
        write: Writes the corpus below a folder; gives the path to read.
        garble: Damages one label; gives the file and line a problem must name (no line where the
            label is a file's name).
        labels: Labels by ``utt_id``, as they must be read.
        ratings: Valence, arousal and dominance of some of them, in the corpus' unit.
        classes: Number of classes of a preset other than the default, if there is one.
    """

    reader: str
    write: Callable[[Path], Path]
    garble: Callable[[Path], tuple[Path, int | None]]
    labels: dict[str, str | None]
    ratings: dict[str, tuple[float | None, float | None, float | None]]
    classes: int | None = None


def _append(file: Path, line: str) -> tuple[Path, int]:
    file.write_text(file.read_text() + line + "\n")
    return file, len(file.read_text().splitlines())


def _iemocap(root: Path) -> Path:
    turns = {
        "Ses01F_impro01_F000": ("neu", "2.5000, 2.5000, 2.5000"),
        "Ses01F_impro01_M000": ("exc", "4.5000, 4.0000, 3.0000"),
        "Ses01F_impro01_M001": ("xxx", "2.0000, 3.0000, 3.5000"),
    }
    session, dialogue = root / "Session1", "Ses01F_impro01"
    labels = session / "dialog" / "EmoEvaluation" / f"{dialogue}.txt"
    labels.parent.mkdir(parents=True)
    blocks = [
        f"[6.2901 - 8.2357]\t{turn}\t{code}\t[{ratings}]\nC-E2:\tNeutral;\t()\n"
        "C-E3:\tExcited; Other;\t(odd)\nC-F1:\tSadness;\t()\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"
        for turn, (code, ratings) in turns.items()
    ]
    labels.write_text("% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n" + "".join(blocks))
    for number, turn in enumerate(turns):
        record(session / "sentences" / "wav" / dialogue / f"{turn}.wav", channels=1 + number % 2)
    return root


_PODCAST = [
    # FileName, EmoClass, EmoAct, EmoVal, EmoDom, SpkrID, Gender, Split_Set
    ("MSP-PODCAST_0001_0008.wav", "N", "3.2", "4.0", "4.2", "1", "Female", "Train"),
    ("MSP-PODCAST_0001_0019.wav", "H", "5.0", "6.2", "5.6", "Unknown", "Male", "Train"),
    ("MSP-PODCAST_0002_0033.wav", "C", "4.4", "2.6", "5.0", "2", "Male", "Development"),
    ("MSP-PODCAST_0003_0003.wav", "A", "6.4", "", "6.0", "3", "Female", "Test1"),
    ("MSP-PODCAST_test3_0001.wav", "", "", "", "", "Unknown", "", "Test3"),
]
_PODCAST_COLUMNS = ("FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set")


def _podcast_audio(root: Path) -> None:
    for number, row in enumerate(_PODCAST):
        record(root / "Audios" / row[0], rate=44_100 if number == 1 else 16_000, channels=1 + (number == 1))


def _podcast_csv(root: Path) -> Path:
    _podcast_audio(root)
    (root / "Labels").mkdir(parents=True)
    with (root / "Labels" / "labels_consensus.csv").open("w", newline="") as file:
        csv.writer(file).writerows([_PODCAST_COLUMNS, *_PODCAST])
    return root


def _podcast_json(root: Path) -> Path:
    """The older release: the misspelt name, JSON, ``Validation`` for ``Development``."""
    _podcast_audio(root)
    (root / "Labels").mkdir(parents=True)
    labels = {row[0]: dict(zip(_PODCAST_COLUMNS[1:], row[1:], strict=True)) for row in _PODCAST}
    for cells in labels.values():
        cells["Split_Set"] = cells["Split_Set"].replace("Development", "Validation")
    (root / "Labels" / "labels_concensus.json").write_text(json.dumps(labels, indent=2))
    return root


def _garble_podcast_json(root: Path) -> tuple[Path, int]:
    file = root / "Labels" / "labels_concensus.json"
    lines = file.read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "0002_0033" in text)
    lines[line] = lines[line].replace('"C"', '"Q"')
    file.write_text("\n".join(lines))
    return file, line


def _improv(root: Path) -> Path:
    lines = {
        "S01A-F01-P-FM01": "N; A:4.0; V:3.0; D:2.5; N:4.0;",
        "S01A-M01-R-MF02": "A; A:1.5; V:2.0; D:4.5; N:3.5;",
        "S07H-F02-S-FM01": "O; A:3.0; V:NaN; D:3.0; N:4.0;",
    }
    root.mkdir(parents=True)
    text = "".join(
        f"UTD-IMPROV-{name}.avi; {labels}\nrater 7; Neutral; Neutral,Happy; A:4.0; V:3.0; D:3.0; N:4.0;\n\n"
        for name, labels in lines.items()
    )
    (root / "Evaluation.txt").write_text(text)
    for name in lines:
        scenario, speaker, scene = name.split("-")[:3]
        folder = root / f"session{speaker[-1]}" / scenario / scene
        record(folder / f"MSP-IMPROV-{name}.wav", rate=44_100)
    return root


def _crema(root: Path) -> Path:
    for name in ("1001_DFA_ANG_XX", "1001_ITH_SAD_X", "1002_IEO_DIS_HI"):
        record(root / "AudioWAV" / f"{name}.wav")
    (root / "AudioWAV" / "._1001_DFA_ANG_XX.wav").write_bytes(b"\x00\x05\x16\x07")
    (root / "VideoDemographics.csv").write_text(
        "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Caucasian,Not Hispanic\n"
        "1002,21,Female,Caucasian,Not Hispanic\n"
    )
    return root


def _garble_crema(root: Path) -> tuple[Path, None]:
    return record(root / "AudioWAV" / "1003_IEO_JOY_HI.wav"), None


_ROWS: list[dict[str, Any]] = [
    {"utt_id": "a", "audio": "wavs/a.wav", "speaker": "anna", "group": "monday", "label": "happy",
     "valence": 6.5, "arousal": 5.0, "dominance": 4.0, "label_dist": {"happy": 0.75, "sad": 0.25}},
    {"utt_id": "b", "audio": "wavs/a.wav", "start": 0.125, "end": 0.25, "speaker": "ben", "group": "monday",
     "label": "sad", "valence": 1.0, "arousal": None, "dominance": 2.0},
    {"utt_id": "c", "audio": "wavs/c.flac", "speaker": "anna", "group": "friday", "gender": "F"},
]  # fmt: skip


def _manifest_audio(root: Path) -> None:
    record(root / "wavs" / "a.wav", rate=22_050)
    record(root / "wavs" / "c.flac", channels=2)
    (root / "m.yaml").write_text("name: mine\ndimensions: [1, 7]\n")


def _manifest_csv(root: Path) -> Path:
    _manifest_audio(root)
    columns = list(dict.fromkeys(name for row in _ROWS for name in row))
    with (root / "m.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for row in _ROWS:
            soft = {"label_dist": json.dumps(row["label_dist"])} if "label_dist" in row else {}
            writer.writerow({**row, **soft})
    return root / "m.csv"


def _manifest_jsonl(root: Path) -> Path:
    _manifest_audio(root)
    (root / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in _ROWS))
    return root / "m.jsonl"


def _manifest_parquet(root: Path) -> Path:
    _manifest_audio(root)
    rows = [{**row, "label_dist": list(row.get("label_dist", {}).items()) or None} for row in _ROWS]
    _to_parquet(root / "m.parquet", rows)
    return root / "m.parquet"


def _to_parquet(file: Path, rows: list[dict[str, Any]]) -> None:
    names = dict.fromkeys(name for row in rows for name in row)
    soft = pa.map_(pa.string(), pa.float64())
    columns = {
        name: pa.array([row.get(name) for row in rows], soft if name == "label_dist" else None)
        for name in names
    }
    pq.write_table(pa.table(columns), file)


def _garble_parquet(root: Path) -> tuple[Path, int]:
    rows = pq.read_table(root / "m.parquet").to_pylist()
    _to_parquet(root / "m.parquet", [*rows, {**rows[1], "utt_id": "d", "end": 9.0}])
    return root / "m.parquet", 4


def _audformat(root: Path) -> Path:
    """Written by the library itself: a table of files, and one of segments that holds the labels."""
    import audformat
    import pandas as pd

    for name in ("a", "b"):
        record(root / "audio" / f"{name}.wav", rate=16_000 if name == "a" else 44_100)
    database = audformat.Database("mine")
    database.splits["dev"] = audformat.Split(audformat.define.SplitType.DEVELOP)
    speakers = {"anna": {"gender": "female"}, "ben": {"gender": "male"}}
    database.schemes["speaker"] = audformat.Scheme(labels=speakers)
    database.schemes["emotion"] = audformat.Scheme(labels=["happy", "sad", "bored"])
    database.schemes["rating"] = audformat.Scheme("float", minimum=1, maximum=7)
    database["files"] = audformat.Table(audformat.filewise_index(["audio/a.wav", "audio/b.wav"]))
    database["files"]["speaker"] = audformat.Column(scheme_id="speaker")
    database["files"]["speaker"].set(["anna", "ben"])
    index = audformat.segmented_index(
        ["audio/a.wav", "audio/a.wav", "audio/b.wav"], ["0s", "0.25s", "0s"], ["0.25s", "0.5s", pd.NaT]
    )
    database["labels"] = audformat.Table(index, split_id="dev")
    for column in ("emotion", "valence", "arousal"):
        database["labels"][column] = audformat.Column(
            scheme_id="emotion" if column == "emotion" else "rating"
        )
    database["labels"]["emotion"].set(["happy", "sad", None])
    database["labels"]["valence"].set([6.5, 2.0, None])
    database["labels"]["arousal"].set([5.0, None, 4.0])
    database.save(str(root), storage_format="csv")
    for pickle in root.glob("*.pkl"):
        pickle.unlink()
    return root


def _garble_audformat(root: Path) -> tuple[Path, int]:
    return _append(root / "db.labels.csv", "audio/b.wav,0 days 00:00:00.1,0 days 00:00:09,sad,2.0,2.0")


_PODCAST_LABELS = {
    "MSP-PODCAST_0001_0008": "neutral",
    "MSP-PODCAST_0001_0019": "happy",
    "MSP-PODCAST_0002_0033": None,  # contempt is none of the four
    "MSP-PODCAST_0003_0003": "angry",
    "MSP-PODCAST_test3_0001": None,
}
_PODCAST_RATINGS = {
    "MSP-PODCAST_0001_0008": (4.0, 3.2, 4.2),
    "MSP-PODCAST_0003_0003": (None, 6.4, 6.0),
    "MSP-PODCAST_test3_0001": (None, None, None),
}
_MANIFEST_LABELS = {"a": "happy", "b": "sad", "c": None}
_MANIFEST_RATINGS = {"a": (6.5, 5.0, 4.0), "b": (1.0, None, 2.0), "c": (None, None, None)}

LAYOUTS = {
    "iemocap": Layout(
        "iemocap",
        _iemocap,
        lambda root: _append(root / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt", "[what]"),
        {"Ses01F_impro01_F000": "neutral", "Ses01F_impro01_M000": "happy", "Ses01F_impro01_M001": None},
        {"Ses01F_impro01_M000": (4.5, 4.0, 3.0)},
        5,
    ),
    "msp-podcast csv": Layout(
        "msp-podcast",
        _podcast_csv,
        lambda root: _append(
            root / "Labels/labels_consensus.csv", "MSP-PODCAST_0009_0001.wav,Q,,,,4,Male,Train"
        ),
        _PODCAST_LABELS,
        _PODCAST_RATINGS,
        8,
    ),
    "msp-podcast json": Layout(
        "msp-podcast", _podcast_json, _garble_podcast_json, _PODCAST_LABELS, _PODCAST_RATINGS, 8
    ),
    "msp-improv": Layout(
        "msp-improv",
        _improv,
        lambda root: _append(root / "Evaluation.txt", "UTD-IMPROV-S01A-F01-P-FM09.avi; N; A:much;"),
        {
            "MSP-IMPROV-S01A-F01-P-FM01": "neutral",
            "MSP-IMPROV-S01A-M01-R-MF02": "angry",
            "MSP-IMPROV-S07H-F02-S-FM01": None,
        },
        # Activation 1.5 on disk is very active: inverted to 4.5.
        {"MSP-IMPROV-S01A-M01-R-MF02": (2.0, 4.5, 4.5), "MSP-IMPROV-S07H-F02-S-FM01": (None, 3.0, 3.0)},
    ),
    "crema-d": Layout(
        "crema-d",
        _crema,
        _garble_crema,
        {"1001_DFA_ANG_XX": "angry", "1001_ITH_SAD_X": "sad", "1002_IEO_DIS_HI": None},
        {"1001_DFA_ANG_XX": (None, None, None)},
        6,
    ),
    "audformat": Layout(
        "audformat",
        _audformat,
        _garble_audformat,
        {"audio/a@0.000-0.250": "happy", "audio/a@0.250-0.500": "sad", "audio/b": None},
        {"audio/a@0.000-0.250": (6.5, 5.0, None), "audio/b": (None, 4.0, None)},
        4,
    ),
    "manifest csv": Layout(
        "manifest",
        _manifest_csv,
        lambda root: _append(root / "m.csv", "d,wavs/a.wav,anna,monday,happy,much,,,"),
        _MANIFEST_LABELS,
        _MANIFEST_RATINGS,
        4,
    ),
    "manifest jsonl": Layout(
        "manifest",
        _manifest_jsonl,
        lambda root: _append(root / "m.jsonl", '{"audio": "wavs/a.wav", "speaker": "x", "start": "soon"}'),
        _MANIFEST_LABELS,
        _MANIFEST_RATINGS,
        4,
    ),
    "manifest parquet": Layout(
        "manifest", _manifest_parquet, _garble_parquet, _MANIFEST_LABELS, _MANIFEST_RATINGS, 4
    ),
}
