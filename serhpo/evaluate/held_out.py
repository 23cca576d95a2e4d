"""Whose speakers test, and what may be claimed of figures measured on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from serhpo.config import digest
from serhpo.corpus.folds import Fold, ProtocolConfig, level_of_test
from serhpo.corpus.table import Corpus
from serhpo.study import Study

OTHER_LEVEL = "another corpus, of which no part of the search has heard anybody"


@dataclass(frozen=True)
class HeldOut:
    """Test speakers of a corpus, fold by fold.

    Attributes:
        key: Differs for another corpus and for another way to divide it.
        corpus: What the corpus calls itself.
        corpus_digest: Of its table.
        protocol: How speakers were divided.
        level: What may be claimed, in one line for every table.
        selected: Whether the search that chose the configurations has heard a test speaker.
        speakers: Test speakers of every fold of the protocol.
    """

    key: str
    corpus: str
    corpus_digest: str
    protocol: str
    level: str
    selected: bool
    speakers: Mapping[str, tuple[str, ...]]


def of_protocol(study: Study, protocol: ProtocolConfig, folds: Iterable[Fold]) -> HeldOut:
    """Test speakers of the study's own corpus.

    Args:
        study: The study.
        protocol: Its own, or another one.
        folds: As the protocol makes them.
    """
    speakers = {fold.name: fold.test for fold in folds}
    heard = {name for fold in study.folds() for part in ("train", "validation") for name in fold[part]}
    corpus = str(study.lock["corpus_digest"])
    return HeldOut(
        key=digest(corpus, protocol),
        corpus=study.settings.corpus_name,
        corpus_digest=corpus,
        protocol=protocol.name,
        level=level_of_test(protocol),
        selected=any(name in heard for names in speakers.values() for name in names),
        speakers=speakers,
    )


def of_corpus(study: Study, other: Corpus, folds: Iterable[Fold]) -> HeldOut:
    """All speakers of another corpus, on whom the models of every fold are measured.

    Args:
        study: The study.
        other: The other corpus.
        folds: As :func:`serhpo.evaluate.other.join` makes them.
    """
    return HeldOut(
        key=digest(other.digest, study.settings.protocol),
        corpus=f"{other.name} ({other.root.name})",
        corpus_digest=other.digest,
        protocol=study.settings.protocol.name,
        level=OTHER_LEVEL,
        selected=False,
        speakers={fold.name: fold.test for fold in folds},
    )
