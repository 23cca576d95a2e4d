"""``serhpo status``, ``front`` and ``report``: read a study; no process of it need run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from serhpo.cli import console

if TYPE_CHECKING:
    from serhpo.study import Study

BASELINES = {
    "majority_class": "baseline: always the majority class, mean ratings",
    "class_mean": "baseline: ratings = mean of the predicted class (λ = 1)",
    "class_mean_posterior": "baseline: ratings = class means weighted by the posterior (λ = 1)",
    "class_mean_oracle": "for scale: ratings = mean of the true class (labelled utterances)",
}

StudyArgument = Annotated[str, typer.Argument(help="Name or folder of the study.")]


def status(study: StudyArgument, as_json: console.JsonOption = False) -> None:
    """How far a study is: trials by state, epochs, hypervolume."""
    from serhpo.study import SCHEMA_VERSION, open_study

    opened = open_study(study)
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "study": opened.name,
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
    console.out.print(
        f"{document['epochs']} epochs, front of {document['front_size']}, "
        f"hypervolume {document['hypervolume']:.4f}, resumed {document['resumed']} times"
    )
    console.out.print(_driver_line(opened, document["driver"]), markup=False)
    console.out.print(f"journal for optuna-dashboard: {opened.path / 'journal.log'}", markup=False)
    for trial in opened.trials():
        if trial.state == "FAIL":
            console.out.print(
                f"trial {trial.number} failed: {trial.notes.get('reason', 'unknown')}", markup=False
            )


def _driver_line(study: Study, driver: dict[str, Any] | None) -> str:
    if driver:
        return f"running: process {driver['pid']} on {driver['host']}, since {driver['started']}"
    counts = study.counts()
    left = study.asked - sum(counts[state] for state in ("COMPLETE", "PRUNED", "FAIL"))
    if left <= 0:
        return "not running: all trials are at their end"
    cut = f", {counts['RUNNING']} of them cut off" if counts["RUNNING"] else ""
    return f"not running: {left} trials to go{cut}; `serhpo resume {study.name}` goes on"


def front(study: StudyArgument, as_json: console.JsonOption = False) -> None:
    """The Pareto front: the trials that no other beats in both accuracy and CCC."""
    from serhpo.study import open_study

    print_front(open_study(study), as_json)


def report(
    study: StudyArgument,
    out: Annotated[
        Path | None, typer.Option(help="File to write; without it report.html in the study.")
    ] = None,
    as_json: console.JsonOption = False,
) -> None:
    """One HTML file that shows the study, opens without a network and can be passed on."""
    from serhpo.report import write_report
    from serhpo.study import open_study

    path = write_report(open_study(study), out)
    if as_json:
        console.print_json({"schema_version": 1, "report": str(path)})
    else:
        console.out.print(str(path), markup=False)


def front_document(study: Study) -> dict[str, Any]:
    """What ``serhpo front --json`` prints."""
    from serhpo.study import SCHEMA_VERSION

    errors = study.standard_errors()
    return {
        "schema_version": SCHEMA_VERSION,
        "study": study.name,
        "protocol": study.settings.protocol.name,
        "claim": study.settings.claim,
        "objectives": [objective.metric for objective in study.objectives],
        "hypervolume": study.hypervolume(),
        "front": [
            {
                "number": trial.number,
                "state": trial.state,
                "epoch": trial.epoch,
                "values": trial.values,
                "standard_errors": errors.get((trial.number, trial.epoch), {}),
                "params": trial.params,
            }
            for trial in study.front()
        ],
        "baselines": study.baselines(),
    }


def print_front(study: Study, as_json: bool) -> None:
    """Print the front as a table, or as JSON."""
    from serhpo.errors import NoCompleteTrialError

    document = front_document(study)
    if not document["front"]:
        raise NoCompleteTrialError(
            f"`{study.name}` has no complete trial yet", where=study.path, hint=f"serhpo status {study.name}"
        )
    if as_json:
        console.print_json(document)
        return
    table = Table("trial", "epoch", "UA", "CCC", "parameters", title=f"Pareto front of {study.name}")
    knee = study.knee()
    for row in document["front"]:
        values, errors = row["values"], row["standard_errors"]
        table.add_row(
            f"{row['number']} (knee)" if row["number"] == knee else str(row["number"]),
            str(row["epoch"]),
            *(_figure(values[metric], errors.get(metric)) for metric in document["objectives"]),
            ", ".join(f"{key}={_short(value)}" for key, value in row["params"].items()),
        )
    for name, meaning in BASELINES.items():
        if row := (document["baselines"] or {}).get(name):
            table.add_row(
                "",
                "",
                _figure(row["ua"], row.get("se_ua")),  # studies of older versions lack these
                _figure(row["ccc"], row.get("se_ccc")),
                meaning,
                style="dim",
            )
    console.out.print(table)
    console.out.print(f"Hypervolume {document['hypervolume']:.4f}. {summary_line(study)}", markup=False)


def summary_line(study: Study) -> str:
    """Protocol, folds, seeds and what the figures may claim: belongs under every table."""
    from serhpo.training.uncertainty import method

    folds = study.folds()
    speakers = {speaker for fold in folds for speaker in fold["validation"]}
    return (
        f"Protocol {study.settings.protocol.name}, {len(folds)} folds, 1 seed; ± is one standard error "
        f"({method(len(speakers))}). Measured on validation speakers, on whom the configurations were "
        f"chosen too; {study.settings.claim}."
    )


def _figure(value: float | None, error: float | None = None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if error is None else f"{value:.3f} ± {error:.3f}"


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
