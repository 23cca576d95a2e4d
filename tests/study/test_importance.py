import numpy as np
from optuna.distributions import FloatDistribution

from serhpo.study.importance import FEWEST, importances
from tests import fakes
from tests.fakes import FakeTrial, make_study


def study_of(path, count, monkeypatch):
    """UA grows with one parameter, CCC falls with another, a third does nothing."""
    for name in ("a", "b", "c"):
        monkeypatch.setitem(fakes.SPACE, name, FloatDistribution(0.0, 1.0))
    rng = np.random.default_rng(0)
    trials = []
    for _ in range(count):
        a, b, c = map(float, rng.random(3))
        trials.append(FakeTrial("COMPLETE", [(0.3 + 0.5 * a**2, 0.6 - 0.5 * b**2)], {"a": a, "b": b, "c": c}))
    return make_study(path, trials, epochs=1, rungs=())


def test_each_objective_finds_its_own_parameter(tmp_path, monkeypatch):
    found = importances(study_of(tmp_path / "s", 80, monkeypatch))

    assert next(iter(found["ua"])) == "a"
    assert next(iter(found["ccc"])) == "b"
    assert found["ua"]["a"] > 0.8
    assert all(abs(sum(shares.values()) - 1) < 1e-6 for shares in found.values())


def test_trials_of_another_study_count_for_nothing(tmp_path, monkeypatch):
    study = study_of(tmp_path / "s", 80, monkeypatch)
    found = importances(study)
    for trial in study.journal.get_trials():
        trial.values = [trial.params["c"], trial.params["c"]]
        trial.user_attrs["warm_start"] = "other"
        study.journal.add_trial(trial)
    assert importances(study) == found
    few = study_of(tmp_path / "few", FEWEST - 1, monkeypatch)
    few.journal.add_trial(trial)
    assert importances(few) == {}


def test_few_trials_give_no_importance(tmp_path, monkeypatch):
    assert importances(study_of(tmp_path / "s", FEWEST - 1, monkeypatch)) == {}
