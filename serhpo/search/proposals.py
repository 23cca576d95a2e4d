"""What a study tries next: the sampler's proposals, less those that are known or no configuration."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from serhpo.errors import ConfigError
from serhpo.search.explore import draws
from serhpo.search.grid import is_finite, untried
from serhpo.search.optuna_samplers import trial_seed
from serhpo.search.space import Space

ATTEMPTS_AT_SOMETHING_NEW = 20

DRAWS = 1000
"""Configurations drawn by chance before a space of infinite size counts as used up."""

_TWINS = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)


class Proposals:
    """New trials of one study.

    Args:
        study: The study in Optuna's hands, with its sampler.
        space: What is searched.
        tell_failed: Writes that a trial has failed, and why.

    Attributes:
        wanted: Trials still to be proposed.
        exhausted: There is nothing new to try: a finite space is used up, or chance finds nothing else.
    """

    def __init__(self, study: optuna.Study, space: Space, tell_failed: Callable[[int, str], None]) -> None:
        self._study, self._space, self._tell_failed = study, space, tell_failed
        self.wanted = 0
        self.exhausted = False
        self._numbers: defaultdict[frozenset[tuple[str, Any]], list[int]] = defaultdict(list)
        for trial in study.get_trials(deepcopy=False):
            self._numbers[frozenset(trial.params.items())].append(trial.number)

    def next(self) -> tuple[int, str] | None:
        """A configuration not tried before; None if none is wanted or left, or all were repeats."""
        for attempt in range(ATTEMPTS_AT_SOMETHING_NEW + 1):
            in_turn = self._space.search.sampler == "grid" or attempt == ATTEMPTS_AT_SOMETHING_NEW
            if not self.wanted or (in_turn and not self._queue_untried()):
                break
            trial = self._study.ask()
            assignment = self._space.suggest(trial)
            twin = self._twin(trial.number, assignment)
            if twin is None:
                self.wanted -= 1
                if (config := self.configuration(trial.number, assignment)) is not None:
                    return trial.number, config
            else:
                self._tell_repeated(trial, twin)
        self.exhausted = self.exhausted or self.wanted > 0
        self.wanted = 0
        return None

    def _queue_untried(self) -> bool:
        """Have a configuration asked next that nobody tried; False where there is none."""
        trials = self._study.get_trials(deepcopy=False)
        if any(trial.state == TrialState.WAITING for trial in trials):
            return True
        if is_finite(self._space):
            tried = (trial.params for trial in trials if "warm_start" not in trial.user_attrs)
            point = untried(self._space, tried)
        else:  # a sampler may repeat a branch of it that is finite
            drawn = draws(self._space, DRAWS, trial_seed(self._space.search.seed, len(trials)))
            point = next((draw for draw in drawn if self._twin(len(trials), draw) is None), None)
        if point is not None:
            self._study.enqueue_trial(point)
        return point is not None

    def was_repeated(self, trial: optuna.Trial, assignment: Mapping[str, Any]) -> bool:
        """Whether a proposal repeats an earlier trial; it is told so. For proposals that a kill cut short."""
        twin = self._twin(trial.number, assignment)
        if twin is None or twin.number > trial.number:
            return False
        self._tell_repeated(trial, twin)
        return True

    def configuration(self, number: int, assignment: Mapping[str, Any]) -> str | None:
        """A proposal as JSON text; None, and the trial told FAIL, where it is no valid configuration."""
        self._numbers[frozenset(assignment.items())].append(number)
        try:
            return self._space.trial_config(assignment).model_dump_json()
        except ConfigError as error:
            self._tell_failed(number, str(error))
            return None

    def _tell_repeated(self, trial: optuna.Trial, twin: FrozenTrial) -> None:
        """Give a repeated configuration the result that is known; it does not count as a trial."""
        trial.set_user_attr("duplicate_of", twin.number)
        if twin.state == TrialState.COMPLETE:
            self._study.tell(trial, twin.values)
        else:
            self._study.tell(trial, state=TrialState.PRUNED)

    def _twin(self, number: int, assignment: Mapping[str, Any]) -> FrozenTrial | None:
        """An earlier trial with the same parameters that did not fail."""
        trials = self._study.get_trials(deepcopy=False)
        for other in (trials[twin] for twin in self._numbers[frozenset(assignment.items())]):
            # A trial of another study is no twin: this one has to measure the configuration itself.
            usable = other.state in _TWINS and {"duplicate_of", "warm_start"}.isdisjoint(other.user_attrs)
            if other.number != number and usable:
                return other
        return None
