"""``serhpo search`` and ``resume``."""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serhpo.cli import completion, console, launched, machines, supervise
from serhpo.cli.announce import announce
from serhpo.cli.launched import SubmitOption
from serhpo.cli.machines import GpusOption, StorageOption, WaitNodesOption
from serhpo.cli.sources import (
    CacheOption,
    ClassesOption,
    CorpusOption,
    SetOption,
    SpaceOption,
    fill,
    find_corpus,
    load_pinned,
    plan_of,
    remote_store,
)
from serhpo.errors import ConfigError, ResourceError, UsageError
from serhpo.text import counted

if TYPE_CHECKING:  # `serhpo --help` must load neither torch nor Ray
    from serhpo.cache import RemoteStore
    from serhpo.search.prepare import Plan
    from serhpo.study import Study
    from serhpo.study.store import StudyStore

HoursOption = Annotated[
    float | None, typer.Option(help="End after so many hours of searching, all runs together.")
]
GpuHoursOption = Annotated[float | None, typer.Option(help="End after so many GPU hours of training.")]
EpochsOption = Annotated[
    int | None, typer.Option(min=1, help="End after so many epochs, all trials together.")
]
PatienceOption = Annotated[
    int | None, typer.Option(min=1, help="End when the front has not grown for so many trials.")
]

LogToOption = Annotated[
    list[str] | None,
    typer.Option(help="Also log every epoch to tensorboard, mlflow or wandb; repeatable."),
]


def search(
    space: SpaceOption = "full",
    corpus: CorpusOption = None,
    classes: ClassesOption = None,
    name: Annotated[str | None, typer.Option(help="Name of the study; without it space and time.")] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Trials to run.")] = None,
    hours: HoursOption = None,
    gpu_hours: GpuHoursOption = None,
    epochs: EpochsOption = None,
    patience: PatienceOption = None,
    sampler: Annotated[
        str | None, typer.Option(help="Who proposes: tpe, gp, nsga2, nsga3, random, qmc or grid.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the study.")] = None,
    settings: SetOption = None,
    enqueue: Annotated[
        list[str] | None,
        typer.Option(help="Try these first: a YAML file, `paper`, or a study's front; repeatable."),
    ] = None,
    warm_start: Annotated[
        str | None,
        typer.Option(
            help="Let the sampler learn from the trials of this study.",
            autocompletion=completion.study_names,
        ),
    ] = None,
    cache: CacheOption = None,
    storage: StorageOption = None,
    gpus_per_trial: GpusOption = None,
    wait_nodes: WaitNodesOption = None,
    log_to: LogToOption = None,
    submit: SubmitOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would happen; start nothing.")
    ] = False,
    as_json: console.JsonOption = False,
) -> None:
    """Search a space for the best joint models and leave a study with its Pareto front."""
    if not dry_run and submit is None:
        supervise.go_on_in_child()
    from serhpo.search import prepare, trackers
    from serhpo.study import require_new, studies_folder
    from serhpo.study.store import ADDRESS, StudyStore, require_new_there

    limits = _limits(trials, hours, gpu_hours, epochs, patience)
    gpus = machines.gpus_given(gpus_per_trial)
    options = {**limits, "sampler": sampler, "seed": seed, "gpus_per_trial": gpus}
    if name is not None and (not name or "/" in name or name.startswith(".")):
        raise UsageError("A study's name is a plain folder name", where="--name", got=name)
    name = name or prepare.default_name(space)
    if submit is not None and not dry_run:
        load_pinned(space, settings or [], options)  # a mistake is told here, not in a job's log
        launched.submit(submit, name, name, storage)
        return
    trackers.require(log_to or [])
    plan = plan_of(space, find_corpus(corpus, classes, as_json), settings or [], options)
    require_new(studies_folder() / name)
    storage = machines.stored_at(storage, studies_folder() / name)
    store = StudyStore(storage, name) if storage else None
    if store is not None:
        require_new_there(store)
    first = _enqueued(plan, enqueue or [])
    warm = _warm_trials(plan, warm_start) if warm_start else []
    if dry_run:
        from serhpo.cli.dry_run import print_plan

        print_plan(plan, name, store, as_json)
        return
    announce(plan)
    with ExitStack() as session:  # Ray, if filling needs it, stays up for the search
        remote = remote_store(machines.cache_beside(storage, cache))
        machines.join(plan, session, remote, wait_nodes, stored=store is not None)
        shards, cached = fill(plan.corpus, plan.space.extractors(), session, remote, ray_follows=True)
        if gpus_per_trial == machines.AUTO:
            plan = machines.packed(plan, shards, session, remote)
        study = prepare.create_study(plan, name, shards, first, warm)
        if storage:
            (study.path / ADDRESS).write_text(f"{storage}\n")
        try:
            _run(study, plan, shards, remote, store, as_json, log_to or [], cached)
        except (ResourceError, ConfigError) as error:
            unstarted = type(error) in (ResourceError, ConfigError) and store is None
            if unstarted and all(trial.state == "WAITING" for trial in study.trials()):
                shutil.rmtree(study.path)  # no trial fits, or nobody logs: nothing was started
            raise


def resume(
    study: console.StudyArgument,
    trials: Annotated[
        int | None, typer.Option(min=1, help="New number of trials in all; makes a study grow.")
    ] = None,
    hours: HoursOption = None,
    gpu_hours: GpuHoursOption = None,
    epochs: EpochsOption = None,
    patience: PatienceOption = None,
    cache: CacheOption = None,
    storage: StorageOption = None,
    wait_nodes: WaitNodesOption = None,
    log_to: LogToOption = None,
    submit: SubmitOption = None,
    as_json: console.JsonOption = False,
) -> None:
    """Go on with a study: the trials that were cut off first, then those still missing."""
    if submit is not None:
        launched.submit(submit, study, launched.job_of_resume(study), storage)
        return
    supervise.go_on_in_child()
    from serhpo.search import lock, prepare, trackers
    from serhpo.study import open_study, place_of
    from serhpo.study.store import ADDRESS, StudyStore
    from serhpo.study.transit import settle

    trackers.require(log_to or [])
    folder = place_of(study)
    storage = machines.stored_at(storage, folder)
    store = StudyStore(storage, folder.name) if storage else None
    if store is not None:
        settle(store, folder)
        (folder / ADDRESS).write_text(f"{storage}\n")
    opened = open_study(study)
    if trials is not None and trials < opened.asked:
        raise UsageError(
            "A study can only grow", where="--trials", got=trials, allowed=f"{opened.asked} or more"
        )
    plan = prepare.reopen(opened)
    limits = _limits(trials, hours, gpu_hours, epochs, patience)
    given = {name: value for name, value in limits.items() if value is not None}
    with ExitStack() as session:
        remote = remote_store(machines.cache_beside(storage, cache))
        machines.join(plan, session, remote, wait_nodes, stored=store is not None)
        shards, cached = fill(plan.corpus, plan.space.extractors(), session, remote, ray_follows=True)
        lock.check_features(opened, shards)
        _run(opened, plan, shards, remote, store, as_json, log_to or [], cached, given)


def _limits(
    trials: int | None, hours: float | None, gpu_hours: float | None, epochs: int | None, patience: int | None
) -> dict[str, float | None]:
    """What may end a search, by the names of :class:`~serhpo.search.settings.SearchSettings`."""
    limits = {"trials": trials, "hours": hours, "gpu_hours": gpu_hours}
    return {**limits, "total_epochs": epochs, "patience": patience}


def _enqueued(plan: Plan, sources: list[str]) -> list[dict[str, Any]]:
    """Configurations to try first; says which were left out and why."""
    from serhpo.search.transfer import enqueued

    found: list[dict[str, Any]] = []
    for source in sources:
        read = enqueued(plan.space, source, plan.folds, plan.corpus.name)
        for reason in read.dropped:
            console.say(f"not enqueued from {source}: {reason}")
        console.say(f"enqueued from {source}: {len(read.assignments)}")
        found += [assignment for assignment in read.assignments if assignment not in found]
    if len(found) > plan.space.search.trials:
        raise UsageError(
            "More configurations are enqueued than trials asked for",
            where="--enqueue",
            got=len(found),
            allowed=f"{plan.space.search.trials} trials",
            hint=f"--trials {len(found)}, or more",
        )
    return found


def _warm_trials(plan: Plan, name: str) -> list[Any]:
    """Trials of another study for the sampler; says which were left out and why."""
    from serhpo.search.transfer import refuse_leak, warm_trials
    from serhpo.study import open_study

    other = open_study(name)
    refuse_leak(other, plan.folds, plan.corpus.name)
    trials, dropped = warm_trials(plan.space, other)
    for reason, count in dropped.most_common():
        console.say(f"not taken from {name}: {counted(count, 'trial')}: {reason}")
    if (
        other.lock.get("corpus_digest") != plan.corpus.digest
        or other.settings.protocol != plan.space.protocol
    ):
        console.say(f"{name} measured on other recordings or folds: its figures guide, they do not compare")
    console.say(f"the sampler starts with {len(trials)} trials of {name}; they count for nothing else")
    return trials


def _run(
    study: Study,
    plan: Plan,
    shards: Any,
    remote: RemoteStore | None,
    store: StudyStore | None,
    as_json: bool,
    log_to: list[str],
    cached: Counter[str],
    resume: dict[str, float] | None = None,
) -> None:
    from serhpo.cli.front import print_front
    from serhpo.report import write_report
    from serhpo.search import joins_cluster
    from serhpo.search.listener import Listener
    from serhpo.search.live import Live
    from serhpo.search.metered import Metered
    from serhpo.search.prepare import make_context
    from serhpo.search.runner import run
    from serhpo.search.trackers import Tracked

    supervise.name_study(study.name)
    console.say(f"Study {study.name} in {study.path}")
    with Live(console.err, study) as live:
        context = make_context(plan, shards, study.path / "trials", remote, store)
        listener: Listener = Tracked(log_to, study, live)
        if joins_cluster():  # where somebody may look at Ray's metrics
            ways = {way: cached[way] for way in ("found", "fetched", "built")}
            listener = Metered(study, ways, listener)
        run(study, plan.space, context, listener, resume)
    report = write_report(study)  # before anything is printed: an error is the one document of --json then
    print_front(study, as_json)
    if not as_json:
        console.out.print(f"report: {report}", markup=False)
        grow = f"serhpo resume {study.name} --trials {2 * study.asked}"
        console.out.print(f"next:   serhpo front {study.name} --json · {grow}", markup=False)
