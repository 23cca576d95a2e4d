"""Pareto-ranked ASHA as a Ray Tune scheduler: asks the rungs at every report, stops who is cut."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from serhpo.errors import SerhpoError
from serhpo.search.record import objective_values
from serhpo.search.rungs import Rungs


class ParetoASHA(FIFOScheduler):  # type: ignore[misc]
    """Stops a trial that falls out of the kept fraction of its rung on all objectives together.

    Trials are known by their number in the study, not by Tune's id, so a trial that Tune starts again
    after its process died stands at its rungs once.
    """

    # A buffered result would reach the rung after the epochs that should have been saved.
    _supports_buffered_results = False

    def __init__(self, rungs: Rungs, errors: dict[int, str] | None = None) -> None:
        super().__init__()
        self._rungs = rungs
        self._errors = {} if errors is None else errors

    def __reduce__(self) -> tuple[Any, ...]:
        return FIFOScheduler, ()  # for Tune's snapshot, which nobody reads

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Refuse a single metric: this scheduler ranks on the study's objectives.

        Raises:
            SerhpoError: ``TuneConfig`` names a metric.
        """
        if metric or mode:
            raise SerhpoError(
                "ParetoASHA takes its objectives from the study; leave TuneConfig's metric unset"
            )
        return True

    def on_trial_result(self, tune_controller: Any, trial: Any, result: Mapping[str, Any]) -> str:
        """Decide on a trial that reported an epoch."""
        values = objective_values(result, self._rungs.objectives)
        decision = self._rungs.report(result["trial"], result["epoch"], values)
        stop = decision is not None and not decision.keep
        return str(TrialScheduler.STOP if stop else TrialScheduler.CONTINUE)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Keep what went wrong for the bridge, which is told of the failure next but not of its cause."""
        if "number" in trial.config:
            # Not `get_error`, which knows what was last synced to Tune's storage: mostly nothing yet.
            file = trial.error_file and Path(trial.error_file)
            self._errors[trial.config["number"]] = file.read_text() if file and file.exists() else ""

    def debug_string(self) -> str:
        """One line for Tune's own status."""
        return "Pareto-ranked ASHA"
