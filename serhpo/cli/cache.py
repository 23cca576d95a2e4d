"""``serhpo cache``: what the feature cache holds, what of it may go, and whether it is whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from serhpo.cli import console
from serhpo.errors import Problem, StorageError

if TYPE_CHECKING:  # `serhpo --help` starts at once
    from serhpo.cache import CachedFile

app = typer.Typer(help="Look at, check and clear the feature cache.", no_args_is_help=True)

Users = Mapping[str, Sequence[str]]
"""Studies by the shard they use, each as ``name (corpus)``."""


@app.command()
def ls(as_json: console.JsonOption = False) -> None:
    """Features by stream: files, size, last use, and the studies that use them."""
    from serhpo.cache import cache_folder, inventory

    files = inventory(cache_folder())
    users, silent = _users()
    shards = [file for file in files if file.kind == "shard"]
    streams = {stream: _summary(stream, shards, users) for stream in sorted({file.stream for file in shards})}
    left = [file for file in files if file.kind == "unfinished"]
    if as_json:
        listed = [{**_document(file), "used_by": list(users.get(file.key, ()))} for file in shards]
        document = {"folder": str(cache_folder()), "streams": list(streams.values()), "shards": listed}
        unfinished = [str(file.path) for file in left]
        console.print_json(
            {"schema_version": 1, **document, "unfinished": unfinished, "silent_studies": silent}
        )
        return
    table = Table("stream", "files", "size", "last use", "in use", "by")
    for row in streams.values():
        shares = f"{row['used_shards']}/{row['shards']}"
        by = escape(", ".join(row["used_by"]) or "-")
        table.add_row(
            row["stream"], str(row["shards"]), _size(row["bytes"]), row["last_use"][:16], shares, by
        )
    console.out.print(str(cache_folder()), markup=False)
    console.out.print(table)
    console.out.print(f"{_size(sum(file.size for file in files))} in all")
    if left:
        console.out.print(f"{len(left)} unfinished files, of builders at work or killed: `serhpo cache gc`")
    _tell_silent(silent)


@app.command()
def gc(
    unused_for: Annotated[
        float, typer.Option(min=0, help="Days since the last use from which an unneeded shard may go.")
    ] = 30.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be deleted.")] = False,
    as_json: console.JsonOption = False,
) -> None:
    """Delete features that no study uses and what killed builders left; both can be made anew."""
    from serhpo.cache import cache_folder, inventory, removable, remove

    users, silent = _users()
    chosen = list(removable(inventory(cache_folder()), frozenset(users), unused_for))
    try:
        gone = chosen if dry_run else [file for file in chosen if remove(file)]
    except OSError as error:
        raise StorageError.from_os_error(error, cache_folder()) from error
    shards = [file for file in gone if file.kind == "shard"]
    size = sum(file.size for file in gone)
    if as_json:
        removed = [str(file.path) for file in gone]
        document = {"dry_run": dry_run, "removed": removed, "shards": len(shards), "bytes": size}
        console.print_json({"schema_version": 1, **document, "silent_studies": silent})
        return
    for file in gone:
        console.out.print(f"{file.path}", markup=False)
    did = "would delete" if dry_run else "deleted"
    console.out.print(f"{did} {len(shards)} shards and {len(gone) - len(shards)} leftovers, {_size(size)}")
    _tell_silent(silent)


@app.command()
def verify(as_json: console.JsonOption = False) -> None:
    """Read every byte of every shard; name those that are damaged. The next fill makes them anew."""
    from serhpo.cache import cache_folder, inventory
    from serhpo.cache import verify as reason_against

    shards = [file for file in inventory(cache_folder()) if file.kind == "shard"]
    problems = []
    with console.progress("checking", "shards") as update:
        for number, file in enumerate(shards, start=1):
            if reason := reason_against(file.path):
                problems.append(Problem(reason, file=str(file.path)))
            update(number, len(shards))
    if problems:
        raise StorageError(
            f"{len(problems)} of {len(shards)} shards cannot be used",
            where=cache_folder(),
            hint="`serhpo features`, `search` or `resume` make them anew, and nothing else",
            problems=problems,
        )
    size = sum(file.size for file in shards)
    if as_json:
        console.print_json({"schema_version": 1, "shards": len(shards), "bytes": size, "damaged": []})
    else:
        console.out.print(f"{len(shards)} shards, {_size(size)}: all whole")


def _users() -> tuple[Users, list[str]]:
    """Who uses which shard, and the studies that do not say: older ones, and damaged ones."""
    from serhpo.errors import SerhpoError
    from serhpo.study import known_studies, open_study

    users: dict[str, list[str]] = {}
    silent = []
    for name in known_studies():
        try:
            study = open_study(name)
            keys = study.lock.get("shards")
        except SerhpoError:
            keys = None
        if keys is None:
            silent.append(name)
        for key in keys or ():
            users.setdefault(key, []).append(f"{name} ({study.settings.corpus_name})")
    return users, silent


def _tell_silent(silent: list[str]) -> None:
    if silent:
        console.say(
            f"{len(silent)} studies do not say what they use ({', '.join(silent[:5])}): they were made by an "
            "older serhpo or are damaged. What they need is made anew when they are resumed."
        )


def _summary(stream: str, shards: Sequence[CachedFile], users: Users) -> dict[str, Any]:
    mine = [file for file in shards if file.stream == stream]
    return {
        "stream": stream,
        "shards": len(mine),
        "bytes": sum(file.size for file in mine),
        "last_use": _time(max(file.used for file in mine)),
        "used_shards": sum(file.key in users for file in mine),
        "used_by": sorted({name for file in mine for name in users.get(file.key, ())}),
    }


def _document(file: CachedFile) -> dict[str, Any]:
    return {"path": str(file.path), "bytes": file.size, "last_use": _time(file.used)}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _size(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
