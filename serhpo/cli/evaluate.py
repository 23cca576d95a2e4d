"""``serhpo evaluate``: the front retrained with several seeds and measured once on test speakers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serhpo.cli import completion, console, supervise
from serhpo.cli.console import StudyArgument
from serhpo.cli.sources import CacheOption, ClassesOption
from serhpo.errors import NoCompleteTrialError, UsageError, nearest

if TYPE_CHECKING:
    from serhpo.cli.evaluation_run import Target
    from serhpo.evaluate import Decision, Job, Request
    from serhpo.study import Study, TrialRecord

_PROTOCOLS = ("leave_one_speaker_out", "leave_one_session_out")
"""Those that need no further settings."""


def evaluate(
    study: StudyArgument,
    trial: Annotated[
        list[int] | None,
        typer.Option(
            help="Number of a complete trial; repeatable. Without it the front.",
            autocompletion=completion.kept_trials,
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many of the front: knee, ends, then the others.")
    ] = None,
    folds: Annotated[
        list[str] | None, typer.Option(help="Name of a fold; repeatable. Without it all of the protocol.")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, help="Trainings of every trial on every fold; 3 unless measured before."),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="Divide anew: leave_one_speaker_out or leave_one_session_out."),
    ] = None,
    corpus: Annotated[
        Path | None, typer.Option(help="Measure on all speakers of this corpus instead.")
    ] = None,
    classes: ClassesOption = None,
    again: Annotated[
        bool, typer.Option("--again", help="Read the same test speakers once more, with further seeds.")
    ] = False,
    cache: CacheOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be trained and how long; start nothing.")
    ] = False,
    as_json: console.JsonOption = False,
) -> None:
    """Retrain the front with several seeds and measure it once on test speakers, beside the baselines."""
    if not dry_run:
        supervise.go_on_in_child()
    from serhpo.cli.evaluation_run import Target, measure
    from serhpo.cli.evaluation_tables import print_document
    from serhpo.evaluate import Record, document
    from serhpo.study import open_study

    if classes is not None and corpus is None:
        raise UsageError("--classes is about the corpus of --corpus", where="--classes", got=classes)
    opened = open_study(study)
    _check_protocol(opened, protocol, corpus)
    target = Target(opened, protocol, corpus, classes)
    request = _request(opened, target, trial, limit, folds, seeds, again)
    record = Record(opened)
    decision = target.decide(request, record)
    missing = record.missing(decision.shown)
    for line in target.dropped:
        console.say(f"not measured on {target.tested.corpus}: {line}")
    if missing or dry_run:
        _announce(opened, target, decision, missing, as_json and dry_run)
    if dry_run:
        return
    if missing:
        with ExitStack() as session:
            record = session.enter_context(Record.writing(opened))
            decision = target.decide(request, record)  # another process may have been faster
            measure(opened, target, record, decision, cache, session)
    done = document(opened, record, decision, target.tested)
    if not any(row["kind"] == "candidate" for row in done["rows"]):
        reasons = sorted({failure["reason"] for failure in done["failures"]})
        raise NoCompleteTrialError(
            "No trial came to its end on all of these folds",
            where=opened.path,
            got="; ".join(reasons),
            hint=f"serhpo report {opened.name} shows those that did" if done["left_out"] else None,
        )
    if as_json:
        console.print_json(done)
    else:
        print_document(done)


def _check_protocol(study: Study, protocol: str | None, corpus: Path | None) -> None:
    known = dict.fromkeys((study.settings.protocol.name, *_PROTOCOLS))
    if protocol is not None and protocol not in known:
        near = nearest(protocol, known)
        raise UsageError(
            f"Cannot divide by `{protocol}`.{near}", where="--protocol", allowed=", ".join(known)
        )
    if protocol is not None and corpus is not None:
        raise UsageError("Another corpus tests as a whole: give one of --protocol and --corpus")


def _request(
    study: Study,
    target: Target,
    trials: list[int] | None,
    limit: int | None,
    folds: list[str] | None,
    seeds: int | None,
    again: bool,
) -> Request:
    from serhpo.evaluate import Request

    if trials and limit:
        raise UsageError("Give one of --trial and --limit")
    complete = {t.number: t for t in study.trials() if t.state == "COMPLETE"}
    if not complete:
        hint = f"serhpo status {study.name}"
        raise NoCompleteTrialError(f"`{study.name}` has no complete trial yet", where=study.path, hint=hint)
    known = ", ".join(map(str, sorted(complete)))
    for number in trials or ():
        if number not in complete:
            raise UsageError("No complete trial of that number", where="--trial", got=number, allowed=known)
    names = [fold.name for fold in target.folds]
    for name in folds or ():
        if name not in names:
            near = nearest(name, names)
            raise UsageError(f"No fold `{name}`.{near}", where="--folds", allowed=", ".join(names))
    front = study.front()
    best_ccc = max(front, key=lambda t: (t.values or {})["ccc"])
    return Request(
        trials=tuple(dict.fromkeys(trials or _of_front(study, front, best_ccc)[:limit])),
        controls={"classes": front[0].number, "dimensions": best_ccc.number},
        folds=tuple(name for name in names if not folds or name in folds),
        seeds=seeds,
        again=again,
        tested=target.tested,
    )


def _of_front(study: Study, front: Sequence[TrialRecord], best_ccc: TrialRecord) -> list[int]:
    """The front's members: its knee, its ends, then the others."""
    knee = study.knee()
    first = [] if knee is None else [knee]
    return list(dict.fromkeys([*first, front[0].number, best_ccc.number, *(t.number for t in front)]))


def _announce(
    study: Study, target: Target, decision: Decision, missing: Sequence[Job], as_json: bool
) -> None:
    """What is going to be trained, and for how long: before it starts."""
    from serhpo.search.estimate import duration

    per_epoch = _seconds_per_speaker(study)
    speakers = {fold.name: len(fold.train) for fold in target.folds}
    epoch = sum(per_epoch.get(job.trial, 0.0) * speakers[job.fold] for job in missing)
    seconds = study.settings.epochs * epoch
    trials = sorted({job.trial for job in decision.shown if job.variant == "joint"})
    if as_json:
        console.print_json(
            {
                "schema_version": 1,
                "study": study.name,
                "trials": trials,
                "controls": dict(decision.controls),
                "trainings": len(missing),
                "finished_already": len(decision.shown) - len(missing),
                "epochs": study.settings.epochs,
                "training_hours": seconds / 3600,
            }
        )
        return
    controls = ", ".join(f"trial {number} for {name} only" for name, number in decision.controls.items())
    there = len(decision.shown) - len(missing)
    console.say(
        f"Evaluation of {'trial' if len(trials) == 1 else 'trials'} {', '.join(map(str, trials))}, beside "
        f"{controls}: {len(missing)} trainings of {study.settings.epochs} epochs"
        + (f", {there} more are there already" if there else "")
    )
    console.say(
        f"about {duration(seconds)} of training one after another, by the search's own seconds an epoch; "
        "then test speakers are read, once a training"
    )


def _seconds_per_speaker(study: Study) -> dict[int, float]:
    """Mean wall time of an epoch for each training speaker, by trial."""
    seconds: dict[int, list[float]] = {}
    for row in study.epochs():
        seconds.setdefault(row["trial"], []).append(float(row.get("seconds") or 0.0))
    speakers = sum(len(fold["train"]) for fold in study.folds())
    return {trial: sum(each) / len(each) / speakers for trial, each in seconds.items()}
