"""A corpus: one Arrow table of utterances, a label scheme, and what was wrong on disk."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from serhpo import config
from serhpo.corpus.audio import audio_info
from serhpo.corpus.classes import FOUR_CLASSES, ReadSettings
from serhpo.errors import AudioError, CorpusError, Problem
from serhpo.text import counted

DIMENSIONS = ("valence", "arousal", "dominance")
UNKNOWN_SPEAKER = "Unknown"
"""Begins the ids of speakers that a corpus does not name: each of them may be anyone."""

SCHEMA = pa.schema(
    [
        pa.field("utt_id", pa.string(), nullable=False),
        pa.field("audio", pa.string(), nullable=False),  # absolute path
        pa.field("start", pa.float64()),  # seconds; null = from the file's beginning
        pa.field("end", pa.float64()),  # seconds; null = to the file's end
        pa.field("corpus", pa.string(), nullable=False),
        pa.field("speaker", pa.string(), nullable=False),
        pa.field("group", pa.string(), nullable=False),  # the session, for grouped folds
        pa.field("gender", pa.string()),  # F, M
        pa.field("split", pa.string()),  # the corpus' own partition
        pa.field("label", pa.string()),  # one of the scheme's classes, or null
        pa.field("label_dist", pa.map_(pa.string(), pa.float32())),
        pa.field("valence", pa.float32()),  # corpus units, as the next two
        pa.field("arousal", pa.float32()),
        pa.field("dominance", pa.float32()),
        pa.field("style", pa.string()),  # improvised, scripted
        pa.field("text", pa.string()),
        pa.field("source", pa.string(), nullable=False),  # "label file:line"
    ]
)
"""Columns of every corpus table, in this order."""


class LabelScheme(config.Config):
    """What the labels of a corpus mean.

    Attributes:
        classes: Names of the emotion classes; a label is one of them or null.
        dimensions: Lowest and highest rating of valence, arousal and dominance, or None where the
            corpus has no ratings.
    """

    classes: tuple[str, ...] = FOUR_CLASSES
    dimensions: tuple[float, float] | None = (1.0, 5.0)


@dataclass(frozen=True, eq=False)
class Corpus:
    """Utterances that can be trained on, in a fixed order.

    Attributes:
        name: Of the layout it was read from, e.g. ``iemocap``.
        root: Its folder, or the manifest file.
        table: One row an utterance, columns as :data:`SCHEMA`.
        scheme: Classes and rating range.
        clamped: Ratings that lay slightly outside the range and were moved to its end, when read.
        problems: What was wrong on disk, when read. Rows with a problem are not in the table.
        settings: How it was read; with them ``read_corpus`` gives the same again.
    """

    name: str
    root: Path
    table: pa.Table
    scheme: LabelScheme
    clamped: int = 0
    problems: tuple[Problem, ...] = ()
    settings: ReadSettings = field(default_factory=ReadSettings)

    @classmethod
    def from_rows(
        cls,
        name: str,
        root: Path,
        rows: Sequence[Mapping[str, Any]],
        scheme: LabelScheme,
        clamped: int = 0,
        problems: Sequence[Problem] = (),
    ) -> Corpus:
        """Build one from dictionaries; a missing key is null."""
        return cls(name, root, pa.Table.from_pylist(list(rows), SCHEMA), scheme, clamped, tuple(problems))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def with_settings(self, settings: ReadSettings) -> Corpus:
        """The same corpus, saying how it was read."""
        return replace(self, settings=settings)

    def column(self, name: str) -> list[Any]:
        """One column as plain Python values, null as None."""
        values: list[Any] = self.table[name].to_pylist()
        return values

    @cached_property
    def digest(self) -> str:
        """Changes with any label, text, path or audio file size; not when the folder is moved.

        Raises:
            AudioError: A recording has gone since the corpus was read.
        """
        columns = {name: self.column(name) for name in SCHEMA.names if name not in ("audio", "source")}
        audio = self.column("audio")
        relative = [Path(os.path.relpath(path, self.root)).as_posix() for path in audio]
        sizes = {path: _size(path) for path in dict.fromkeys(audio)}
        return config.digest(self.name, self.scheme, columns, relative, [sizes[path] for path in audio])

    @property
    def speakers(self) -> tuple[str, ...]:
        """Speaker ids, sorted."""
        return tuple(sorted(set(self.column("speaker"))))

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """Sorted speaker ids of every group (session); Session2 comes before Session10."""
        members: dict[str, set[str]] = {}
        for group, speaker in zip(self.column("group"), self.column("speaker"), strict=True):
            members.setdefault(group, set()).add(speaker)
        return {group: tuple(sorted(members[group])) for group in sorted(members, key=_natural)}

    def require_clean(self) -> Corpus:
        """The corpus itself.

        Raises:
            CorpusError: Something was wrong on disk (all of it is listed), or nothing was found.
        """
        if self.problems:
            raise CorpusError(
                f"{counted(len(self.problems), 'problem')} in the corpus",
                where=self.root,
                problems=self.problems,
                hint="mend or remove the files named, then run `serhpo check` again",
            )
        if not len(self):
            raise CorpusError("The corpus holds no utterance", where=self.root)
        return self

    def require_labels(self) -> Corpus:
        """The corpus itself.

        Raises:
            CorpusError: No utterance carries one of the classes, so accuracy over them means nothing.
        """
        missing = sorted(set(self.scheme.classes) - set(self.column("label")))
        if missing:
            raise CorpusError(
                f"No utterance is labelled {', '.join(missing)}",
                where=self.root,
                allowed=f"at least one utterance of each of {', '.join(self.scheme.classes)}",
                hint="`serhpo corpus show` counts labels",
            )
        return self

    def select(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.integer[Any]] | Sequence[int]) -> Corpus:
        """The corpus with some rows only: a mask of all rows, or row numbers in the order wanted.

        ``clamped`` and ``problems`` stay those of the reading.
        """
        chosen = np.asarray(rows)
        if chosen.dtype == np.bool_:
            if chosen.shape != (len(self),):
                raise IndexError(f"a mask of {len(self)} rows is needed, got shape {chosen.shape}")
            chosen = np.flatnonzero(chosen)
        return replace(self, table=self.table.take(pa.array(chosen.astype(np.int64))))

    def summary(self) -> dict[str, Any]:
        """Counts as plain values: the body of ``corpus show --json``."""
        labels = Counter(self.column("label"))
        speakers = Counter(self.column("speaker"))
        counts = Counter(zip(self.column("speaker"), self.column("label"), strict=True))
        recordings = {path: audio_info(Path(path)) for path in dict.fromkeys(self.column("audio"))}
        return {
            "utterances": len(self),
            "hours": round(sum(self.seconds()) / 3600, 4),
            "labels": {name: labels[name] for name in self.scheme.classes},
            "speakers": {name: speakers[name] for name in sorted(speakers)},
            "unlabelled": labels[None],
            "clamped": self.clamped,
            "problems": [{"file": p.file, "line": p.line, "what": p.what} for p in self.problems],
            "speaker_labels": {
                name: {label: counts[name, label] for label in self.scheme.classes}
                for name in sorted(speakers)
            },
            "groups": _counted(self.column("group")),
            "splits": _counted(self.column("split")),
            "styles": _counted(self.column("style")),
            "soft_labels": len(self) - self.table["label_dist"].null_count,
            "scale": self.scheme.dimensions,
            "dimensions": {name: _range(self.column(name)) for name in DIMENSIONS},
            "missing": {name: self.table[name].null_count for name in ("label", *DIMENSIONS, "text")},
            "recordings": len(recordings),
            "sample_rates": _counted([str(info.rate) for info in recordings.values()]),
            "channels": _counted([str(info.channels) for info in recordings.values()]),
        }

    def seconds(self) -> list[float]:
        """Length of every utterance, from the recordings' headers."""
        spans = zip(self.column("audio"), self.column("start"), self.column("end"), strict=True)
        return [
            (audio_info(Path(path)).seconds if end is None else end) - (start or 0.0)
            for path, start, end in spans
        ]


def _counted(values: Sequence[str | None]) -> dict[str, int]:
    """How often every value stands there, nulls left out."""
    counts = Counter(value for value in values if value is not None)
    return {value: counts[value] for value in sorted(counts, key=_natural)}


def _range(values: Sequence[float | None]) -> dict[str, float] | None:
    """Lowest, mean and highest rating, or None where there is none."""
    rated = [value for value in values if value is not None]
    if not rated:
        return None
    low, mean, high = (round(value, 4) for value in (min(rated), sum(rated) / len(rated), max(rated)))
    return {"rated": len(rated), "min": low, "mean": mean, "max": high}


def is_unknown(speaker: str) -> bool:
    """Whether a speaker id stands for somebody the corpus does not name; ``unknown`` in any case does."""
    name, unknown = speaker.casefold(), UNKNOWN_SPEAKER.casefold()
    return name == unknown or name.startswith(f"{unknown}-")


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError as error:
        raise AudioError(f"Cannot read the recording: {error.strerror}", where=path) from error
