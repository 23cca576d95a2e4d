"""The bridge between Ray Tune and Optuna: Tune asks for trials, the journal keeps the true states.

Ray's own ``OptunaSearch`` tells stopped trials as COMPLETE with their last values, leaves trials whose
objectives are not finite RUNNING for ever, and drifts from its storage when restored. This subclass
replaces what it does with a trial, and never restores: the journal is the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from time import monotonic, time
from typing import Any

import optuna
from optuna.trial import TrialState
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from serhpo.search.deaths import Deaths
from serhpo.search.optuna_samplers import make_sampler, trial_seed
from serhpo.search.proposals import Proposals
from serhpo.search.record import Record, objective_values
from serhpo.search.space import Space
from serhpo.study import TrialRecord


class StudySearch(OptunaSearch):  # type: ignore[misc]
    """Proposes trials for one study and writes down how each ended.

    A sampler that takes long must not keep Tune from listening to the trials that run. So proposals are
    asked for in a thread, which also writes the ends of trials, one thing after another in the order of
    events: what a proposal is based on does not depend on how long anything took.

    Args:
        record: The study's epochs and rungs.
        space: What is searched.
        on_end: Called with every trial that ended.
        room: How many trials may be under way; without it as many as Tune asks for.

    Attributes:
        wait_s: Seconds that running trials may wait for a proposal.
    """

    wait_s = 0.05

    def __init__(
        self,
        record: Record,
        space: Space,
        on_end: Callable[[TrialRecord], None],
        room: Callable[[], int] | None = None,
    ) -> None:
        study = record.study
        super().__init__(
            space=space.suggest,
            metric=[objective.metric for objective in study.objectives],
            mode=["max" if o.direction == "maximise" else "min" for o in study.objectives],
            sampler=make_sampler(space.search, len(study.journal.get_trials(deepcopy=False))),
            study_name=study.journal.study_name,
            storage=study.journal._storage,
        )
        self._record = record
        self._search_space = space
        self._on_end = on_end
        self._room = room
        self._numbers: dict[str, int] = {}  # of Tune's trials
        self._running: dict[int, str] = {}  # configurations handed out and not at their end
        self._deaths = Deaths(record, space.search)
        self._ended: list[TrialRecord] = []
        self._kept = {trial.number for trial in study.front()}  # whose best checkpoint lies there
        for trial in study.ended():  # a driver may have been killed between an end and this
            study.drop_checkpoint(trial.number, "last", *(() if trial.number in self._kept else ("best",)))
        self._turns = ThreadPoolExecutor(1, thread_name_prefix="study")
        self._asking: Future[tuple[int, str] | None] | None = None
        self._proposals = Proposals(self._ot_study, space, self._tell_failed)
        self._to_continue = self._settle_interrupted()
        counts = study.counts()
        ended = sum(counts[state] for state in ("COMPLETE", "PRUNED", "FAIL"))
        self._proposals.wanted = max(0, study.asked - ended - len(self._to_continue))
        self._tell_listener()

    def __reduce__(self) -> tuple[Any, ...]:
        return Searcher, ()  # for Tune's snapshot, which nobody reads

    @property
    def to_continue(self) -> int:
        """Trials that were cut off and are to go on."""
        return len(self._to_continue)

    @property
    def missing(self) -> int:
        """Trials still to be handed out."""
        return self._proposals.wanted + len(self._to_continue)

    @property
    def exhausted(self) -> bool:
        """There is nothing new to try: a finite space is used up, or the sampler repeats itself."""
        return self._proposals.exhausted

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next trial: first those cut off, then new proposals.

        Returns:
            ``{"number", "seed", "trial", "known"}`` for the trainable, the trial as JSON text (nested, Tune
            would flatten it into every result); None while there is no room, the sampler thinks, or a running
            trial may yet have to be handed out again; ``Searcher.FINISHED`` when all are done, the space
            holds nothing new, or the search has to end: where nothing runs, Tune would wait for a trial
            and hear no signal.
        """
        if self._record.fatal:
            return str(Searcher.FINISHED)
        if self._room and len(self._running) >= self._room():
            return None
        job = self._next_job(trial_id)
        self._tell_listener()
        return job

    def _next_job(self, trial_id: str) -> dict[str, Any] | str | None:
        with self._record.guarded():
            proposal = self._to_continue.pop(0) if self._to_continue else self._proposal()
            if proposal is None:
                waits = self._running and not self._record.fatal
                return None if waits else str(Searcher.FINISHED)
            number, config = proposal
            self._numbers[trial_id] = number
            self._running[number] = config
            seed = trial_seed(self._search_space.search.seed, number)
            last = self._record.last(number)
            return {"number": number, "seed": seed, "trial": config, "known": last["epoch"] if last else 0}
        return str(Searcher.FINISHED)

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Nothing: Optuna takes no intermediate values of several objectives; the ledger has them."""

    def on_trial_complete(
        self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False
    ) -> None:
        """Write the trial's true state: COMPLETE, PRUNED or FAIL; a stopped search leaves it RUNNING."""
        number = self._numbers.pop(trial_id, None)
        heard = self._record.heard.pop(trial_id, None)
        if number is None or self._record.fatal:  # a second word on a trial, or a journal that may be torn
            return
        config = self._running.pop(number)
        silent_s = 0.0 if heard is None else monotonic() - heard
        written = self._turns.submit(self._write_end, number, config, result, error, silent_s)
        if self._asking is None:
            written.result()
        self._tell_listener()

    def settle(self) -> None:
        """Wait until everything that was told is written; for whoever reads the study next."""
        self._turns.submit(int).result()
        self._tell_listener()

    def _proposal(self) -> tuple[int, str] | None:
        """What the sampler proposes; None where it is not ready yet, or there is nothing more to try."""
        if self._asking is None:
            self._asking = self._turns.submit(self._propose)
        # Where nothing runs nobody is kept waiting, and Tune would look again only after a second.
        wait([self._asking], self.wait_s if self._running else None)
        if not self._asking.done():
            return None
        asked, self._asking = self._asking, None
        proposal = asked.result()
        if proposal is None:
            self.settle()  # a trial that died may be among what is still to be written
            return self._to_continue.pop(0) if self._to_continue else None
        return proposal

    def _propose(self) -> tuple[int, str] | None:
        # Guarded here: an end that is written next must know that the disk is full.
        with self._record.guarded(), self._record.study.one_sync():
            return None if self._record.fatal else self._proposals.next()
        return None

    def _write_end(
        self, number: int, config: str, result: Mapping[str, Any] | None, error: bool, silent_s: float
    ) -> None:
        with self._record.guarded(), self._record.study.one_sync():
            if self._record.fatal:
                return
            if error:
                self._continue_or_fail(number, config, silent_s)
            elif result and "failed" in result:
                self._tell_failed(number, str(result["failed"]))
            else:
                self._tell_if_ended(number)

    def _continue_or_fail(self, number: int, config: str, silent_s: float) -> None:
        """A process died or raised. Tune itself would not try again where it died between two trials."""
        if reason := self._deaths.reason_to_fail(number, silent_s):
            self._tell_failed(number, reason)
        else:
            self._to_continue.append((number, config))

    def _tell_listener(self) -> None:
        """Pass on which trials ended; not while the disk is guarded, whose errors are another matter."""
        while self._ended:
            self._on_end(self._ended.pop(0))

    def save(self, checkpoint_path: str) -> None:
        """Nothing: Tune's snapshots of a searcher are pickles, and are never restored here."""

    def _settle_interrupted(self) -> list[tuple[int, str]]:
        """Tell trials whose end was reached but not written; return those to be continued."""
        left = []
        for frozen in self._ot_study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if "duplicate_of" in frozen.user_attrs:
                self._ot_study.tell(frozen.number, state=TrialState.PRUNED)
            elif not self._tell_if_ended(frozen.number):
                # A trial killed while being proposed is asked for the parameters it still lacks.
                trial = optuna.Trial(self._ot_study, frozen._trial_id)
                assignment = self._search_space.suggest(trial)
                untrained = self._record.last(frozen.number) is None
                if untrained and self._proposals.was_repeated(trial, assignment):
                    continue
                if (config := self._proposals.configuration(frozen.number, assignment)) is not None:
                    left.append((frozen.number, config))
        return left

    def _tell_if_ended(self, number: int) -> bool:
        """Write PRUNED or COMPLETE where the epochs say so; False where the trial is not at its end."""
        last = self._record.last(number)
        cut = self._record.rungs.stopped(number)
        objectives = self._record.study.objectives
        if last is None or (cut is None and last["epoch"] < self._record.rungs.epochs):
            return False
        if cut is not None:
            values = dict(zip(self._metric, objective_values(last, objectives), strict=True))
            notes = {
                "epoch": last["epoch"],
                "values": values,
                "rung": cut.rung,
                "rung_position": cut.rank,
            }
            self._tell(number, TrialState.PRUNED, notes)
        else:
            best = self._record.best(number)
            self._tell(
                number, TrialState.COMPLETE, {"epoch": best["epoch"]}, objective_values(best, objectives)
            )
        return True

    def _tell_failed(self, number: int, reason: str) -> None:
        last = self._record.last(number)
        self._tell(number, TrialState.FAIL, {"reason": reason, "epoch": last["epoch"] if last else 0})

    def _tell(
        self, number: int, state: TrialState, notes: Mapping[str, Any], values: Sequence[float] | None = None
    ) -> None:
        frozen = self._ot_study.get_trials(deepcopy=False)[number]
        if frozen.state.is_finished():
            return
        for key, value in {**notes, "ended": round(time(), 3)}.items():
            self._ot_study._storage.set_trial_user_attr(frozen._trial_id, key, value)
        self._ot_study.tell(number, values, state=state)
        self._clear_checkpoints(number, state)
        self._ended.append(self._record.study.trial(number))

    def _clear_checkpoints(self, number: int, state: TrialState) -> None:
        """Keep the best epoch's checkpoint of front members only: who left the front never returns."""
        study = self._record.study
        study.drop_checkpoint(number, "last", *(("best",) if state != TrialState.COMPLETE else ()))
        if state == TrialState.COMPLETE:
            self._kept.add(number)
            front = {trial.number for trial in study.front(among=self._kept)}
            for other in self._kept - front:
                study.drop_checkpoint(other, "best")
            self._kept = front
