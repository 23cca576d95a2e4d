"""One line of a table, whatever file it stood in, as a row of the corpus: cells compared, numbers read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from serhpo.corpus.classes import FOUR_CLASSES, ClassMap, ReadSettings, class_map
from serhpo.corpus.reading import number, unknown_speaker
from serhpo.corpus.table import DIMENSIONS, SCHEMA
from serhpo.text import is_utf8, tidy

Rows = Sequence[tuple[int, Mapping[str, Any]]]
"""Lines and their cells, by column name."""

_NUMBERS = ("start", "end", *DIMENSIONS)


def classes_of(settings: ReadSettings, declared: tuple[str, ...] | None, rows: Rows) -> ClassMap:
    """The settings' classes, else the declared ones, else the labels that occur.

    Raises:
        ConfigError: No such preset, or a label that the corpus does not have.
    """
    occurring = {label for _, cells in rows if (label := _text(cells.get("label"))) and is_utf8(label)}
    names = declared or tuple(sorted(occurring))
    if settings.classes is None:
        return ClassMap.from_codes({name: (name,) for name in names})
    four = {4: {name: (name,) for name in FOUR_CLASSES}}
    return class_map(settings, four, occurring | set(names))


def row_of(
    folder: Path, classes: ClassMap, cells: Mapping[str, Any], known: set[str] | None
) -> dict[str, Any]:
    """One line as a row of the table.

    Raises:
        ValueError: A cell cannot be understood; says which.
    """
    if None in cells:
        raise ValueError("more cells than columns")
    text = {name: _text(cells.get(name)) for name in SCHEMA.names if name not in ("label_dist", *_NUMBERS)}
    for name, cell in text.items():
        if cell and not is_utf8(cell):
            raise ValueError(f"`{name}` is not UTF-8: {cell}")
    if text["audio"] is None:
        raise ValueError("no audio file is named")
    if known is not None and text["label"] is not None and text["label"] not in known:
        raise ValueError(f"unknown label `{text['label']}`; declared: {', '.join(sorted(known))}")
    audio = Path(os.path.normpath(folder / str(cells["audio"])))  # a file's name as it is
    speaker = text["speaker"] or unknown_speaker(text["split"])
    own = {name: text[name] for name in ("corpus",) if text[name] is not None}
    return {
        **{name: text[name] for name in ("gender", "split", "style", "text")},
        **own,
        "utt_id": text["utt_id"] or audio.stem,
        "audio": str(audio),
        "speaker": speaker,
        "group": text["group"] or speaker,
        "label": classes.of.get(text["label"] or ""),
        "label_dist": _distribution(classes, cells.get("label_dist")),
        **{name: _number(name, cells.get(name)) for name in _NUMBERS},
    }


def _text(cell: Any) -> str | None:
    return None if cell is None else tidy(str(cell)) or None


def _number(name: str, cell: Any) -> float | None:
    try:
        return number(None if cell is None else str(cell))
    except ValueError:
        raise ValueError(f"`{name}` is no number: {cell!r}") from None


def _distribution(classes: ClassMap, cell: Any) -> dict[str, float] | None:
    """Weights of the classes that have a label in the cell; None where none has."""
    if cell is None or cell == "":
        return None
    try:
        weights = json.loads(cell) if isinstance(cell, str) else dict(cell)
        pairs = [(tidy(str(code)), float(weight)) for code, weight in weights.items()]
    except (ValueError, TypeError, AttributeError):
        raise ValueError(f"`label_dist` is no JSON object of weights: {cell!r}") from None
    if not all(0 <= weight < float("inf") for _, weight in pairs):
        raise ValueError(f"`label_dist` has a weight that is negative or not finite: {cell!r}")
    merged: dict[str, float] = {}
    for code, weight in pairs:
        if code in classes.of:
            merged[classes.of[code]] = merged.get(classes.of[code], 0.0) + weight
    return merged or None
