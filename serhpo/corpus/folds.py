"""Which speakers train, validate and test; a speaker in two of them is an error, always."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from serhpo.corpus.protocols import Fold, ProtocolConfig, divide, taking_part
from serhpo.corpus.splits import PARTS
from serhpo.corpus.table import DIMENSIONS, Corpus
from serhpo.errors import CorpusError, LeakageError, Problem

__all__ = [
    "Fold",
    "ProtocolConfig",
    "check_leakage",
    "level",
    "level_of_test",
    "make_folds",
    "require_labels",
    "require_tests",
    "taking_part",
]


def make_folds(corpus: Corpus, protocol: ProtocolConfig) -> tuple[Fold, ...]:
    """Divide the speakers of a corpus.

    Raises:
        ConfigError: The held-out group does not exist or is not named, or the number of folds does not
            fit the groups.
        CorpusError: The corpus has too few sessions or speakers, unknown speakers, or no split of its own
            or one with parts of unknown names.
        LeakageError: A speaker would stand in two parts of one fold.
    """
    folds = divide(corpus, protocol)
    check_leakage(folds, corpus, protocol)
    return folds


def check_leakage(folds: Sequence[Fold], corpus: Corpus, protocol: ProtocolConfig | None = None) -> None:
    """Make sure that no model is measured on a voice it was fitted to or chosen on.

    Args:
        folds: As made by :func:`make_folds` or read from a study.
        corpus: Whose speakers they divide.
        protocol: With ``holdout`` and ``nested`` a test speaker of any fold may train or validate in none.

    Raises:
        LeakageError: A speaker stands in two parts of one fold, a held-out speaker trains or
            validates, or a part is empty or names a speaker the corpus does not have.
    """
    known = set(corpus.speakers)
    held_out = {speaker for fold in folds for speaker in fold.test}
    problems: list[Problem] = []
    for fold in folds:
        parts = {part: set[str](getattr(fold, part)) for part in PARTS}
        counts = Counter(speaker for part in parts.values() for speaker in part)
        for speaker in sorted(name for name, times in counts.items() if times > 1):
            places = " and ".join(part for part in PARTS if speaker in parts[part])
            problems.append(Problem(f"speaker {speaker} stands in {places}", key=fold.name))
        for part in PARTS:
            if not parts[part]:
                problems.append(Problem(f"no speaker in {part}", key=fold.name))
            for speaker in sorted(parts[part] - known):
                problems.append(Problem(f"{part} speaker {speaker} is not in the corpus", key=fold.name))
        if protocol is not None and protocol.holds_out:
            for speaker in sorted(held_out & (parts["train"] | parts["validation"]) - parts["test"]):
                problems.append(Problem(f"held-out speaker {speaker} trains or validates", key=fold.name))
    if problems:
        raise LeakageError("The folds share speakers", where=corpus.root, problems=problems)


def require_labels(folds: Sequence[Fold], corpus: Corpus) -> None:
    """Make sure that every model can be trained and measured on both tasks.

    Raises:
        CorpusError: The training or validation speakers of a fold have no class label, or no rating, at
            all, or validation speakers have a class that no training speaker has. Single missing ones are
            no matter: they only mask their task.
    """
    found = {name: _values(corpus, name) for name in ("label", *DIMENSIONS)}
    tasks = {"class label": ("label",), "rating": DIMENSIONS}
    problems = [
        Problem(f"no {part} speaker has a {task}", key=fold.name)
        for fold in folds
        for part in PARTS[:2]
        for task, names in tasks.items()
        if not any(found[name].keys() & getattr(fold, part) for name in names)
    ]
    if problems:
        raise CorpusError(
            "A search trains and measures emotion classes and dimensions together; this corpus lacks one",
            where=corpus.root,
            problems=problems,
        )
    for fold in folds:
        train, validation = (
            set[str]().union(*(found["label"].get(speaker, ()) for speaker in getattr(fold, part)))
            for part in PARTS[:2]
        )
        if strange := ", ".join(sorted(validation - train)):
            problems.append(
                Problem(f"validation speakers are {strange}, but no train speaker is", key=fold.name)
            )
    if problems:
        raise CorpusError(
            "A model cannot tell a class that it was never trained on",
            where=corpus.root,
            problems=problems,
            hint="divide the speakers otherwise (--set protocol.name=...) or leave the class out (--classes)",
        )


def require_tests(folds: Sequence[Fold], corpus: Corpus) -> None:
    """Make sure that something can be measured on the test speakers of every fold.

    Raises:
        CorpusError: None of them has a class label or a rating.
    """
    known = set[str]().union(*(_values(corpus, name) for name in ("label", *DIMENSIONS)))
    problems = [
        Problem("no test speaker has a class label or a rating", key=fold.name)
        for fold in folds
        if not known.intersection(fold.test)
    ]
    if problems:
        raise CorpusError(
            "There is nothing to measure on the test speakers",
            where=corpus.root,
            problems=problems,
            hint="measure on other folds (--folds) or divide otherwise (--protocol)",
        )


def _values(corpus: Corpus, name: str) -> dict[str, set[Any]]:
    """What stands in a column, for every speaker who has anything there."""
    found: dict[str, set[Any]] = {}
    for speaker, value in zip(corpus.column("speaker"), corpus.column(name), strict=True):
        if value is not None:
            found.setdefault(speaker, set()).add(value)
    return found


def level(protocol: ProtocolConfig) -> str:
    """What may be claimed of figures measured under a protocol, in one line for every table."""
    return {
        "holdout": "the held-out session stays untouched, and no figure here is measured on it",
        "nested": "one of several searches, none of which saw its test speakers: quote them pooled",
        "leave_one_session_out": "leave one session out: configuration selected on these speakers",
        "leave_one_speaker_out": "leave one speaker out: configuration selected on these speakers",
        "k_fold": "k-fold over speakers: configuration selected on these speakers",
        "predefined": "the corpus' own test speakers stay untouched, and no figure here is measured on them",
    }[protocol.name]


def level_of_test(protocol: ProtocolConfig) -> str:
    """What may be claimed of figures measured on a protocol's test speakers, in one line for every table."""
    unread = {
        "holdout": "the held-out session, which no part of the search has read",
        "nested": "the session this search held out: quote it pooled with those of the other searches",
        "predefined": "the corpus' own test speakers, whom no part of the search has read",
    }
    return unread.get(protocol.name) or level(protocol)
