"""A corpus as one table: CSV, JSON Lines or Parquet, with the columns of every corpus table.

    audio,speaker,group,label,valence,arousal,dominance
    wavs/a.wav,anna,monday,happy,4.5,3.0,3.5

``audio`` and ``speaker`` are needed, all other columns of :data:`~serhpo.corpus.table.SCHEMA` are
optional and any of their cells may be empty; a column of another name is an error, since it is most
likely a misspelt one. ``utt_id`` is the file's stem and ``group`` the speaker where they are not given,
paths count from the manifest's folder, ``label_dist`` is a JSON object, ``source`` is not read. Spaces
around a cell do not count, nor whether letters are composed (Unicode NFC); only ``audio`` is taken as it is.
What ``split`` may say is in :mod:`serhpo.corpus.splits`; only the protocol ``predefined`` asks.

What the ratings mean must be said, beside the table in ``<its name>.yaml`` (Parquet written by
``serhpo corpus convert`` carries it inside):

    name: my corpus            # optional
    dimensions: [1, 7]         # lowest and highest rating; needed where there are ratings
    classes: [angry, happy]    # optional; otherwise the labels that occur, sorted
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import field_validator

from serhpo.config import Config, canonical_json, parse, read_yaml
from serhpo.corpus.cells import csv_lines
from serhpo.corpus.classes import ReadSettings
from serhpo.corpus.reading import Reading
from serhpo.corpus.rows import Rows, classes_of, row_of
from serhpo.corpus.table import DIMENSIONS, SCHEMA, Corpus, LabelScheme
from serhpo.errors import CorpusError, StorageError, UsageError, nearest
from serhpo.text import tidy

NAME = "manifest"
LAYOUT = "a manifest: a .csv, .jsonl or .parquet file with the columns audio and speaker"
SUFFIXES = (".csv", ".jsonl", ".parquet")

_METADATA = b"serhpo"
_NEEDED = ("audio", "speaker")


class ManifestSettings(Config):
    """``<manifest>.yaml``, or the metadata of a Parquet file.

    Attributes:
        name: What the corpus is called; None = the file's stem.
        classes: Emotion classes in the order of the model's outputs; None = the labels that occur.
        dimensions: Lowest and highest rating; needed where there are ratings.
    """

    name: str | None = None
    classes: tuple[str, ...] | None = None
    dimensions: tuple[float, float] | None = None

    @field_validator("classes")
    @classmethod
    def _as_in_cells(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return names and tuple(map(tidy, names))

    @field_validator("dimensions")
    @classmethod
    def _from_low_to_high(cls, ends: tuple[float, float] | None) -> tuple[float, float] | None:
        if ends is not None and ends[0] >= ends[1]:
            raise ValueError("the lowest rating comes first, and the highest lies above it")
        return ends


def recognises(path: Path) -> bool:
    """Whether a path is a manifest."""
    return path.is_file() and path.suffix in SUFFIXES


def read(path: Path, settings: ReadSettings) -> Corpus:
    """Read a manifest, and check every recording.

    Args:
        path: The file.
        settings: Which of its labels make which class.

    Raises:
        CorpusError: The file cannot be read, has an unknown column, one twice or lacks a needed one,
            or has ratings without a declared range.
        ConfigError: The class map names labels that do not occur.
    """
    file = path.resolve()
    try:
        rows, declared = _load(file)
    except (OSError, pa.ArrowException) as error:
        raise CorpusError(f"Cannot read the manifest: {error}", where=file) from error
    except UnicodeDecodeError as error:
        raise CorpusError("The manifest is not UTF-8 text", where=file) from error
    beside = file.with_suffix(".yaml")
    if beside.is_file():
        declared = parse(ManifestSettings, read_yaml(beside), where=beside)
    name = declared.name or file.stem
    classes = classes_of(settings, declared.classes, rows)
    _require_range(file, beside, declared, rows)
    scheme = LabelScheme(classes=classes.classes, dimensions=declared.dimensions)
    reading = Reading(file, scheme, settings)
    known = None if declared.classes is None else set(declared.classes)
    for line, cells in rows:
        try:
            row = row_of(file.parent, classes, cells, known)
        except ValueError as error:
            reading.problem(str(error), file, line)
        else:
            reading.add(row, file, line)
    return reading.corpus(name)


def write(corpus: Corpus, out: Path) -> Path:
    """Write a corpus as a Parquet manifest that reads back as the same table.

    Recordings below the manifest's folder are named relative to it, so that both can move together.

    Raises:
        UsageError: ``out`` does not end in ``.parquet``.
        StorageError: It cannot be written.
    """
    if out.suffix != ".parquet":
        raise UsageError(
            "A corpus is converted to Parquet", got=out.name, allowed="a name ending in .parquet"
        )
    declared = ManifestSettings(
        name=corpus.name, classes=corpus.scheme.classes, dimensions=corpus.scheme.dimensions
    )
    folder = out.resolve().parent
    audio = pa.array([_portable(Path(path), folder) for path in corpus.column("audio")], pa.string())
    table = corpus.table.set_column(SCHEMA.get_field_index("audio"), SCHEMA.field("audio"), audio)
    table = table.replace_schema_metadata({_METADATA: canonical_json(declared).encode()})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{out.name}.", dir=folder)
        os.close(handle)
        try:
            pq.write_table(table, temporary, compression="zstd")
            Path(temporary).chmod(0o644)  # mkstemp keeps others out
            Path(temporary).replace(out)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise StorageError.from_os_error(error, out) from error
    return out


def _portable(audio: Path, folder: Path) -> str:
    return audio.relative_to(folder).as_posix() if audio.is_relative_to(folder) else str(audio)


def _load(file: Path) -> tuple[Rows, ManifestSettings]:
    """Lines with their cells, columns checked, and what a Parquet file says about itself."""
    declared = ManifestSettings()
    if file.suffix == ".parquet":
        table = pq.read_table(file)
        _check_columns(file, table.column_names)
        if text := (table.schema.metadata or {}).get(_METADATA):
            declared = parse(ManifestSettings, json.loads(text), where=file)
        return list(enumerate(table.to_pylist(), start=1)), declared
    if file.suffix == ".csv":
        return list(csv_lines(file, lambda names: _check_columns(file, names))), declared
    with file.open(encoding="utf-8-sig", newline="") as opened:
        return list(_json_lines(file, opened)), declared


def _json_lines(file: Path, lines: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for line, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            cells = json.loads(text)
        except json.JSONDecodeError:
            cells = None
        if not isinstance(cells, dict):
            raise CorpusError(f"Not a JSON object: {text[:60]!r}", where=f"{file}:{line}")
        _check_columns(f"{file}:{line}", (*_NEEDED, *cells))
        yield line, cells


def _check_columns(where: object, found: Any) -> None:
    for name in found:
        if name not in SCHEMA.names:
            hint = nearest(str(name), SCHEMA.names)
            raise CorpusError(f"Unknown column `{name}`.{hint}", where=where, allowed=", ".join(SCHEMA.names))
    if missing := [name for name in _NEEDED if name not in found]:
        raise CorpusError(f"The manifest has no column {' and '.join(missing)}", where=where)


def _require_range(file: Path, beside: Path, declared: ManifestSettings, rows: Rows) -> None:
    rated = any(cells.get(name) not in (None, "") for _, cells in rows for name in DIMENSIONS)
    if rated and declared.dimensions is None:
        raise CorpusError(
            "The manifest has ratings, but nothing says from what to what they go",
            where=file,
            hint=f"write the line `dimensions: [1, 5]`, with the true range, into {beside}",
        )
