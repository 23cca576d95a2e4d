"""What every reader does alike: collect rows, refuse what cannot be used, name it by file and line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serhpo.corpus.audio import audio_info, audio_problem, samples_of
from serhpo.corpus.classes import ReadSettings
from serhpo.corpus.table import DIMENSIONS, UNKNOWN_SPEAKER, Corpus, LabelScheme
from serhpo.errors import Problem
from serhpo.text import is_utf8, printable


class Reading:
    """Rows and problems found so far.

    Args:
        root: Folder or file that is read.
        scheme: Classes and rating range.
        settings: The user's choice, kept with the corpus.
        tolerance: How far outside the range a rating may lie and still be moved to its end.
    """

    def __init__(
        self, root: Path, scheme: LabelScheme, settings: ReadSettings, tolerance: float = 0.0
    ) -> None:
        self.root, self.scheme = root, scheme
        self._settings, self._tolerance = settings, tolerance
        self._rows: list[dict[str, Any]] = []
        self._seen: dict[str, str] = {}  # utt_id -> source
        self._voices: dict[tuple[str, float, float | None], tuple[str, str]] = {}  # what is heard -> speaker
        self._problems: list[Problem] = []
        self._clamped = 0

    def problem(self, what: str, file: Path, line: int | None = None) -> None:
        """Note something that cannot be used."""
        self._problems.append(Problem(printable(what), file=printable(str(file)), line=line))

    def add(self, row: Mapping[str, Any], file: Path, line: int | None = None) -> None:
        """Keep an utterance, or note why it cannot be used.

        Args:
            row: Columns as :data:`~serhpo.corpus.table.SCHEMA`; a missing one is null. ``source`` is
                added here, and ratings are clamped.
            file: Where its label stands.
            line: And in which line.
        """
        source = f"{file}:{line}" if line is not None else str(file)
        first = self._seen.setdefault(row["utt_id"], source)
        if first != source:
            self.problem(f"turn {row['utt_id']} stands twice, first in {first}", file, line)
            return
        ratings = {name: row[name] for name in DIMENSIONS if row.get(name) is not None}
        reason = _text_problem({**row, "source": source}) or self._rating_problem(list(ratings.values()))
        if reason := reason or _recording_problem(row) or self._speaker_problem(row, source):
            self.problem(reason, file, line)
            return
        self._rows.append({**row, **self._clamp(ratings), "source": source})

    def corpus(self, name: str) -> Corpus:
        """The corpus, its utterances sorted by ``utt_id``."""
        rows = sorted(({"corpus": name, **row} for row in self._rows), key=lambda row: str(row["utt_id"]))
        if not rows and not self._problems:
            self.problem("no utterance found", self.root)
        corpus = Corpus.from_rows(name, self.root, rows, self.scheme, self._clamped, self._problems)
        return corpus.with_settings(self._settings)

    def _rating_problem(self, ratings: list[float]) -> str | None:
        if self.scheme.dimensions is None or not ratings:
            return None
        low, high = self.scheme.dimensions
        if all(low - self._tolerance <= rating <= high + self._tolerance for rating in ratings):
            return None
        return f"rating outside {low:g} to {high:g}: {ratings}"

    def _speaker_problem(self, row: Mapping[str, Any], source: str) -> str | None:
        """The same sound under two speakers: divided by speakers, it would train and test."""
        heard = (row["audio"], row.get("start") or 0.0, row.get("end"))
        speaker, first = self._voices.setdefault(heard, (row["speaker"], source))
        if speaker == row["speaker"]:
            return None
        return f"the same part of {row['audio']} is said by {speaker} in {first}, by {row['speaker']} here"

    def _clamp(self, ratings: dict[str, float]) -> dict[str, float]:
        if self.scheme.dimensions is None:
            return ratings
        low, high = self.scheme.dimensions
        kept = {name: min(max(rating, low), high) for name, rating in ratings.items()}
        self._clamped += sum(kept[name] != rating for name, rating in ratings.items())
        return kept


def unknown_speaker(split: str | None) -> str:
    """The id of a speaker nobody has named; one for every part of the corpus' own split."""
    return f"{UNKNOWN_SPEAKER}-{split}" if split else UNKNOWN_SPEAKER


def _text_problem(row: Mapping[str, Any]) -> str | None:
    """A table holds Unicode; file names may be any bytes."""
    strange = [name for name, cell in row.items() if isinstance(cell, str) and not is_utf8(cell)]
    return f"`{strange[0]}` is not UTF-8: {row[strange[0]]}" if strange else None


def _recording_problem(row: Mapping[str, Any]) -> str | None:
    path, start, end = Path(row["audio"]), row.get("start"), row.get("end")
    if reason := audio_problem(path):
        return f"the recording {path} {reason}"
    if start is None and end is None:
        return None
    seconds, rate, _ = audio_info(path)
    if samples_of(round(seconds * rate), rate, start, end) is not None:
        return None
    shown = "end" if end is None else f"{end:g}"
    return f"the recording {path} has no part {start or 0:g} to {shown} s: it is {seconds:g} s long"


def number(text: str | None) -> float | None:
    """A cell of a label file: nothing and ``nan`` are null.

    Raises:
        ValueError: It is no number.
    """
    value = float(text) if text and text.strip() else math.nan
    return None if math.isnan(value) else value
