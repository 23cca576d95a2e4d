"""Which parameters decide: their importance for each objective, by Optuna's own evaluator."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

if TYPE_CHECKING:
    from serhpo.study.folder import Study

FEWEST = 20
"""Complete trials below which importance would be noise: PED-ANOVA wants five above its quantile."""

QUANTILE = 0.25
"""What counts as good: the best quarter, so that :data:`FEWEST` trials give the five it wants."""


def importances(study: Study) -> dict[str, dict[str, float]]:
    """Share of every parameter in reaching the best quarter of the complete trials, by objective.

    Trials of another study, and repeated ones, count for nothing. PED-ANOVA (Watanabe, Bansal & Hutter,
    IJCAI 2023), which covers parameters that only some trials have.

    Returns:
        ``{metric: {parameter: share}}``, largest first; shares add up to 1. Empty with fewer than
        :data:`FEWEST` complete trials.
    """
    ours = {trial.number for trial in study.trials()}
    complete = study.journal.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    trials = [trial for trial in complete if trial.number in ours]
    if len(trials) < FEWEST:
        return {}
    counted = optuna.create_study(directions=study.journal.directions)
    counted.add_trials(trials)
    result = {}
    for index, objective in enumerate(study.objectives):
        sign = -1.0 if objective.direction == "maximise" else 1.0  # the evaluator takes less for better

        def target(trial: FrozenTrial, index: int = index, sign: float = sign) -> float:
            return sign * float(trial.values[index])

        evaluator = PedAnovaImportanceEvaluator(target_quantile=QUANTILE)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that less is taken for better: we know
            found = get_param_importances(counted, evaluator=evaluator, target=target)
        result[objective.metric] = {name: float(share) for name, share in found.items()}
    return result
