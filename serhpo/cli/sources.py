"""What commands are given: a corpus, a space with settings, and a place for features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serhpo.cli import console

if TYPE_CHECKING:  # `serhpo --help` must load neither torch nor Ray
    from serhpo.cache import Made, RemoteStore
    from serhpo.corpus.table import Corpus
    from serhpo.features import Extractor
    from serhpo.search.fill import StreamProgress
    from serhpo.search.lock import Shards
    from serhpo.search.prepare import Plan
    from serhpo.search.space import Space

CorpusOption = Annotated[
    Path | None, typer.Option(help="Folder of the corpus, or a manifest; without it the embedded one.")
]
ClassesOption = Annotated[
    str | None,
    typer.Option(
        help="Emotion classes: a preset by its number (4, 5, 6 or 8) or a YAML file of class: [codes]."
    ),
]
SpaceOption = Annotated[
    str, typer.Option(help="Search space: a name (smoke, quick, paper, full, full-ssl) or a YAML file.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="key=value: pin a parameter or change a setting; repeatable."),
]

CacheOption = Annotated[
    str | None,
    typer.Option(
        envvar="SERHPO_CACHE",
        help="Feature store that several machines share: s3://bucket/folder, or a mounted folder.",
    ),
]


def find_corpus(path: Path | None, classes: str | None = None, quiet: bool = False) -> Corpus:
    """The corpus at a path, read with these classes; without one the embedded corpus."""
    from serhpo.corpus import embedded_corpus, read_corpus
    from serhpo.corpus.classes import parse_classes

    reading = parse_classes(classes)
    if path is not None:
        return read_corpus(path, reading)
    if not quiet:
        console.say(
            "No --corpus given: using the embedded synthetic corpus (says nothing about human speech)"
        )
    with console.progress("speaking the embedded corpus", "utterances") as update:
        return read_corpus(embedded_corpus(update), reading)


def load_pinned(space: str, settings: list[str], options: dict[str, Any]) -> Space:
    """A space with ``--set`` and the options that stand for settings of its search."""
    from serhpo.search.space import load_space, parse_settings

    given = {f"search.{key}": value for key, value in options.items() if value is not None}
    loaded = load_space(space)
    if pins := {**parse_settings(settings), **given}:
        loaded = loaded.pinned(pins, f"{space} with {', '.join(f'{k}={v}' for k, v in pins.items())}")
    return loaded


def plan_of(space: str, corpus: Corpus, settings: list[str], options: dict[str, Any]) -> Plan:
    """A space with its settings, on a corpus."""
    from serhpo.search.prepare import make_plan

    return make_plan(load_pinned(space, settings, options), space, corpus)


def remote_store(address: str | None) -> RemoteStore | None:
    """The shared feature store at an address, if one is given."""
    from serhpo.cache import RemoteStore

    return RemoteStore(address) if address else None


def fill(
    corpus: Corpus,
    extractors: Sequence[Extractor],
    session: ExitStack,
    remote: RemoteStore | None,
    ray_follows: bool = False,
) -> tuple[Shards, Counter[str]]:
    """Cache files by extractor, made where missing; how many were found, fetched and built, and bytes."""
    from serhpo.search.prepare import fill_features

    how: Counter[str] = Counter()
    with console.streams_progress("features", "utterances") as update:

        def report(stream: StreamProgress, made: Made) -> None:
            how.update({made.how: 1, "bytes": made.size})
            update(stream.stream, stream.done, stream.total, stream.seconds_left)

        return fill_features(corpus, extractors, report, session, remote, ray_follows), how
