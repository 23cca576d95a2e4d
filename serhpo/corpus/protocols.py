"""The protocols: how each of them divides a corpus' speakers into folds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from serhpo.config import Config
from serhpo.corpus.splits import PARTS, part_of, parts_of
from serhpo.corpus.stratify import stratified_parts
from serhpo.corpus.table import Corpus, is_unknown
from serhpo.errors import ConfigError, CorpusError, LeakageError, nearest

_ENOUGH_SPEAKERS = 10
"""From so many speakers without sessions on, ``holdout`` keeps a fifth of them for the end."""


@dataclass(frozen=True)
class Fold:
    """Speaker ids of the three parts of one fold, each sorted."""

    name: str
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


class ProtocolConfig(Config):
    """How a corpus is divided.

    Attributes:
        name: ``holdout`` keeps one group (session) for the end and cross-validates over the others;
            ``nested`` is one of several such searches, one for each session held out, and has to be
            told which; ``leave_one_session_out`` and ``leave_one_speaker_out`` test every group or
            speaker once; ``k_fold`` tests every speaker once, in ``folds`` parts of many speakers with
            about equal shares of the classes; ``predefined`` takes the corpus' own split.
        folds: Number of folds of ``holdout``, ``nested`` and ``k_fold``.
        held_out: Group that ``holdout`` or ``nested`` keeps for the end; None = the last one, or a
            fifth of the speakers where there are many of them and no sessions.
    """

    name: Literal[
        "holdout", "nested", "leave_one_session_out", "leave_one_speaker_out", "k_fold", "predefined"
    ] = "holdout"
    folds: int = Field(default=2, ge=2)
    held_out: str | None = None

    @model_validator(mode="after")
    def _nothing_without_effect(self) -> ProtocolConfig:
        if self.folds != 2 and self.name not in ("holdout", "nested", "k_fold"):
            raise ValueError(
                f"the protocol {self.name} decides itself how many folds there are; leave out folds"
            )
        if self.held_out is not None and not self.holds_out:
            raise ValueError(f"the protocol {self.name} holds out nobody for the end; leave out held_out")
        return self

    @property
    def holds_out(self) -> bool:
        """Whether the test speakers are the same in every fold and read by no part of the search."""
        return self.name in ("holdout", "nested")


def taking_part(corpus: Corpus, protocol: ProtocolConfig) -> Corpus:
    """The utterances that a protocol divides.

    All of them, but under ``predefined`` only those of its train, validation and test parts: a speaker
    of these may also stand in a part that is left out, such as MSP-Podcast's test2.

    Raises:
        CorpusError: The corpus' own split, if that is asked for, has parts of unknown names.
    """
    if protocol.name != "predefined":
        return corpus
    return corpus.select([row for row, part in enumerate(parts_of(corpus)) if part])


def divide(corpus: Corpus, protocol: ProtocolConfig) -> tuple[Fold, ...]:
    """The folds of a protocol, not yet checked for leakage.

    Raises:
        ConfigError: The held-out group does not exist or is not named, or the number of folds does not
            fit the groups.
        CorpusError: The corpus has too few sessions or speakers, unknown speakers, or no split of its own
            or one with parts of unknown names.
    """
    makers = {
        "holdout": _holdout,
        "nested": _nested,
        "leave_one_session_out": _leave_one_session_out,
        "leave_one_speaker_out": _leave_one_speaker_out,
        "k_fold": _k_fold,
        "predefined": _predefined,
    }
    _refuse_unknown_speakers(corpus, protocol)
    return tuple(makers[protocol.name](corpus, protocol))


def _refuse_unknown_speakers(corpus: Corpus, protocol: ProtocolConfig) -> None:
    """Nobody knows whose voice it is, so nobody can keep it apart from another; the corpus' split may."""
    rows = [(name, split) for name, split in zip(*map(corpus.column, ("speaker", "split")), strict=True)]
    unknown = [split for name, split in rows if is_unknown(name)]
    if not unknown:
        return
    if protocol.name != "predefined":
        raise CorpusError(
            f"{len(unknown)} utterances have an unknown speaker, who might be anyone: they cannot be divided",
            where=corpus.root,
            hint="use the corpus' own split: --set protocol.name=predefined",
        )
    if len(parts := {part for split in unknown if (part := part_of(split))}) > 1:
        raise LeakageError(
            f"Unknown speakers stand in {' and '.join(sorted(parts))}: they might be the same voices",
            where=corpus.root,
            hint="take them out of all parts but one",
        )


def _holdout(corpus: Corpus, protocol: ProtocolConfig) -> Iterable[Fold]:
    """The held-out group tests in every fold; part i of the others validates in fold i."""
    groups = _groups(corpus, at_least=3)
    sizes = Counter(corpus.column("group"))
    if protocol.held_out is None and len(groups) >= _ENOUGH_SPEAKERS and _without_sessions(groups):
        parts = stratified_parts(corpus, 5)
        groups = {f"part{number}": tuple(sorted(part)) for number, part in enumerate(parts, start=1)}
        speakers = Counter(corpus.column("speaker"))
        sizes = Counter({name: sum(speakers[x] for x in members) for name, members in groups.items()})
    held_out = protocol.held_out if protocol.held_out is not None else list(groups)[-1]
    if held_out not in groups:
        raise ConfigError(
            f"No group `{held_out}` to hold out.{nearest(held_out, groups)}",
            where="protocol.held_out",
            allowed=", ".join(groups),
        )
    rest = [group for group in groups if group != held_out]
    if protocol.folds > len(rest):
        raise ConfigError(
            "More folds than groups to divide",
            where="protocol.folds",
            got=protocol.folds,
            allowed=f"2 to {len(rest)} with {held_out} held out",
        )
    parts = _balanced_parts(rest, sizes, protocol.folds)
    for number, part in enumerate(parts, start=1):
        train = [group for group in rest if group not in part]
        yield _fold(f"fold{number}", groups, train, part, [held_out])


def _without_sessions(groups: Mapping[str, Sequence[str]]) -> bool:
    return all(len(members) == 1 for members in groups.values())


def _nested(corpus: Corpus, protocol: ProtocolConfig) -> Iterable[Fold]:
    """One search of the nested protocol: as ``holdout``, the held-out session named."""
    if protocol.held_out is None:
        groups = ", ".join(_groups(corpus, at_least=3))
        raise ConfigError(
            "Nested selection is one search for every session held out; this one does not say which",
            where="protocol.held_out",
            allowed=groups,
            hint="for each of them: serhpo search --set protocol.name=nested --set protocol.held_out=...",
        )
    return _holdout(corpus, protocol)


def _k_fold(corpus: Corpus, protocol: ProtocolConfig) -> Iterable[Fold]:
    """Part i tests, part i + 1 validates, the others train."""
    count, speakers = protocol.folds, len(corpus.speakers)
    if not 3 <= count <= speakers:
        raise ConfigError(
            "k_fold trains, validates and tests on different parts",
            where="protocol.folds",
            got=count,
            allowed=f"3 to {speakers}",
            hint="--set protocol.folds=5",
        )
    parts = {f"part{number}": part for number, part in enumerate(stratified_parts(corpus, count), start=1)}
    names = list(parts)
    for index, name in enumerate(names):
        following = names[(index + 1) % count]
        train = [other for other in names if other not in (name, following)]
        yield _fold(f"fold{index + 1}", parts, train, [following], [name])


def _balanced_parts(groups: Sequence[str], sizes: Mapping[str, int], count: int) -> list[list[str]]:
    """Largest group first, each into the part that is smallest so far."""
    parts: list[list[str]] = [[] for _ in range(count)]
    for group in sorted(groups, key=lambda name: (-sizes[name], groups.index(name))):
        min(parts, key=lambda part: (sum(sizes[name] for name in part), len(part))).append(group)
    return parts


def _leave_one_session_out(corpus: Corpus, _: ProtocolConfig) -> Iterable[Fold]:
    """Test one group, validate on the next one (the first after the last), train on the rest."""
    groups = _groups(corpus, at_least=3)
    names = list(groups)
    for index, name in enumerate(names):
        following = names[(index + 1) % len(names)]
        yield _fold(
            name, groups, [group for group in names if group not in (name, following)], [following], [name]
        )


def _leave_one_speaker_out(corpus: Corpus, _: ProtocolConfig) -> Iterable[Fold]:
    """Test one speaker, validate on the others of that session, train on the other sessions."""
    groups = _groups(corpus, at_least=2)
    for group, members in groups.items():
        if len(members) < 2:
            raise CorpusError(
                f"Leaving one speaker out needs two speakers in every session; {group} has {len(members)}",
                where=corpus.root,
                hint="use the protocol `holdout` or `leave_one_session_out`",
            )
        train = tuple(sorted(speaker for name in groups if name != group for speaker in groups[name]))
        for speaker in members:
            others = tuple(other for other in members if other != speaker)
            yield Fold(speaker, train, others, (speaker,))


def _predefined(corpus: Corpus, _: ProtocolConfig) -> Iterable[Fold]:
    """The ``split`` column; rows left out there take part in nothing."""
    speakers: dict[str, set[str]] = {part: set() for part in PARTS}
    for part, speaker in zip(parts_of(corpus), corpus.column("speaker"), strict=True):
        if part:
            speakers[part].add(speaker)
    if missing := [part for part in PARTS if not speakers[part]]:
        raise CorpusError(
            f"The corpus has no split of its own: nothing marked {' or '.join(missing)}",
            where=corpus.root,
            hint="use the protocol `holdout`",
        )
    yield Fold("predefined", *(tuple(sorted(speakers[part])) for part in PARTS))


def _groups(corpus: Corpus, at_least: int) -> dict[str, tuple[str, ...]]:
    groups = corpus.groups
    if len(groups) < at_least:
        raise CorpusError(
            f"The protocol needs at least {at_least} sessions, the corpus has {len(groups)}",
            where=corpus.root,
        )
    return groups


def _fold(
    name: str,
    groups: Mapping[str, Sequence[str]],
    train: Iterable[str],
    validation: Iterable[str],
    test: Iterable[str],
) -> Fold:
    def speakers(part: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted({speaker for group in part for speaker in groups[group]}))

    return Fold(name, speakers(train), speakers(validation), speakers(test))
