import math
import pickle
from types import SimpleNamespace

import pytest
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from serhpo.errors import SerhpoError
from serhpo.pareto import standard_objectives
from serhpo.search.rungs import Rungs
from serhpo.search.scheduler import ParetoASHA
from serhpo.search.settings import SearchSettings


@pytest.fixture
def scheduler() -> ParetoASHA:
    return ParetoASHA(Rungs(standard_objectives(4), SearchSettings(epochs=9)))


def report(
    scheduler: ParetoASHA, number: int, epoch: int, ua: float, ccc: float, trial: object = None
) -> str:
    result = {"trial": number, "epoch": epoch, "ua": ua, "ccc": ccc, "training_iteration": 77, "done": False}
    return scheduler.on_trial_result(None, trial, result)


def test_who_falls_out_at_a_rung_is_stopped(scheduler):
    assert report(scheduler, 0, 1, 0.5, 0.3) == TrialScheduler.CONTINUE
    assert report(scheduler, 1, 1, 0.4, 0.2) == TrialScheduler.STOP
    assert report(scheduler, 2, 1, 0.3, 0.9) == TrialScheduler.CONTINUE  # best in the other objective
    assert report(scheduler, 3, 1, 0.6, 0.95) == TrialScheduler.CONTINUE
    assert report(scheduler, 4, 1, math.nan, 0.9) == TrialScheduler.STOP


def test_between_rungs_everybody_goes_on(scheduler):
    for number in range(4):
        for epoch in (2, 4, 5, 8):
            assert report(scheduler, number, epoch, -number, -number) == TrialScheduler.CONTINUE


def test_the_rung_goes_by_epochs_trained_not_by_reports(scheduler):
    # Tune counts reports; a trial that was continued has reported less often than it has trained.
    report(scheduler, 0, 3, 0.5, 0.5)
    assert report(scheduler, 1, 3, 0.4, 0.4) == TrialScheduler.STOP


def test_a_trial_started_again_by_tune_stands_at_its_rung_once(scheduler):
    first = SimpleNamespace(trial_id="a")
    again = SimpleNamespace(trial_id="b")
    assert report(scheduler, 0, 1, 0.5, 0.5, first) == TrialScheduler.CONTINUE
    assert report(scheduler, 0, 1, 0.1, 0.1, again) == TrialScheduler.CONTINUE
    assert report(scheduler, 1, 1, 0.4, 0.4, first) == TrialScheduler.STOP
    assert report(scheduler, 1, 1, 0.9, 0.9, again) == TrialScheduler.STOP
    assert scheduler._rungs.report(0, 1, (0, 0)).recorded == 1


def test_a_missing_objective_ranks_last_instead_of_breaking_the_search(scheduler):
    assert scheduler.on_trial_result(None, None, {"trial": 0, "epoch": 1, "ua": 0.9}) == TrialScheduler.STOP
    assert (
        scheduler.on_trial_result(None, None, {"trial": 0, "epoch": 2, "ua": 0.9}) == TrialScheduler.CONTINUE
    )


def test_every_other_event_is_survived_in_any_order_and_number(scheduler):
    trial = Trial("x", stub=True)
    for _ in range(2):
        scheduler.on_trial_remove(None, trial)
        scheduler.on_trial_add(None, trial)
        scheduler.on_trial_error(None, trial)
        scheduler.on_trial_complete(None, trial, {"trial": 0, "failed": "reason", "done": True})
    assert report(scheduler, 0, 1, 0.5, 0.5) == TrialScheduler.CONTINUE


def test_the_cause_of_an_error_is_known_before_tune_has_synced_anything(tmp_path):
    errors = {}
    scheduler = ParetoASHA(Rungs(standard_objectives(4), SearchSettings()), errors)
    (tmp_path / "error.txt").write_text("Failure # 1\nThe actor died because its node has died.\n")
    trial = SimpleNamespace(
        config={"number": 7}, error_file=str(tmp_path / "error.txt"), get_error=lambda: None
    )
    scheduler.on_trial_error(None, trial)
    assert "its node has died" in errors[7]


def test_a_single_metric_is_refused(scheduler):
    assert scheduler.set_search_properties(None, None)
    for metric, mode in (("ua", "max"), ("ua", None), (None, "max")):
        with pytest.raises(SerhpoError, match="TuneConfig"):
            scheduler.set_search_properties(metric, mode)


def test_tune_knows_neither_a_metric_nor_buffered_results_of_it(scheduler):
    assert scheduler.metric is None
    assert not scheduler.supports_buffered_results
    assert isinstance(scheduler.debug_string(), str)


def test_a_scheduler_in_a_snapshot_is_none_of_ours():
    noise = lambda trial, other, rung: None  # noqa: E731  (what cannot be pickled)
    scheduler = ParetoASHA(Rungs(standard_objectives(4), SearchSettings(), noise))
    assert type(pickle.loads(pickle.dumps(scheduler))) is FIFOScheduler


def test_tune_accepts_the_result_of_a_trial_that_has_no_metrics(scheduler, drive):
    controller = SimpleNamespace(_metric=None, _scheduler_alg=scheduler, _search_alg=drive().search)
    for result in (
        {"trial": 0, "failed": "A prediction is not finite", "done": True, "training_iteration": 2},
        {"trial": 0, "storage_error": object(), "done": True, "training_iteration": 2},
        {"trial": 0, "epoch": 1, "ua": 0.5, "ccc": 0.1, "done": False, "training_iteration": 1},
    ):
        TuneController._validate_result_metrics(controller, result)
