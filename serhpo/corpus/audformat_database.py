"""audformat databases (audEERING's format: a ``db.yaml`` and one table a file), through their own library.

A column is taken for what its name, or its scheme's name, says: ``emotion`` (or ``label``), ``valence``,
``arousal`` (or ``activation``), ``dominance``, ``speaker``, ``gender`` (or ``sex``), ``group`` (or
``session``), ``style``, ``text`` (or ``transcription``); other columns are not read. Utterances are the
files, or segments of files, that have an emotion or a rating; what stands about a whole file holds for its
segments. A speaker scheme whose labels carry a gender gives it, a table's split its utterances' split. The
range of the ratings is that of their schemes (``minimum`` and ``maximum``).

    pip install "serhpo[audformat]"
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from serhpo.corpus.classes import ReadSettings
from serhpo.corpus.reading import Reading
from serhpo.corpus.rows import classes_of, row_of
from serhpo.corpus.table import DIMENSIONS, Corpus, LabelScheme
from serhpo.errors import CorpusError, UsageError
from serhpo.text import tidy

NAME = "audformat"
LAYOUT = "an audformat database: a folder with a db.yaml"

_MEANINGS = {
    "emotion": "label",
    "label": "label",
    "valence": "valence",
    "arousal": "arousal",
    "activation": "arousal",
    "dominance": "dominance",
    "speaker": "speaker",
    "gender": "gender",
    "sex": "gender",
    "group": "group",
    "session": "group",
    "style": "style",
    "text": "text",
    "transcription": "text",
}
_GENDERS = {"female": "F", "f": "F", "male": "M", "m": "M"}


class _Segment(NamedTuple):
    """A file, or a part of it in seconds."""

    file: str
    start: float | None = None
    end: float | None = None


class _Found(NamedTuple):
    """What stands about one segment, and where it stands first."""

    cells: dict[str, Any]
    table: Path
    line: int | None


def recognises(path: Path) -> bool:
    """Whether a folder is an audformat database."""
    return (path / "db.yaml").is_file()


def read(path: Path, settings: ReadSettings) -> Corpus:
    """Read a database's tables, and check every recording.

    Args:
        path: The folder.
        settings: Which of its labels make which class.

    Raises:
        UsageError: audformat is not installed.
        CorpusError: The library cannot read it, a table is only there as a pickle, or the ratings have no
            range or several.
        ConfigError: The class map names labels that do not occur.
    """
    folder = path.resolve()
    database = _load(folder)
    dimensions = _range(folder, database)
    found = _segments(folder, database)
    rows = [(number, place.cells) for number, place in enumerate(found.values())]
    classes = classes_of(settings, _declared_labels(database), rows)
    reading = Reading(folder, LabelScheme(classes=classes.classes, dimensions=dimensions), settings)
    for place in found.values():
        try:
            row = row_of(folder, classes, place.cells, None)
        except ValueError as error:
            reading.problem(str(error), place.table, place.line)
        else:
            reading.add(row, place.table, place.line)
    return reading.corpus(str(database.name))


def _load(folder: Path) -> Any:
    try:
        import audformat
    except ImportError as error:
        raise UsageError(
            "audformat databases are read by the library of that name, which is not installed",
            where=folder,
            hint='pip install "serhpo[audformat]"',
        ) from error
    if pickles := sorted(folder.glob("*.pkl")):
        raise CorpusError(
            "The database has pickled tables, which are not opened: a pickle can run any code",
            where=pickles[0],
            hint="delete the .pkl files where the same tables are there as .csv or .parquet",
        )
    try:
        return audformat.Database.load(str(folder), load_data=True, verbose=False)
    except Exception as error:  # it hands on whatever YAML, pandas and its own checks raise
        raise CorpusError(f"audformat cannot read the database: {error}", where=folder) from error


def _meaning(table: Any, column: str) -> str | None:
    scheme = table.columns[column].scheme_id or ""
    return _MEANINGS.get(column.lower()) or _MEANINGS.get(scheme.lower())


def _range(folder: Path, database: Any) -> tuple[float, float] | None:
    """The range of the ratings' schemes, None where there are no ratings."""
    ranges: dict[tuple[Any, Any], str] = {}
    for name, table in database.tables.items():
        for column in table.columns:
            if _meaning(table, column) in DIMENSIONS:
                scheme = table.columns[column].scheme
                ends = (None, None) if scheme is None else (scheme.minimum, scheme.maximum)
                ranges.setdefault(ends, f"column {column} of table {name}")
    if not ranges:
        return None
    (low, high), *others = ranges
    if others or low is None or high is None or low >= high:
        raise CorpusError(
            "The ratings need one range, declared as minimum and maximum in their schemes",
            where=folder / "db.yaml",
            got="; ".join(f"{first} to {last} in {column}" for (first, last), column in ranges.items()),
            hint="write the true ends of the scale into the schemes",
        )
    return float(low), float(high)


def _declared_labels(database: Any) -> tuple[str, ...] | None:
    """Labels of the emotion schemes in their order, if they are declared."""
    names: dict[str, None] = {}
    for table in database.tables.values():
        for column in table.columns:
            scheme = table.columns[column].scheme
            if _meaning(table, column) == "label" and scheme is not None and scheme.labels is not None:
                names |= dict.fromkeys(tidy(str(label)) for label in scheme.labels)
    return tuple(names) or None


def _segments(folder: Path, database: Any) -> dict[_Segment, _Found]:
    """Every utterance with its cells, named as in a manifest."""
    everything: dict[_Segment, _Found] = {}
    for name, table in sorted(database.tables.items()):
        csv = folder / f"db.{name}.csv"
        place = csv if csv.is_file() else folder / f"db.{name}.parquet"
        for line, (segment, cells) in enumerate(_rows(database, table), start=2):
            known = everything.setdefault(segment, _Found({}, place, line if place == csv else None))
            known.cells.update({meaning: cell for meaning, cell in cells.items() if cell is not None})
    wanted = {"label", *DIMENSIONS}
    found = {}
    for segment, about in everything.items():
        if wanted & about.cells.keys():
            whole = everything.get(_Segment(segment.file))
            cells = {**(whole.cells if whole else {}), **about.cells}
            found[segment] = about._replace(cells={**cells, **_identity(segment)})
    return found


def _identity(segment: _Segment) -> dict[str, Any]:
    name = Path(segment.file).with_suffix("").as_posix()
    if segment.start or segment.end is not None:
        name += f"@{segment.start or 0:.3f}" + ("" if segment.end is None else f"-{segment.end:.3f}")
    return {"utt_id": name, "audio": segment.file, "start": segment.start or None, "end": segment.end}


def _rows(database: Any, table: Any) -> Iterator[tuple[_Segment, Mapping[str, Any]]]:
    import pandas

    meanings = {column: meaning for column in table.columns if (meaning := _meaning(table, column))}
    split = database.splits[table.split_id].type if table.split_id else None
    genders = _genders(table, meanings)
    frame = table.df
    for key, *values in frame[list(meanings)].astype(object).itertuples():
        cells = {
            meaning: None if pandas.isna(value) else value
            for meaning, value in zip(meanings.values(), values, strict=True)
        }
        cells["split"] = split
        cells.setdefault("gender", genders.get(cells.get("speaker")))
        if (gender := cells["gender"]) is not None:
            cells["gender"] = _GENDERS.get(str(gender).lower())
        if isinstance(key, tuple):
            file, start, end = key
            ends = (None if pandas.isna(time) else time.total_seconds() for time in (start, end))
            yield _Segment(file, *ends), cells
        else:
            yield _Segment(key), cells


def _genders(table: Any, meanings: Mapping[str, str]) -> dict[Any, Any]:
    """Gender of every speaker whose scheme tells it."""
    genders = {}
    for column, meaning in meanings.items():
        scheme = table.columns[column].scheme
        if meaning == "speaker" and scheme is not None and isinstance(scheme.labels, dict):
            for speaker, about in scheme.labels.items():
                if isinstance(about, dict):
                    genders[speaker] = about.get("gender", about.get("sex"))
    return genders
