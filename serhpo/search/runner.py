"""Run a study to its end: a Tuner around scheduler, bridge and trainable, and what comes after it."""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from types import FrameType
from typing import Any, Protocol

from ray import tune
from ray.exceptions import RayError
from ray.tune.error import TuneError

from serhpo.cluster import connected, trials_at_once
from serhpo.errors import NoCompleteTrialError, SearchInterruptedError
from serhpo.search import joins_cluster
from serhpo.search.baselines import measure_baselines
from serhpo.search.context import TrialContext
from serhpo.search.record import Record
from serhpo.search.rungs import Rungs
from serhpo.search.sampler import StudySearch
from serhpo.search.scheduler import ParetoASHA
from serhpo.search.space import Space
from serhpo.search.trainable import TrialTrainable
from serhpo.study import Study, TrialRecord, write_results
from serhpo.training.results import EpochResult

LEDGER_FIELDS = ("trial", *(field.name for field in fields(EpochResult)))


class Listener(Protocol):
    """Who is told how a search goes on."""

    def started(self, trials: int, continued: int, at_once: int) -> None:
        """So many trials are to come, so many of them go on where they were cut off."""

    def epoch(self, row: Mapping[str, Any]) -> None:
        """A trial finished an epoch."""

    def ended(self, trial: TrialRecord) -> None:
        """A trial ended."""

    def phase(self, text: str) -> None:
        """Something other than a trial begins."""


def run(
    study: Study, space: Space, context: TrialContext, listener: Listener, resume_to: int | None = None
) -> None:
    """Train until the study has the trials asked for.

    Args:
        study: The study, new or with some of its trials done.
        space: Its resolved space; ``space.search`` says how trials run.
        context: Corpus, folds and features.
        listener: Told about progress.
        resume_to: For a study that is resumed: how many trials it shall have in all.

    Raises:
        SearchInterruptedError: Ctrl-C or SIGTERM; everything is saved.
        StudyLockedError: Another process drives this study.
        StorageError: The disk is full or read-only; what was written before is whole.
        ResourceError: No trial fits on the machines.
        NoCompleteTrialError: All trials failed or were pruned.
    """
    with study.driving(), connected(joins_cluster()), _interruptible() as interrupted:
        if resume_to is not None:
            study.count_resume(resume_to)
        listener.phase("starting Ray workers")
        record = Record(study, Rungs(study.objectives, space.search))
        try:
            _fit(study, space, context, listener, record, interrupted)
        finally:
            record.close()
            with record.guarded():
                write_results(study)
        if record.fatal:
            then = f"then `serhpo resume {study.name}` goes on; nothing computed is lost"
            record.fatal.hint = f"{record.fatal.hint}; {then}" if record.fatal.hint else then
            raise record.fatal
        _stop_if(interrupted(), study)
        _conclude(study, space, context, listener, interrupted)


def _fit(
    study: Study,
    space: Space,
    context: TrialContext,
    listener: Listener,
    record: Record,
    interrupted: Callable[[], bool],
) -> None:
    settings = space.search
    at_once = trials_at_once(settings.cpus_per_trial, settings.gpus_per_trial, settings.concurrent)
    search = StudySearch(record, space, listener.ended)
    if not search.missing:
        return
    listener.started(search.missing, search.to_continue, at_once)
    resources = {"CPU": settings.cpus_per_trial, "GPU": settings.gpus_per_trial}
    trainable = tune.with_resources(tune.with_parameters(TrialTrainable, context=context), resources)
    with tempfile.TemporaryDirectory(prefix="serhpo-tune-") as scratch:
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=search,
                scheduler=ParetoASHA(record.rungs, record.errors),
                num_samples=-1,  # the bridge says when it is enough
                max_concurrent_trials=at_once,
                reuse_actors=True,
                trial_dirname_creator=lambda trial: str(trial.trial_id),
            ),
            run_config=tune.RunConfig(
                name=study.name,
                storage_path=scratch,
                verbose=0,
                callbacks=[_EpochWriter(record, listener)],
                stop=_StopWhen(lambda: interrupted() or record.fatal is not None),
                failure_config=tune.FailureConfig(max_failures=0),  # and who is tried again
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
            ),
        )
        try:
            tuner.fit()
        except TuneError:
            if record.fatal is None:
                raise
    if search.exhausted:
        listener.phase(f"the sampler only repeats itself: the search ends before {study.asked} trials")


class _EpochWriter(tune.Callback):  # type: ignore[misc]
    """Writes every reported epoch to the ledger before the trial goes on."""

    def __init__(self, record: Record, listener: Listener) -> None:
        self._record = record
        self._listener = listener

    def __reduce__(self) -> tuple[Any, ...]:
        return tune.Callback, ()  # for Tune's snapshot, which nobody reads

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: Mapping[str, Any], **info: Any
    ) -> None:
        if "storage_error" in result:
            self._record.fatal = self._record.fatal or result["storage_error"]
        if "epoch" not in result:
            return
        row = {name: result[name] for name in LEDGER_FIELDS}
        if self._record.add(row):
            self._listener.epoch(row)


class _StopWhen(tune.Stopper):  # type: ignore[misc]
    """Ends the whole search, not single trials."""

    def __init__(self, condition: Callable[[], bool]) -> None:
        self._condition = condition

    def __reduce__(self) -> tuple[Any, ...]:
        return tune.Stopper, ()

    def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._condition()


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C or SIGTERM into a request to stop; the second one acts at once."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False  # only the main thread may handle signals; a notebook's owner interrupts it
        return

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for kind, before in handlers.items():
            signal.signal(kind, before)

    handlers = {kind: signal.signal(kind, note) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        for kind, before in handlers.items():
            signal.signal(kind, before)


def _conclude(
    study: Study, space: Space, context: TrialContext, listener: Listener, interrupted: Callable[[], bool]
) -> None:
    """Make sure there is something to show, and measure what it is read beside."""
    front = study.front()
    if not front:
        raise NoCompleteTrialError(
            "No trial was completed",
            where=study.path,
            got=", ".join(f"{count} {state}" for state, count in study.counts().items() if count),
            hint=f"`serhpo status {study.name}` tells why; `serhpo resume {study.name} --trials K` goes on",
        )
    measured = study.baselines()
    if measured is None or measured["trial"] != front[0].number:
        listener.phase(f"class-mean baseline: trial {front[0].number} once more with λ = 1")
        try:
            measure_baselines(study, space, context, front[0], interrupted)
        except RayError as error:  # a front without this row is better than none
            cause = str(error).strip().rpartition("\n")[2]
            listener.phase(f"the class-mean baseline could not be measured: {cause}")
        _stop_if(interrupted(), study)


def _stop_if(interrupted: bool, study: Study) -> None:
    if interrupted:
        raise SearchInterruptedError("Stopped; everything is saved", hint=f"serhpo resume {study.name}")
