"""``serhpo features``."""

from __future__ import annotations

from contextlib import ExitStack

from serhpo.cli import console, machines
from serhpo.cli.sources import (
    CacheOption,
    ClassesOption,
    CorpusOption,
    SetOption,
    SpaceOption,
    fill,
    find_corpus,
    plan_of,
    remote_store,
)


def features(
    space: SpaceOption = "full",
    corpus: CorpusOption = None,
    classes: ClassesOption = None,
    settings: SetOption = None,
    cache: CacheOption = None,
    as_json: console.JsonOption = False,
) -> None:
    """Fill the feature cache for everything a space can ask for. Can be stopped and run again."""
    plan = plan_of(space, find_corpus(corpus, classes, as_json), settings or [], {})
    with ExitStack() as session:
        remote = remote_store(cache)
        machines.join(plan, session, remote, None, stored=True)  # no study is made
        shards, how = fill(plan.corpus, plan.space.extractors(), session, remote)
    files = [str(path) for group in shards.values() for path in group]
    counts = {kind: how[kind] for kind in ("built", "fetched", "found")}
    if as_json:
        console.print_json({"schema_version": 1, "shards": files, **counts})
    else:
        origin = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
        console.out.print(f"{len(files)} cache files ({origin}), {how['bytes'] / 2**20:.1f} MiB")
