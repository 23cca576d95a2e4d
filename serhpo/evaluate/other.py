"""Another corpus as the test speakers of a study: joined behind its own, so that nothing else changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from serhpo.corpus.folds import Fold, check_leakage
from serhpo.corpus.table import DIMENSIONS, SCHEMA, Corpus
from serhpo.errors import CorpusError, LeakageError


@dataclass(frozen=True)
class Joined:
    """A study's corpus with another one behind it.

    Attributes:
        corpus: Both; the other's ratings in units of the first, its speakers named after their corpus.
        folds: As the study's, but the other corpus' speakers test in each.
        dropped: What of the other corpus is not measured, in words.
    """

    corpus: Corpus
    folds: tuple[Fold, ...]
    dropped: tuple[str, ...]


def join(
    corpus: Corpus, folds: Iterable[Fold], other: Corpus, recordings: Sequence[Iterable[str]] = ((), ())
) -> Joined:
    """Put another corpus behind the one of a study.

    Ratings keep their place in the declared range of their own corpus.

    Args:
        corpus: That of the study.
        folds: Its folds.
        other: To be tested.
        recordings: Digests of the recordings of both, to tell whether one is in both.

    Raises:
        CorpusError: The other corpus lacks a class of the study, or has neither labels nor ratings.
        LeakageError: A recording of the study is in the other corpus, too.
    """
    if shared := set(recordings[0]) & set(recordings[1]):
        raise LeakageError(
            f"{len(shared)} recordings of the other corpus are in the study's own, byte for byte",
            where=other.root,
            hint="leave out --corpus to measure on the study's own test speakers",
        )
    classes = corpus.scheme.classes
    if missing := [name for name in classes if name not in other.scheme.classes]:
        raise CorpusError(
            f"The other corpus has no class {', '.join(missing)}",
            where=other.root,
            got=", ".join(other.scheme.classes),
            allowed=", ".join(classes),
            hint="--classes names the study's classes in the codes of that corpus",
        )
    labels, dropped = _labels(other, classes)
    columns = {name: other.table[name] for name in SCHEMA.names}
    columns["label"] = pa.array(labels, pa.string())
    columns["speaker"] = pa.array([f"{other.name}:{name}" for name in other.column("speaker")], pa.string())
    columns["label_dist"] = pa.nulls(len(other), SCHEMA.field("label_dist").type)  # nobody trains on it
    for name in DIMENSIONS:
        columns[name] = pa.array(_rescaled(other.column(name), other, corpus), pa.float32())
    rated = any(value is not None for name in DIMENSIONS for value in other.column(name))
    if not rated:
        dropped.append("it has no ratings: CCC cannot be measured")
    if not rated and not any(labels):
        raise CorpusError("The other corpus has neither labels nor ratings to measure", where=other.root)
    table = pa.concat_tables([corpus.table, pa.table(columns, schema=SCHEMA)])
    speakers = tuple(sorted(set(columns["speaker"].to_pylist())))
    joined = replace(corpus, table=table)
    tested = tuple(replace(fold, test=speakers) for fold in folds)
    check_leakage(tested, joined)
    return Joined(joined, tested, tuple(dropped))


def _labels(other: Corpus, classes: Sequence[str]) -> tuple[list[str | None], list[str]]:
    """Labels that the study knows, and in words what became of the others."""
    labels = other.column("label")
    strange = Counter(name for name in labels if name is not None and name not in classes)
    counted = ", ".join(f"{count} {name}" for name, count in strange.most_common())
    dropped = [f"labels that the study does not know: {counted}"] if strange else []
    if missing := sum(name is None for name in labels):
        dropped.append(f"{missing} of {len(other)} utterances have no label: accuracy leaves them out")
    return [name if name in classes else None for name in labels], dropped


def _rescaled(values: Sequence[float | None], other: Corpus, corpus: Corpus) -> list[float | None]:
    if other.scheme.dimensions is None or corpus.scheme.dimensions is None:
        return [None] * len(values)
    (low, high), (first, last) = other.scheme.dimensions, corpus.scheme.dimensions
    return [None if v is None else first + (v - low) / (high - low) * (last - first) for v in values]
