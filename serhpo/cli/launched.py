"""``--submit`` and ``--on cluster.yaml``, and ``serhpo fetch``: a study on a cluster, from the laptop."""

from __future__ import annotations

import json
import shlex
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from serhpo.cli import console
from serhpo.cli.machines import StorageOption, stored_at
from serhpo.errors import ResourceError, StudyError, UsageError

SubmitOption = Annotated[
    Path | None,
    typer.Option("--submit", help="Run it on the cluster that `ray up FILE` started, and return at once."),
]
OnOption = Annotated[
    Path | None, typer.Option("--on", help="Of a study on the cluster that `ray up FILE` started.")
]

_FILES = ("--space", "--classes", "--enqueue")
"""Options that may name a small file of this machine."""

_FETCHED = ".fetched"
"""In a study that is a copy: the cluster's file it came by."""


def submit(cluster: Path, study: str, job: str, storage: str | None = None) -> None:
    """Hand this very command line to the cluster's jobs API, which runs it on the head.

    Args:
        cluster: The file of ``ray up``.
        study: Name of the study.
        job: Id for the job.
        storage: Where the study is kept, which this machine's environment may say.

    Raises:
        ResourceError: The cluster cannot be reached, or refuses the job.
    """
    from serhpo.cluster.launcher import Launched

    arguments, files = _with_files(_without("--submit"), f"serhpo-submitted/{job}")
    if arguments[0] == "search" and _value(arguments, "--name") is None:
        arguments += ["--name", study]
    if storage and _value(arguments, "--storage") is None:
        arguments += ["--storage", storage]
    entry = ["sh", "-c", f"cd && exec {shlex.join(['serhpo', *arguments])}"]  # files lie in the home folder
    command = ["ray", "job", "submit", "--no-wait", "--submission-id", job, "--", *entry]
    answer = Launched(cluster).run(command, files)
    if answer.code:
        lines = answer.text.strip().splitlines()
        raise ResourceError(
            "The cluster did not take the job", where=cluster, got=lines[-1] if lines else None
        )
    if "--json" in arguments:
        console.print_json({"schema_version": 1, "job": job, "study": study, "cluster": str(cluster)})
        return
    for what, how in (
        ("job", job),
        ("follow", f"ray exec {cluster} 'ray job logs -f {job}'"),
        ("watch", f"serhpo status {study} --on {cluster} · serhpo front {study} --on {cluster}"),
        ("stop", f"ray exec {cluster} 'ray job stop {job}' · then: serhpo resume {study} --submit {cluster}"),
        ("results", f"serhpo fetch {study} --on {cluster} · then: ray down {cluster}"),
    ):
        console.out.print(f"{what + ':':<9}{how}", markup=False)


def job_of_resume(study: str) -> str:
    """An id for the job that goes on with a study: no two jobs of a cluster may have the same."""
    return f"{study}-{datetime.now():%m%d-%H%M%S}"


def run_there(cluster: Path, as_json: bool, watch: bool = False) -> NoReturn:
    """Run this very command on the head, and end with its output and exit code.

    Raises:
        typer.Exit: With the exit code there.
        UsageError: It would not end.
        ResourceError: The cluster cannot be reached.
    """
    from serhpo.cluster.launcher import Launched

    if watch:
        hint = f"ray exec {cluster} '{shlex.join(['serhpo', *_without('--on')])}'"
        raise UsageError("--watch and --on exclude each other", hint=hint)
    width = f"COLUMNS={console.out.width}"
    answer = Launched(cluster).run(["env", width, "serhpo", *_without("--on")], quiet=as_json)
    console.out.file.write(answer.text)
    raise typer.Exit(answer.code)


def fetch(
    study: Annotated[str, typer.Argument(help="Name of the study on the cluster, or the store.")],
    on: Annotated[
        Path | None, typer.Option("--on", help="The file that `ray up` started the cluster from.")
    ] = None,
    storage: StorageOption = None,
    as_json: console.JsonOption = False,
) -> None:
    """Copy a study from a cluster or a store to this machine, or what is new of it; commands read it here."""
    from serhpo.study import Study, studies_folder

    out = studies_folder() / study
    if on is not None:
        _fetch_from_head(study, on, out)
    elif address := stored_at(storage, out):
        _fetch_from_store(study, address, out)
    else:
        raise UsageError(
            "Where does the study lie?", allowed="--on cluster.yaml, or --storage s3://bucket/folder"
        )
    counts = {state: count for state, count in Study(out).counts().items() if count}
    if as_json:
        console.print_json({"schema_version": 1, "study": study, "folder": str(out), "trials": counts})
    else:
        told = ", ".join(f"{count} {state}" for state, count in counts.items()) or "no trial yet"
        console.out.print(f"{out}: {told}", markup=False)


def _fetch_from_store(study: str, address: str, out: Path) -> None:
    from serhpo.study import Study, write_results
    from serhpo.study.store import ADDRESS, StudyStore
    from serhpo.study.transit import bring, bring_kept

    store = StudyStore(address, study)
    bring(store, out)
    (out / ADDRESS).write_text(f"{address}\n")
    if Study(out).driver() is None:
        bring_kept(Study(out), store)
        write_results(Study(out))


def _fetch_from_head(study: str, on: Path, out: Path) -> None:
    from serhpo.cluster.launcher import Launched

    if out.exists() and not (out / _FETCHED).exists():
        raise StudyError("A study of this name was made on this machine", where=out, hint="rename its folder")
    cluster = Launched(on)
    answer = cluster.run(["serhpo", "status", study, "--json"], quiet=True)
    document = json.loads(answer.text)
    if answer.code:
        raise StudyError(document["error"]["message"], where=on, hint=document["error"].get("hint"))
    cluster.fetch(document["folder"], out)
    (out / _FETCHED).write_text(f"{on}\n")


def _without(option: str) -> list[str]:
    """The arguments of this command but for one option and its value, and for those of every command."""
    arguments = iter([argument for argument in sys.argv[1:] if argument not in ("--quiet", "--debug")])
    kept = []
    for argument in arguments:
        if argument == option:
            next(arguments, None)
        elif not argument.startswith(f"{option}="):
            kept.append(argument)
    return kept


def _value(arguments: list[str], option: str) -> str | None:
    for place, argument in enumerate(arguments):
        if argument == option:
            return arguments[place + 1]
        if argument.startswith(f"{option}="):
            return argument.partition("=")[2]
    return None


def _with_files(arguments: list[str], folder: str) -> tuple[list[str], dict[str, Path]]:
    """The arguments with files of this machine named as they will be on the head, and those files."""
    files: dict[str, Path] = {}
    there = list(arguments)
    for place, argument in enumerate(arguments):
        option, equals, value = argument.partition("=")
        if option not in _FILES:
            continue
        path = Path(value if equals else arguments[place + 1])
        if path.is_file():
            name = f"{folder}/{len(files)}-{path.name}"
            files[name] = path
            there[place if equals else place + 1] = f"{option}={name}" if equals else name
    return there, files
