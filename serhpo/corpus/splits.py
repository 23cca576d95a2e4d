"""The corpus' own split: what its parts are called, and what they are for."""

from __future__ import annotations

from collections import Counter

from serhpo.corpus.table import Corpus
from serhpo.errors import CorpusError

PARTS = ("train", "validation", "test")

_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "development": "validation",
    "test": "test",
    "test1": "test",
}
_LEFT_OUT = ("test2", "test3", "other")
"""MSP-Podcast's further test sets, and what audformat calls neither."""


def part_of(split: str | None) -> str | None:
    """The part that a name of a split stands for, whatever its case; None where it takes part in nothing."""
    return None if split is None else _NAMES.get(split.casefold())


def parts_of(corpus: Corpus) -> list[str | None]:
    """The part of every utterance by the corpus' own split; None for those that are left out.

    Raises:
        CorpusError: A name of a split that nobody knows: its utterances would silently be left out.
    """
    splits = corpus.column("split")
    known = {None, *_NAMES, *_LEFT_OUT}
    strange = Counter(split for split in splits if (split and split.casefold()) not in known)
    if strange:
        raise CorpusError(
            "The corpus' own split has parts of unknown names",
            where=corpus.root,
            got=", ".join(f"`{name}` ({count})" for name, count in sorted(strange.items())),
            allowed=", ".join((*_NAMES, *_LEFT_OUT)),
            hint="rename them; a cell left empty takes part in nothing",
        )
    return [part_of(split) for split in splits]
