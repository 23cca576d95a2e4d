"""Run a study to its end: a Tuner around scheduler, bridge and trainable, and what comes after it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray import tune
from ray.exceptions import RayError
from ray.tune.error import TuneError

from serhpo.cache import cache_folder
from serhpo.cluster import connected, lost_process
from serhpo.errors import NoCompleteTrialError, RayDiedError, SearchInterruptedError
from serhpo.search import joins_cluster
from serhpo.search.baselines import measure_baselines
from serhpo.search.budget import Budget, limited
from serhpo.search.context import TrialContext
from serhpo.search.ending import SearchOver, StopWhen, interruptible
from serhpo.search.epoch_writer import EpochWriter
from serhpo.search.estimate import Estimate
from serhpo.search.listener import Listener
from serhpo.search.machines import Room, require_shared, share_of
from serhpo.search.noise import PairedErrors
from serhpo.search.record import Record
from serhpo.search.rungs import Rungs
from serhpo.search.sampler import StudySearch
from serhpo.search.scheduler import ParetoASHA
from serhpo.search.space import Space
from serhpo.search.trainable import TrialTrainable
from serhpo.study import Study, TrialRecord, write_results
from serhpo.study.mirror import mirrored


def run(
    study: Study,
    space: Space,
    context: TrialContext,
    listener: Listener,
    resume: Mapping[str, Any] | None = None,
) -> None:
    """Train until the study has the trials asked for, or a limit of its search is reached.

    Args:
        study: The study, new or with some of its trials done.
        space: Its resolved space; ``space.search`` says how trials run.
        context: Corpus, folds and features.
        listener: Told about progress.
        resume: For a study that is resumed: limits given anew, ``trials`` among them; may be empty.

    Raises:
        SearchInterruptedError: Ctrl-C or SIGTERM; everything is saved.
        StudyLockedError: Another process drives this study.
        StorageError: The disk is full or read-only; what was written before is whole.
        ResourceError: No trial fits on the machines, or they do not all see the feature cache.
        RayDiedError: One of Ray's own processes died.
        NoCompleteTrialError: All trials failed or were pruned.
    """
    with (
        study.driving(),
        _scratch(study) as scratch,
        connected(joins_cluster()),
        interruptible() as interrupted,
    ):
        limits = {name: value for name, value in (resume or {}).items() if name != "trials"}
        asked = (resume or {}).get("trials") or study.asked
        settings = limited(space.search, {**study.limits, **limits, "trials": asked})
        space = space.model_copy(update={"search": settings})
        if resume is not None:
            study.count_resume(asked, limits)
        listener.phase("starting Ray workers")
        room = Room(share_of(space.search), space.search.concurrent)  # before a store hears of the study
        noise = PairedErrors(study, listener.phase, context.store) if space.search.noise else None
        record = Record(study, Rungs(study.objectives, space.search, noise))
        with mirrored(study, context.store, record.fail, listener.phase) as upload:
            search = _Search(study, space, context, listener, record, interrupted, upload, room)
            try:
                search.fit(scratch)
            finally:
                listener.finished()
                record.close()
                with record.guarded():
                    if not record.fatal:
                        study.note_elapsed(search.budget.elapsed)
                    write_results(study)
            _raise_fatal(study, record)
            search.stop_if_interrupted()
            search.conclude()
        _raise_fatal(study, record)


def _raise_fatal(study: Study, record: Record) -> None:
    """Raise what ended the search, with the way on."""
    if record.fatal:
        then = f"then `serhpo resume {study.name}` goes on; nothing computed is lost"
        record.fatal.hint = f"{record.fatal.hint}; {then}" if record.fatal.hint else then
        raise record.fatal


class _Search:
    """One run of a study, from the first trial handed out to the baselines."""

    def __init__(
        self,
        study: Study,
        space: Space,
        context: TrialContext,
        listener: Listener,
        record: Record,
        interrupted: Callable[[], bool],
        upload: Callable[[], None],
        room: Room,
    ) -> None:
        self.upload, self._room = upload, room
        self.study, self.space, self.context = study, space, context
        self.listener, self.record, self.interrupted = listener, record, interrupted
        self.budget = Budget(space.search, record)
        self._estimate: Estimate | None = None
        self._left = 0

    def fit(self, scratch: Path) -> None:
        """Train the trials that are missing; Tune's own files go to ``scratch``."""
        settings, room = self.space.search, self._room
        search = StudySearch(self.record, self.space, self._ended, room)
        self._estimate, self._left = Estimate(settings, room.fitting), search.missing
        if search.missing and not self.budget.spent():
            if self.context.remote is None:
                require_shared(cache_folder())
            if joins_cluster() or room.gpus:
                self.listener.phase(str(room))
            self.listener.started(search.missing, search.to_continue, room.fitting)
            try:
                self._run_tune(self._tuner(search, scratch))
            finally:
                search.settle()
        if search.exhausted:
            asked = self.study.asked
            self.listener.phase(f"the space holds nothing new to try: the search ends before {asked} trials")
        elif len(self.study.ended()) < self.study.asked and (why := self.budget.spent()):
            self.listener.phase(f"the search ends: {why}; `serhpo resume` with a higher limit goes on")

    def _tuner(self, search: StudySearch, scratch: Path) -> tune.Tuner:
        settings = self.space.search
        resources = {"CPU": settings.cpus_per_trial, "GPU": settings.gpus_per_trial}
        trainable = tune.with_parameters(TrialTrainable, context=self.context)
        return tune.Tuner(
            tune.with_resources(trainable, resources),
            tune_config=tune.TuneConfig(
                search_alg=search,
                scheduler=ParetoASHA(self.record.rungs, self.record.errors),
                num_samples=-1,  # the bridge says when it is enough
                max_concurrent_trials=search.missing,  # so Tune asks for all the bridge has room for
                reuse_actors=True,
                trial_dirname_creator=lambda trial: str(trial.trial_id),
            ),
            run_config=tune.RunConfig(
                name=self.study.name,
                storage_path=str(scratch),  # workers never write there: our checkpoints are not Tune's
                verbose=0,
                callbacks=[EpochWriter(self.record, self.budget, self._trained)],
                stop=StopWhen(self._over, lambda: self.budget.spent() is not None),
                failure_config=tune.FailureConfig(max_failures=0),  # and who is tried again
                checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
            ),
        )

    def _run_tune(self, tuner: tune.Tuner) -> None:
        try:
            with self.record.guarded():  # Tune writes a little, too
                tuner.fit()
        except SearchOver as over:
            if over.__cause__:
                raise over.__cause__ from None
        except TuneError:
            if self.record.fatal is None:
                raise

    def _trained(self, row: Mapping[str, Any]) -> None:
        if self._estimate:
            self._estimate.epoch(row)
        if row["epoch"] in self.study.settings.rungs:
            self.upload()
        self.listener.epoch(row)
        self._tell_remaining()

    def _ended(self, trial: TrialRecord) -> None:
        self.budget.note(trial)
        self.upload()
        self.listener.ended(trial)
        if self._estimate:  # not for ends that were only written down late
            self._left -= 1
            self._estimate.ended(trial)
            self._tell_remaining()

    def _tell_remaining(self) -> None:
        if not self._estimate:
            return
        self._estimate.at_once = self._room.fitting
        if left := self._estimate.remaining(self._left, self.budget.used()):
            self.listener.remaining(left)

    def _over(self) -> bool:
        """Whether the search must end at once.

        Raises:
            RayDiedError: It did.
        """
        if process := lost_process():
            raise RayDiedError(
                "Ray ended the search: one of its own processes died",
                got=process,
                hint=f"serhpo resume {self.study.name}; if this happens again, look whether memory runs out",
            )
        return self.interrupted() or self.record.fatal is not None

    def conclude(self) -> None:
        """Make sure there is something to show, and measure what it is read beside."""
        study = self.study
        front = study.front()
        if not front:
            raise NoCompleteTrialError(
                "No trial was completed",
                where=study.path,
                got=", ".join(f"{count} {state}" for state, count in study.counts().items() if count),
                hint=f"serhpo status {study.name} tells why; serhpo resume {study.name} --trials K goes on",
            )
        measured = study.baselines()
        if measured is None or measured["trial"] != front[0].number:
            self.listener.phase(f"class-mean baseline: trial {front[0].number} once more with λ = 1")
            try:
                measure_baselines(study, self.space, self.context, front[0], self._over)
            except RayError as error:  # a front without this row is better than none
                cause = str(error).strip().rpartition("\n")[2]
                self.listener.phase(f"the class-mean baseline could not be measured: {cause}")
            self.stop_if_interrupted()

    def stop_if_interrupted(self) -> None:
        """End here after a Ctrl-C.

        Raises:
            SearchInterruptedError: There was one.
        """
        if self.interrupted():
            hint = f"serhpo resume {self.study.name}"
            raise SearchInterruptedError("Stopped; everything is saved", hint=hint)


@contextmanager
def _scratch(study: Study) -> Iterator[Path]:
    """A folder for Tune's own files, which nobody reads; what a killed driver left of it is removed."""
    folder = study.path / "tune"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
