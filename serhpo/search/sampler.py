"""The bridge between Ray Tune and Optuna: Tune asks for trials, the journal keeps the true states.

Ray's own ``OptunaSearch`` tells stopped trials as COMPLETE with their last values, leaves trials whose
objectives are not finite RUNNING for ever, and drifts from its storage when restored. This subclass
replaces what it does with a trial, and never restores: the journal is the memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from serhpo.errors import ConfigError
from serhpo.search.record import Record, objective_values
from serhpo.search.settings import SearchSettings
from serhpo.search.space import Space
from serhpo.study import JOURNAL_NAME, TrialRecord

ATTEMPTS_AT_SOMETHING_NEW = 20


class StudySearch(OptunaSearch):  # type: ignore[misc]
    """Proposes trials for one study and writes down how each ended.

    Args:
        record: The study's epochs and rungs.
        space: What is searched.
        on_end: Called with every trial that ended.
    """

    def __init__(self, record: Record, space: Space, on_end: Callable[[TrialRecord], None]) -> None:
        study = record.study
        super().__init__(
            space=space.suggest,
            metric=[objective.metric for objective in study.objectives],
            mode=["max" if o.direction == "maximise" else "min" for o in study.objectives],
            sampler=make_sampler(space.search, len(study.journal.get_trials(deepcopy=False))),
            study_name=JOURNAL_NAME,
            storage=study.journal._storage,
        )
        self._record = record
        self._search_space = space
        self._on_end = on_end
        self._interrupted = self._settle_interrupted()
        self._numbers: dict[str, int] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Searcher, ()  # for Tune's snapshot, which nobody reads

    @property
    def interrupted(self) -> int:
        """Trials that the last driver left running and that this search continues first."""
        return len(self._interrupted)

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next trial: first those cut off, then new proposals.

        Returns:
            ``{"number", "seed", "trial"}`` for the trainable, the trial as JSON text (nested, Tune would
            flatten it into every result); None while the search is ending, or
            ``Searcher.FINISHED`` when the space holds nothing new.
        """
        with self._record.guarded():
            proposal = self._interrupted.pop(0) if self._interrupted else self._something_new()
            if proposal is None:
                return str(Searcher.FINISHED)
            number, config = proposal
            self._numbers[trial_id] = number
            seed = trial_seed(self._search_space.search.seed, number)
            return {"number": number, "seed": seed, "trial": config}
        return None

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Nothing: Optuna takes no intermediate values of several objectives; the ledger has them."""

    def on_trial_complete(
        self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False
    ) -> None:
        """Write the trial's true state: COMPLETE, PRUNED or FAIL; a stopped search leaves it RUNNING."""
        number = self._numbers.get(trial_id)
        if number is None:
            return
        with self._record.guarded():
            if error:
                self._tell_failed(number, "its process died more often than max_failures allows")
            elif result and "failed" in result:
                self._tell_failed(number, str(result["failed"]))
            else:
                self._tell_if_ended(number)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: Tune's snapshots of a searcher are pickles, and are never restored here."""

    def _something_new(self) -> tuple[int, str] | None:
        """A configuration not tried before; None after too many repetitions in a row."""
        for _ in range(ATTEMPTS_AT_SOMETHING_NEW):
            trial = self._ot_study.ask()
            assignment = self._search_space.suggest(trial)
            twin = self._twin(trial.number, assignment)
            try:
                config = self._search_space.trial_config(assignment)
            except ConfigError as error:
                self._tell_failed(trial.number, str(error))
                continue
            if twin is None:
                return trial.number, config.model_dump_json()
            trial.set_user_attr("duplicate_of", twin.number)
            if twin.state == TrialState.COMPLETE:
                self._ot_study.tell(trial, twin.values)
            else:
                self._ot_study.tell(trial, state=TrialState.PRUNED)
        return None

    def _twin(self, number: int, assignment: Mapping[str, Any]) -> FrozenTrial | None:
        """An earlier trial with the same parameters that did not fail."""
        for other in self._ot_study.get_trials(deepcopy=False):
            usable = other.state != TrialState.FAIL and "duplicate_of" not in other.user_attrs
            if other.number != number and usable and other.params == assignment:
                return other
        return None

    def _settle_interrupted(self) -> list[tuple[int, str]]:
        """Tell trials whose end was reached but not written; return those to be continued."""
        left = []
        for frozen in self._ot_study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if "duplicate_of" in frozen.user_attrs:
                self._ot_study.tell(frozen.number, state=TrialState.PRUNED)
            elif not self._tell_if_ended(frozen.number):
                # A trial killed while being proposed is asked for the parameters it still lacks.
                assignment = self._search_space.suggest(optuna.Trial(self._ot_study, frozen._trial_id))
                left.append((frozen.number, self._search_space.trial_config(assignment).model_dump_json()))
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
                "rung_position": cut.position,
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
        for key, value in notes.items():
            self._ot_study._storage.set_trial_user_attr(frozen._trial_id, key, value)
        self._ot_study.tell(number, values, state=state)
        self._clear_checkpoints(number, state)
        self._on_end(next(t for t in self._record.study.trials() if t.number == number))

    def _clear_checkpoints(self, number: int, state: TrialState) -> None:
        """Keep the best epoch's checkpoint of front members only: who left the front never returns."""
        study = self._record.study
        study.drop_checkpoint(number, "last", *(("best",) if state != TrialState.COMPLETE else ()))
        if state == TrialState.COMPLETE:
            front = {trial.number for trial in study.front()}
            for trial in study.trials():
                if trial.state == "COMPLETE" and trial.number not in front:
                    study.drop_checkpoint(trial.number, "best")


def make_sampler(settings: SearchSettings, trials_so_far: int) -> BaseSampler:
    """The sampler of a search.

    A resumed search draws on from another seed: the first one would repeat its first proposals.
    """
    seed = trial_seed(settings.seed, -1 - trials_so_far)
    if settings.sampler == "random":
        return RandomSampler(seed=seed)
    if settings.sampler == "nsga2":
        return NSGAIISampler(seed=seed)
    return TPESampler(seed=seed, n_startup_trials=settings.startup_trials)


def trial_seed(study_seed: int, number: int) -> int:
    """A trial's own 31-bit seed: a hash of the study's seed and the trial's number."""
    text = f"{study_seed}:{number}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=4).digest(), "big") >> 1
