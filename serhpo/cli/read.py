"""``serhpo status`` and ``report``: read a study; no process of it need run."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from serhpo.cli import completion, console
from serhpo.cli.console import StudyArgument
from serhpo.cli.launched import OnOption, run_there
from serhpo.errors import UsageError

if TYPE_CHECKING:
    from serhpo.study import Study


WATCH_EVERY_S = 2.0


def status(
    study: StudyArgument,
    watch: Annotated[bool, typer.Option("--watch", help="Stay, and show it live while it runs.")] = False,
    on: OnOption = None,
    as_json: console.JsonOption = False,
) -> None:
    """How far a study is: trials by state, epochs, hypervolume."""
    if on is not None:
        run_there(on, as_json, watch)
    from serhpo.study import SCHEMA_VERSION, open_study

    opened = open_study(study)
    if watch:
        if as_json:
            raise UsageError("--watch and --json exclude each other", hint="--json prints one document")
        with suppress(KeyboardInterrupt):  # the usual way to stop watching
            _watch(opened)
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "study": opened.name,
        "folder": str(opened.path),
        "asked": opened.asked,
        "trials": opened.counts(),
        "epochs": sum(1 for _ in opened.epochs()),
        "hypervolume": opened.hypervolume(),
        "front_size": len(opened.front()),
        "resumed": opened.resumed,
        "driver": opened.driver(),
    }
    if as_json:
        console.print_json(document)
        return
    counts = ", ".join(f"{count} {state}" for state, count in opened.counts().items() if count) or "none yet"
    console.out.print(f"[bold]{escape(opened.name)}[/]: {document['asked']} trials asked for: {counts}")
    resumed = {0: "never resumed", 1: "resumed once"}.get(opened.resumed, f"resumed {opened.resumed} times")
    console.out.print(
        f"{document['epochs']} epochs, front of {document['front_size']}, "
        f"hypervolume {document['hypervolume']:.4f}, {resumed}"
    )
    console.out.print(_driver_line(opened, document["driver"]), markup=False)
    console.out.print(f"journal for optuna-dashboard: {opened.path / 'journal.log'}", markup=False)
    for trial in opened.trials():
        if trial.state == "FAIL":
            console.out.print(
                f"trial {trial.number} failed: {trial.notes.get('reason', 'unknown')}", markup=False
            )


def _watch(study: Study) -> None:
    """Show a study until nothing runs it any more."""
    from serhpo.search.live import View, line
    from serhpo.study.overview import Overviews

    view, overviews, told = View(console.err), Overviews(study), {trial.number for trial in study.ended()}
    view.start()
    try:
        while True:
            running = study.driver() is not None
            overview = overviews.reread()
            if view.draws:
                view.show(overview)
            else:
                for trial in study.ended():
                    if trial.number not in told:
                        told.add(trial.number)
                        console.err.print(line(trial, len(told), overview.asked, overview.hypervolume))
            if not running:
                return
            time.sleep(WATCH_EVERY_S)
    finally:
        view.stop()


def _driver_line(study: Study, driver: dict[str, Any] | None) -> str:
    if driver:
        return f"running: process {driver['pid']} on {driver['host']}, since {driver['started']}"
    counts = study.counts()
    left = study.asked - sum(counts[state] for state in ("COMPLETE", "PRUNED", "FAIL"))
    if left <= 0:
        return "not running: all trials are at their end"
    cut = f", {counts['RUNNING']} of them cut off" if counts["RUNNING"] else ""
    return f"not running: {left} trials to go{cut}; `serhpo resume {study.name}` goes on"


def report(
    studies: Annotated[
        list[str],
        typer.Argument(
            help="Name or folder of a study; several are laid over each other.",
            autocompletion=completion.study_names,
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="File to write; without it report.html in the (first) study.")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(help="Write each figure of the study for a paper into this folder instead.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--format", help="Of --figures: pdf or png; without it pdf.")
    ] = None,
    as_json: console.JsonOption = False,
) -> None:
    """One HTML file that shows a study, opens without a network and can be passed on."""
    from serhpo.report import write_comparison, write_report
    from serhpo.study import open_study

    opened = [open_study(study) for study in studies]
    if figures is not None:
        if out is not None:
            raise UsageError("--figures and --out exclude each other", hint="run the command once for each")
        _save_figures(opened, figures, kind or "pdf", as_json)
        return
    if kind is not None:
        raise UsageError("A format is one of figures", where="--format", got=kind, hint="--figures FOLDER")
    path = write_report(opened[0], out) if len(opened) == 1 else write_comparison(opened, out)
    size = path.stat().st_size
    if as_json:
        console.print_json({"schema_version": 1, "report": str(path), "bytes": size})
    else:
        console.out.print(str(path), markup=False)
        console.say(f"{size / 2**20:.1f} MiB, most of it plotly.js, so that it opens without a network")


def _save_figures(studies: list[Study], folder: Path, kind: str, as_json: bool) -> None:
    from serhpo.report.paper import FORMATS, save_figures

    if kind not in FORMATS:
        raise UsageError("Unknown format", where="--format", got=kind, allowed=", ".join(FORMATS))
    if len(studies) > 1:
        raise UsageError("--figures takes one study", where="--figures", got=len(studies))
    paths = save_figures(studies[0], folder, kind)
    if as_json:
        console.print_json({"schema_version": 1, "figures": [str(path) for path in paths]})
    else:
        for path in paths:
            console.out.print(str(path), markup=False)
