"""``serhpo check``: every reason why a search would not start, all at once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serhpo.cli import console, machines
from serhpo.cli.machines import StorageOption
from serhpo.cli.sources import CacheOption, ClassesOption, SetOption, find_corpus, load_pinned, remote_store
from serhpo.errors import SerhpoError, StorageError

if TYPE_CHECKING:  # `serhpo --help` must load neither torch nor Ray
    from serhpo.search.settings import SearchSettings

NEEDED_BYTES = 200 * 2**20
"""Free space below which a search would most likely fill the disk."""


def check(
    corpus: Annotated[Path | None, typer.Option(help="Corpus to check; without it the embedded one.")] = None,
    space: Annotated[
        str | None, typer.Option(help="Search space to check, by name or path; without it `full`.")
    ] = None,
    classes: ClassesOption = None,
    settings: SetOption = None,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Look at every machine of the Ray cluster that runs here, too.")
    ] = False,
    cache: CacheOption = None,
    storage: StorageOption = None,
    as_json: console.JsonOption = False,
) -> None:
    """Find every problem of corpus, space, disk and store, and of this machine or a cluster's that are up."""
    from serhpo.config import home
    from serhpo.search import joins_cluster
    from serhpo.search.prepare import make_plan, recordings_needed

    storage = machines.stored_at(storage, home())
    findings: list[str] = []
    errors: list[SerhpoError] = []

    def attempt(what: str, step: Callable[[], Any]) -> Any:
        try:
            result = step()
        except SerhpoError as error:
            errors.append(error)
            return None
        findings.append(what)
        return result

    attempt(f"{home()} can be written", _writable)
    loaded_space = attempt(
        f"space `{space or 'full'}` is valid", lambda: load_pinned(space or "full", settings or [], {})
    )
    if loaded_space:
        for extractor in loaded_space.extractors():
            attempt(f"features `{extractor.name}` can be computed", extractor.ensure_available)
    loaded = attempt("corpus is readable", lambda: find_corpus(corpus, classes, quiet=as_json))
    clean = loaded and attempt(
        f"corpus `{loaded.name}`: {len(loaded)} utterances, labels and headers of recordings are whole",
        lambda: loaded.require_clean().require_labels(),
    )
    plan = None
    if clean and loaded_space and not errors:
        plan = attempt(
            f"speakers divide by {loaded_space.protocol.name}, all parts with labels and ratings",
            lambda: make_plan(loaded_space, space or "full", clean),
        )
    if storage:
        attempt(f"{storage} can be written", lambda: _storable(storage))
    if loaded_space and not cluster and not joins_cluster():
        attempt("a trial fits on this machine", lambda: _fits(loaded_space.search))
    if (
        cluster
        and loaded_space
        and attempt("Ray runs here", lambda: machines.require_cluster_here("--cluster"))
    ):
        with ExitStack() as session:
            remote = remote_store(machines.cache_beside(storage, cache))
            needed = recordings_needed(plan, remote) if plan else []
            packing = attempt(
                "all machines see what they need",
                lambda: machines.examine(
                    loaded_space.search, needed, session, remote, stored=storage is not None
                ),
            )
            findings += [packing] if packing else []
    _tell(findings, errors, as_json)


def _writable() -> None:
    """Make sure that studies and features can be stored."""
    from serhpo.config import home

    folder = home()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".check-{os.getpid()}"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        raise StorageError.from_os_error(error, folder) from error
    if (free := shutil.disk_usage(folder).free) < NEEDED_BYTES:
        raise StorageError(
            "The disk is nearly full",
            where=folder,
            got=f"{free / 2**20:.0f} MiB free",
            allowed=f"{NEEDED_BYTES >> 20} MiB",
        )


def _storable(storage: str) -> None:
    """Make sure that a study can be kept on a store."""
    from serhpo.study.store import StudyStore, require_new_there

    require_new_there(StudyStore(storage, f".check-{os.getpid()}"))


def _fits(settings: SearchSettings) -> None:
    """Make sure that this machine has what a trial asks for."""
    from serhpo.cluster import this_machine
    from serhpo.search.machines import share_of

    share = share_of(settings)
    this_machine(share).require(share)


def _tell(findings: list[str], errors: list[SerhpoError], as_json: bool) -> None:
    if not errors:
        if as_json:
            console.print_json({"schema_version": 1, "ok": True, "checked": findings})
        for finding in () if as_json else findings:
            console.out.print(f"ok: {finding}", markup=False)
        return
    for finding in () if as_json else findings:
        console.say(f"ok: {finding}")
    if len(errors) == 1:
        raise errors[0]
    problems = [problem for error in errors for problem in (error.problems or (error.as_problem(),))]
    worst = type(min(errors, key=lambda error: error.exit_code))
    raise worst("A search would not start", problems=problems)
