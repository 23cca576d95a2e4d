"""``serhpo front``: the Pareto front as a table, a plot in the terminal, or one document."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serhpo.cli import console, scatter
from serhpo.cli.console import StudyArgument
from serhpo.cli.front_rows import print_rows
from serhpo.cli.launched import OnOption, run_there

if TYPE_CHECKING:
    from serhpo.study import Study, TrialRecord
    from serhpo.study.choice import Choice


def front(
    study: StudyArgument,
    pick: Annotated[
        str | None,
        typer.Option(help='Name one trial and why: knee, best-ua, best-ccc, or a bound as "ua>=0.70".'),
    ] = None,
    on: OnOption = None,
    as_json: console.JsonOption = False,
) -> None:
    """The Pareto front: the trials that no other beats in both accuracy and CCC."""
    if on is not None:
        run_there(on, as_json)
    from serhpo.study import open_study

    print_front(open_study(study), as_json, pick)


def front_document(study: Study, pick: str | None = None) -> dict[str, Any]:
    """What ``serhpo front --json`` prints.

    Raises:
        NoCompleteTrialError: There is no front yet.
        UsageError: No trial of the front is what was to be picked.
    """
    from serhpo.errors import NoCompleteTrialError
    from serhpo.study import SCHEMA_VERSION, agreement
    from serhpo.study.choice import BIAS_METHOD, biases, choose, ties

    errors = study.standard_errors()
    complete = {trial.number: trial for trial in study.trials() if trial.state == "COMPLETE"}
    values = {number: trial.values or {} for number, trial in complete.items()}
    own = {number: errors.get((number, trial.epoch), {}) for number, trial in complete.items()}
    members = study.front()
    if not members:
        raise NoCompleteTrialError(
            f"`{study.name}` has no complete trial yet", where=study.path, hint=f"serhpo status {study.name}"
        )
    on_front = {trial.number: values[trial.number] for trial in members}
    chosen = None if pick is None else choose(pick, on_front, study.objectives)
    tied = sorted(ties(values, own, study.objectives))
    return {
        "schema_version": SCHEMA_VERSION,
        "study": study.name,
        "protocol": study.settings.protocol.name,
        "claim": study.settings.claim,
        "objectives": [objective.metric for objective in study.objectives],
        "hypervolume": study.hypervolume(),
        "knee": study.knee(),
        "front": [_row(trial, own[trial.number]) for trial in members],
        "ties": [_row(complete[number], own[number]) for number in tied],
        "selection_bias": {"method": BIAS_METHOD, **biases(values, own, study.objectives)},
        "picked": _picked(chosen) if chosen else None,
        "baselines": study.baselines(),
        "rung_agreement": [asdict(row) for row in agreement(study)],
    }


def _row(trial: TrialRecord, errors: dict[str, float]) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state,
        "epoch": trial.epoch,
        "values": trial.values,
        "standard_errors": errors,
        "params": trial.params,
    }


def _picked(choice: Choice) -> dict[str, Any]:
    return {"number": choice.number, "why": choice.why}


def print_front(study: Study, as_json: bool, pick: str | None = None) -> None:
    """Print the front as a table and a plot, or as JSON."""
    from serhpo.study import Agreement, agreement_sentence

    document = front_document(study, pick)
    if as_json:
        console.print_json(document)
        return
    print_rows(study.name, document)
    if console.out.width >= scatter.NARROWEST:
        ascii_only = not scatter.can_draw(console.out.encoding)
        first, second = (metric.upper() for metric in document["objectives"][:2])
        plot = scatter.scatter(
            _points(study, document), first, second, console.out.width, ascii_only=ascii_only
        )
        console.out.print(plot)
    console.out.print(f"Hypervolume {document['hypervolume']:.4f}. {summary_line(study)}", markup=False)
    if line := _bias_line(document):
        console.out.print(line, markup=False)
    if line := agreement_sentence([Agreement(**row) for row in document["rung_agreement"]]):
        console.out.print(line, markup=False)
    if document["picked"]:
        choice = document["picked"]
        console.out.print(f"[bold]trial {choice['number']}[/]: {choice['why']}")


def _points(study: Study, document: dict[str, Any]) -> list[scatter.Point]:
    x, y = document["objectives"][:2]
    kinds = {row["number"]: "front" for row in document["front"]}
    kinds |= {row["number"]: "tie" for row in document["ties"]}
    points = []
    for trial in study.trials():
        if trial.state in ("COMPLETE", "PRUNED") and trial.values:
            kind = "pruned" if trial.state == "PRUNED" else kinds.get(trial.number, "dominated")
            label = str(trial.number) if kind == "front" else ""
            points.append(scatter.Point(trial.values[x], trial.values[y], kind, label))
    row = (document["baselines"] or {}).get("class_mean") or {}
    if row.get(x) is not None and row.get(y) is not None:
        points.append(scatter.Point(row[x], row[y], "baseline", "class means"))
    return points


def _bias_line(document: dict[str, Any]) -> str:
    found = document["selection_bias"]
    known = [f"the best {m.upper()} {found[m]:.3f}" for m in document["objectives"] if m in found]
    if not known:
        return ""
    method = found["method"]
    line = f"The best of many estimates flatters itself: expect {' and '.join(known)} lower ({method})."
    if tied := len(document["ties"]):
        line += f" {tied} {'trial ties' if tied == 1 else 'trials tie'}: one standard error off the front."
    return line


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
