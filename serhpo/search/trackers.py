"""Experiment trackers: every epoch told to TensorBoard, MLflow or W&B while a search runs.

The callbacks are Ray's own. They are fed from what enters the ledger rather than from Tune's trials, whose
folder is scratch, whose names are random and whose parameters are one JSON text: so a trial has our number
and the space's parameters, an epoch that a restarted worker repeats is told once, and the logs stay in
the study's folder.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serhpo.errors import ConfigError, unknown_name
from serhpo.study import Study, TrialRecord

if TYPE_CHECKING:
    from ray.tune.logger import LoggerCallback

    from serhpo.search.estimate import Remaining
    from serhpo.search.listener import Listener

LOGS = "logs"
"""Folder in a study that holds what the trackers write."""


def _tensorboard(folder: Path, study: Study) -> LoggerCallback:
    from ray.tune.logger import TBXLoggerCallback

    return TBXLoggerCallback()


def _mlflow(folder: Path, study: Study) -> LoggerCallback:
    import mlflow
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    class Resuming(MLflowLoggerCallback):  # type: ignore[misc]
        """Goes on with the run that a trial has already; Ray's own begins another one."""

        def log_trial_start(self, trial: Any) -> None:
            client, same = mlflow.MlflowClient(uri), {**tags, "trial_name": str(trial)}
            wanted = " and ".join(f"tags.{key} = '{value}'" for key, value in same.items())
            if found := client.search_runs([self.mlflow_util.experiment_id], wanted, max_results=1):
                self._trial_runs[trial] = found[0].info.run_id
                client.update_run(found[0].info.run_id, status="RUNNING")
            super().log_trial_start(trial)

    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # a folder is all that a single user needs
    uri = os.environ.get("MLFLOW_TRACKING_URI") or folder.as_uri()
    tags = {"study_created": study.settings.created}  # another study of this name is another one
    return Resuming(tracking_uri=uri, experiment_name=study.name, tags=tags)


def _wandb(folder: Path, study: Study) -> LoggerCallback:
    from ray.air.integrations.wandb import WandbLoggerCallback

    project = os.environ.get("WANDB_PROJECT") or "serhpo"
    return WandbLoggerCallback(project=project, group=study.name, dir=str(folder), resume="allow")


TRACKERS: dict[str, tuple[str, Callable[[Path, Study], LoggerCallback]]] = {
    "tensorboard": ("tensorboardX", _tensorboard),
    "mlflow": ("mlflow", _mlflow),
    "wandb": ("wandb", _wandb),
}
"""Module that must be there and what makes Ray's callback, by name; also the names of the extras."""


def require(names: Sequence[str]) -> None:
    """Make sure that these trackers can be used.

    Raises:
        UsageError: One is unknown; lists those there are.
        ConfigError: Its package is not installed; names the extra.
    """
    for name in names:
        if name not in TRACKERS:
            raise unknown_name("tracker", name, TRACKERS)
        if importlib.util.find_spec(TRACKERS[name][0]) is None:
            raise ConfigError(
                f"Logging to {name} needs a package that is not installed",
                where="--log-to",
                got=name,
                hint=f"pip install 'serhpo[{name}]'",
            )


class Tracked:
    """A :class:`~serhpo.search.listener.Listener` that tells trackers, and passes everything on to another.

    A tracker that fails, a server that is gone, is told of and used no more: the search goes on.

    Args:
        names: Of :data:`TRACKERS`.
        study: The study that runs.
        listener: Whom to pass everything on to.
    """

    def __init__(self, names: Sequence[str], study: Study, listener: Listener) -> None:
        self._names, self._study, self._listener = tuple(dict.fromkeys(names)), study, listener
        self._callbacks: dict[str, LoggerCallback] = {}
        self._trials: dict[str, dict[int, _Trial]] = {}

    def started(self, trials: int, continued: int, at_once: int) -> None:
        """Trials are about to start.

        Raises:
            ConfigError: A tracker cannot be used: no key, no server.
        """
        for name in self._names:
            folder = self._study.path / LOGS / name
            try:
                folder.mkdir(parents=True, exist_ok=True)
                callback = TRACKERS[name][1](folder, self._study)
                callback.setup()
            except Exception as error:
                raise ConfigError(f"Cannot log to {name}: {error}", where="--log-to", got=name) from error
            self._callbacks[name], self._trials[name] = callback, {}
        self._listener.started(trials, continued, at_once)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """A trial finished an epoch."""
        figures = {
            key: value
            for key, value in row.items()
            if isinstance(value, int | float) and key not in ("trial", "epoch")
        }
        result = {**figures, "training_iteration": row["epoch"]}

        def tell(name: str, callback: LoggerCallback) -> None:
            trial = self._trial(name, row["trial"], callback)
            callback.log_trial_result(row["epoch"], trial, result)

        self._each(tell)
        self._listener.epoch(row)

    def ended(self, trial: TrialRecord) -> None:
        """A trial ended."""

        def tell(name: str, callback: LoggerCallback) -> None:
            if (open_trial := self._trials[name].pop(trial.number, None)) is not None:
                callback.log_trial_end(open_trial, failed=trial.state == "FAIL")

        self._each(tell)
        self._listener.ended(trial)

    def finished(self) -> None:
        """No trial trains any more."""

        def tell(name: str, callback: LoggerCallback) -> None:
            for trial in self._trials[name].values():
                callback.log_trial_end(trial)
            callback.on_experiment_end([])

        self._each(tell)
        self._callbacks.clear()
        self._listener.finished()

    def remaining(self, left: Remaining) -> None:
        """How long the search will still take."""
        self._listener.remaining(left)

    def phase(self, text: str) -> None:
        """Something other than a trial begins."""
        self._listener.phase(text)

    def _trial(self, name: str, number: int, callback: LoggerCallback) -> _Trial:
        known = self._trials[name]
        if number not in known:
            params = next(trial.params for trial in self._study.trials() if trial.number == number)
            known[number] = _Trial(self._study, number, params, self._study.path / LOGS / name)
            callback.log_trial_start(known[number])
        return known[number]

    def _each(self, tell: Callable[[str, LoggerCallback], None]) -> None:
        for name, callback in list(self._callbacks.items()):
            try:
                tell(name, callback)
            except Exception as error:
                del self._callbacks[name]
                self.phase(f"logging to {name} ends here, the search goes on: {error}")


class _Trial:
    """What Ray's callbacks ask of a trial of Tune's."""

    def __init__(self, study: Study, number: int, params: Mapping[str, Any], folder: Path) -> None:
        self._name = f"trial-{number}"
        made = re.sub(r"\D", "", study.settings.created.partition("+")[0])  # another study may get this name
        self.trial_id = re.sub(r"[^\w.-]", "-", f"{study.name}-{made}-{number}")
        self.experiment_dir_name = study.name
        self.config = self.evaluated_params = dict(params)
        self._folder = folder / self._name

    def __str__(self) -> str:
        return self._name

    @property
    def local_path(self) -> str:
        """Its folder, made when it is asked for: MLflow wants none, and takes any for an experiment."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return str(self._folder)

    def init_local_path(self) -> None:
        """Nothing: :attr:`local_path` does it."""
