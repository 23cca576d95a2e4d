"""What TensorBoard, MLflow and W&B are told while a search runs, and where it lies."""

import pytest

from serhpo.errors import ConfigError, UsageError
from serhpo.search import trackers
from serhpo.search.trackers import TRACKERS, Tracked, require
from tests.fakes import make_study


class Recorder:
    """A listener that remembers."""

    def __init__(self):
        self.heard = []

    def __getattr__(self, name):
        return lambda *told: self.heard.append((name, *told))


@pytest.fixture
def study(tmp_path):
    return make_study(tmp_path / "demo")


@pytest.fixture
def listener():
    return Recorder()


def run(names, study, listener):
    """Two epochs of trial 0, which is complete, one of trial 4, which failed, one of 5, which is cut off."""
    tracked = Tracked(names, study, listener)
    tracked.started(3, 0, 2)
    for number, epoch in ((0, 1), (4, 1), (0, 2), (5, 1)):
        row = {
            "trial": number,
            "epoch": epoch,
            "ua": 0.1 * epoch + number,
            "ccc": 0.2,
            "host": "a",
            "x": None,
        }
        tracked.epoch(row)
    tracked.ended(study.trials()[0])
    tracked.ended(study.trials()[4])
    tracked.finished()
    return tracked


def test_everything_is_passed_on(study, listener):
    tracked = run([], study, listener)
    tracked.remaining("soon")
    tracked.phase("next")
    kinds = [name for name, *_ in listener.heard]
    assert kinds == ["started", *["epoch"] * 4, "ended", "ended", "finished", "remaining", "phase"]
    assert not (study.path / "logs").exists()


def test_tensorboard_has_a_run_for_every_trial(study, listener):
    loading = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="serhpo[tensorboard]"
    )
    run(["tensorboard"], study, listener)
    folder = study.path / "logs" / "tensorboard"
    assert sorted(path.name for path in folder.iterdir()) == ["trial-0", "trial-4", "trial-5"]
    events = loading.EventAccumulator(str(folder / "trial-0"))
    events.Reload()
    assert {"ray/tune/ua", "ray/tune/ccc"} <= set(events.Tags()["scalars"])
    told = [(event.step, round(event.value, 5)) for event in events.Scalars("ray/tune/ua")]
    assert told == [(1, 0.1), (2, 0.2)]
    assert "_hparams_/session_start_info" in events.summary_metadata  # its parameters


def test_mlflow_has_a_run_for_every_trial(study, listener, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="serhpo[mlflow]")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run(["mlflow"], study, listener)
    client = mlflow.tracking.MlflowClient((study.path / "logs" / "mlflow").as_uri())
    experiment = client.get_experiment_by_name("demo")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"trial-0", "trial-4", "trial-5"}
    assert runs["trial-0"].data.params == {"streams": "mel", "model.width": "16"}
    history = client.get_metric_history(runs["trial-0"].info.run_id, "ua")
    assert [(metric.step, metric.value) for metric in history] == [(1, 0.1), (2, 0.2)]
    states = {name: run.info.status for name, run in runs.items()}
    assert states == {"trial-0": "FINISHED", "trial-4": "FAILED", "trial-5": "FINISHED"}


def test_a_server_of_one_s_own_is_used(study, listener, monkeypatch, tmp_path):
    pytest.importorskip("mlflow", reason="serhpo[mlflow]")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mine").as_uri())
    run(["mlflow"], study, listener)
    assert (tmp_path / "mine").is_dir()
    assert not list((study.path / "logs" / "mlflow").iterdir())


def test_mlflow_goes_on_with_the_run_of_a_resumed_trial(study, listener, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="serhpo[mlflow]")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run(["mlflow"], study, listener)
    tracked = Tracked(["mlflow"], study, listener)
    tracked.started(1, 1, 1)
    tracked.epoch({"trial": 5, "epoch": 2, "ua": 0.7, "ccc": 0.3})
    client = mlflow.tracking.MlflowClient((study.path / "logs" / "mlflow").as_uri())
    (experiment,) = [one.experiment_id for one in client.search_experiments() if one.name == "demo"]
    runs = [one for one in client.search_runs([experiment]) if one.info.run_name == "trial-5"]
    assert [one.info.status for one in runs] == ["RUNNING"]
    told = client.get_metric_history(runs[0].info.run_id, "ua")
    assert [(metric.step, metric.value) for metric in told] == [(1, 5.1), (2, 0.7)]
    tracked.finished()
    assert client.get_run(runs[0].info.run_id).info.status == "FINISHED"
    assert not [told for told in listener.heard if told[0] == "phase"]  # nothing broke


def test_wandb_is_told_project_group_and_a_name_that_resumes(study, monkeypatch):
    told = {}
    from ray.air.integrations import wandb

    monkeypatch.setattr(wandb, "WandbLoggerCallback", lambda **options: told.update(options))
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    TRACKERS["wandb"][1](study.path / "logs" / "wandb", study)
    folder = str(study.path / "logs" / "wandb")
    assert told == {"project": "serhpo", "group": "demo", "dir": folder, "resume": "allow"}


class Callback:
    """As Ray's: what a trial looks like to it."""

    def __init__(self, breaks_at=None):
        self.told, self.breaks_at = [], breaks_at

    def setup(self):
        if self.breaks_at == "setup":
            raise ValueError("no API key")

    def log_trial_start(self, trial):
        self.told.append(("start", str(trial), trial.trial_id, trial.config, trial.experiment_dir_name))

    def log_trial_result(self, iteration, trial, result):
        if self.breaks_at == iteration:
            raise OSError("the server is gone")
        self.told.append((iteration, str(trial), result))

    def log_trial_end(self, trial, failed=False):
        self.told.append(("end", str(trial), failed))

    def on_experiment_end(self, trials):
        self.told.append("over")


@pytest.fixture
def use(monkeypatch):
    def use(callback):
        monkeypatch.setitem(TRACKERS, "wandb", ("sys", lambda folder, study: callback))
        return callback

    return use


def test_a_trial_has_our_number_and_the_parameters_of_the_space(study, listener, use):
    callback = use(Callback())
    run(["wandb", "wandb"], study, listener)
    params = {"streams": "mel", "model.width": 16}
    made = "".join(c for c in study.settings.created[:19] if c.isdigit())  # another study may be called demo
    assert callback.told[:2] == [
        ("start", "trial-0", f"demo-{made}-0", params, "demo"),
        (1, "trial-0", {"ua": 0.1, "ccc": 0.2, "training_iteration": 1}),
    ]
    ends = [told for told in callback.told if told[0] == "end"]
    assert ends == [("end", "trial-0", False), ("end", "trial-4", True), ("end", "trial-5", False)]
    assert callback.told[-1] == "over"
    assert sum(told == "over" for told in callback.told) == 1


def test_a_tracker_that_breaks_does_not_end_the_search(study, listener, use):
    callback = use(Callback(breaks_at=2))
    run(["wandb"], study, listener)
    (line,) = [told[1] for told in listener.heard if told[0] == "phase"]
    assert line == "logging to wandb ends here, the search goes on: the server is gone"
    assert "over" not in callback.told
    assert len([told for told in listener.heard if told[0] == "epoch"]) == 4


def test_a_tracker_that_cannot_start_is_one_clear_error(study, listener, use):
    use(Callback(breaks_at="setup"))
    with pytest.raises(ConfigError, match="Cannot log to wandb: no API key"):
        Tracked(["wandb"], study, listener).started(1, 0, 1)


def test_unknown_and_missing_trackers_are_named_before_anything_starts(monkeypatch):
    with pytest.raises(UsageError, match="Unknown tracker `tensorbord`") as caught:
        require(["tensorbord"])
    assert "tensorboard" in caught.value.hint
    monkeypatch.setattr(trackers.importlib.util, "find_spec", lambda name: None)
    for name in TRACKERS:
        with pytest.raises(ConfigError) as missing:
            require([name])
        assert f"pip install 'serhpo[{name}]'" in missing.value.hint


def test_every_tracker_is_an_extra():
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert set(TRACKERS) <= set(project["optional-dependencies"])
