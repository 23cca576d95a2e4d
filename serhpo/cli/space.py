"""``serhpo space show``, ``sample`` and ``diff``: look into a search space before it is searched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from serhpo.cli import console

if TYPE_CHECKING:
    from serhpo.search.space import Space

app = typer.Typer(help="Look into search spaces.", no_args_is_help=True, rich_markup_mode="markdown")

SpaceArgument = Annotated[
    str, typer.Argument(help="A name (smoke, quick, paper, full, full-ssl) or a YAML file.")
]
DRAWN = 60
"""Configurations whose models are built to tell how large those of a space are."""


@app.command()
def show(space: SpaceArgument, as_json: console.JsonOption = False) -> None:
    """Parameters, conditions, size, and how large the models are."""
    from serhpo.search.explore import size
    from serhpo.search.space import load_space

    loaded = load_space(space)
    counted = size(loaded)
    costs, unknown = _costs(loaded)
    document = {
        "schema_version": 1,
        "space": space,
        "description": loaded.description,
        "digest": loaded.digest,
        "parameters": {
            name: {"values": str(parameter), "when": parameter.conditions()}
            for name, parameter in loaded.parameters.items()
        },
        "defaults": loaded.defaults,
        "search": loaded.search.model_dump(mode="json"),
        "protocol": loaded.protocol.model_dump(mode="json"),
        "size": vars(counted),
        "cost_classes": costs,
        "cost_unknown": unknown,
        "known_good": list(loaded.known_good),
    }
    if as_json:
        console.print_json(document)
        return
    table = Table("parameter", "values", "only when", title=escape(f"{space}: {loaded.description}"))
    for name, parameter in loaded.parameters.items():
        table.add_row(*map(escape, (name, str(parameter), parameter.conditions())))
    console.out.print(table)
    say = console.out.print
    say(
        f"size: {_number(counted.combinations)} combinations of discrete values, times "
        f"{_span(counted.continuous)} continuous parameters; {_span(counted.parameters)} at a time in all",
        markup=False,
    )
    for name, row in costs.items():
        if row["share"]:
            sizes = f"{_number(row['fewest'])} to {_number(row['most'])} weights"
            say(f"{name:6} {row['share']:4.0%} of {DRAWN} random configurations, {sizes}", markup=False)
    if unknown["share"]:
        names = " or ".join(unknown["streams"])
        which = f"those with {names}, until their models are here"
        say(f"{'unknown':6} {unknown['share']:4.0%} of {DRAWN} random configurations: {which}", markup=False)
    if streams := [stream for stream in loaded.streams() if stream in ("wav2vec2", "hubert")]:
        say(f"needs pretrained models for {', '.join(streams)}, computed once into the cache", markup=False)
    if loaded.known_good:
        say(f"known good: {len(loaded.known_good)}, tried first with --enqueue {space}", markup=False)


@app.command()
def sample(
    space: SpaceArgument,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same configurations.")] = 0,
    as_json: console.JsonOption = False,
) -> None:
    """Random configurations, as a list that `--enqueue` reads."""
    from serhpo.search.explore import draws
    from serhpo.search.space import load_space

    found = list(draws(load_space(space), count, seed))
    if as_json:
        console.print_json({"schema_version": 1, "space": space, "seed": seed, "configurations": found})
        return
    for draw in found:
        console.out.print(f"- {json.dumps(draw)}", markup=False)


@app.command()
def diff(old: SpaceArgument, new: SpaceArgument, as_json: console.JsonOption = False) -> None:
    """What one space has that another has not, key by key."""
    from serhpo.search.explore import difference
    from serhpo.search.space import load_space

    found = difference(*(_flat(load_space(name)) for name in (old, new)))
    if as_json:
        rows = {key: {"old": before, "new": after} for key, (before, after) in found.items()}
        console.print_json({"schema_version": 1, "old": old, "new": new, "differences": rows})
        return
    if not found:
        console.out.print(f"{old} and {new} search the same", markup=False)
        return
    table = Table("", escape(old), escape(new))
    for key, (before, after) in found.items():
        table.add_row(*map(escape, (key, _cell(before), _cell(after))))
    console.out.print(table)


def _costs(space: Space) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Share and weights of each cost class among random configurations; how many cannot be told, and why."""
    from serhpo.search.explore import CLASSES, absent_models, cost_class, draws, weights

    absent, drawn = absent_models(space), list(draws(space, DRAWN, seed=0))
    known = [draw for draw in drawn if absent.keys().isdisjoint(space.trial_config(draw).streams)]
    counts = [weights(space, draw) for draw in known]
    within = {name: [count for count in counts if cost_class(count) == name] for name in CLASSES}
    classes = {
        name: {
            "from_weights": least,
            "share": len(within[name]) / len(drawn),
            "fewest": min(within[name], default=None),
            "most": max(within[name], default=None),
        }
        for name, least in CLASSES.items()
    }
    return classes, {"share": 1 - len(known) / len(drawn), "streams": absent}


def _flat(space: Space) -> dict[str, Any]:
    """A space as dotted keys; a parameter is one value."""
    from serhpo.search.assignment import leaves

    data = space.model_dump(mode="json", by_alias=True, exclude={"description", "parameters", "known_good"})
    words = {
        name: f"{parameter}{f', only when {parameter.conditions()}' if parameter.when else ''}"
        for name, parameter in space.parameters.items()
    }
    return {**words, **dict(leaves(data))}


def _cell(value: Any) -> str:
    return "–" if value is None else str(value)


def _span(ends: tuple[int, int]) -> str:
    return str(ends[0]) if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def _number(count: int) -> str:
    return f"{count:,}" if count < 10_000_000 else f"{count:.1e}"
