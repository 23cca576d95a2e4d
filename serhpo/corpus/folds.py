"""Which speakers train, validate and test; a speaker in two of them is an error, always."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

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
            all. Single missing ones are no matter: they only mask their task.
    """
    speakers = corpus.column("speaker")
    columns = {"class label": ("label",), "rating": DIMENSIONS}
    having = {
        what: {
            speaker
            for name in names
            for speaker, value in zip(speakers, corpus.column(name), strict=True)
            if value is not None
        }
        for what, names in columns.items()
    }
    problems = [
        Problem(f"no {part} speaker has a {what}", key=fold.name)
        for fold in folds
        for part in PARTS[:2]
        for what in columns
        if not having[what].intersection(getattr(fold, part))
    ]
    if problems:
        raise CorpusError(
            "A search trains and measures emotion classes and dimensions together; this corpus lacks one",
            where=corpus.root,
            problems=problems,
        )


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
