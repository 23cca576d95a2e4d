"""One trial in a worker process: trains epoch by epoch, checkpoints, reports.

The process is reused for the next trial, so features are opened once. Checkpoints lie in the study's
own folder, not in Tune's: whoever starts a trial again, Tune after a crash or ``serhpo resume`` after
the driver died, finds them by the trial's number.
"""

from __future__ import annotations

import faulthandler
import json
import math
import os
import shutil
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import torch
from ray import tune

from serhpo.cache import FeatureStore
from serhpo.errors import SerhpoError, StorageError
from serhpo.features import Extractor
from serhpo.search.context import HUNG, TrialContext
from serhpo.search.noise import noise_file, write_influences
from serhpo.study.names import CHECKPOINTS
from serhpo.study.store import StudyStore, patiently
from serhpo.training.checkpoint import UnusableCheckpointError
from serhpo.training.config import TrialConfig
from serhpo.training.results import EpochResult
from serhpo.training.trainer import TrialTraining


class TrialTrainable(tune.Trainable):  # type: ignore[misc]
    """Tune's view of a trial; ``config`` is what ``StudySearch.suggest`` returns."""

    def setup(self, config: dict[str, Any], context: TrialContext) -> None:
        """Called once per process."""
        torch.set_num_threads(context.threads)
        self._context = context
        self._stores: dict[Extractor, FeatureStore] = {}
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Called when the process goes on with another trial."""
        self.cleanup()
        self._begin(new_config)
        return True

    def cleanup(self) -> None:
        """Called when the process is done with its trial; where a store has it, its folder here can go."""
        if self._context.store:
            shutil.rmtree(self._folder, ignore_errors=True)
            with suppress(OSError):
                self._folder.parent.rmdir()

    def _begin(self, job: dict[str, Any]) -> None:
        self._job = job
        self._number: int = job["number"]
        self._config = TrialConfig.model_validate_json(job["trial"])
        self._training: TrialTraining | None = None
        self._reported = 0
        self._unsent: list[str] = []  # files and checkpoints of this epoch, for a store

    def step(self) -> dict[str, Any]:
        """One epoch of all folds.

        Returns:
            The epoch's ``EpochResult`` as a mapping with ``trial`` and ``done``. A trial that cannot
            go on returns ``failed`` with the reason: repeating it would only fail again. A worker that
            cannot write its checkpoint returns ``storage_error``.
        """
        self._unsent, store = [], self._context.store
        try:
            if self._training is None and store:
                patiently(partial(store.pull, self._folder, *CHECKPOINTS))
            with time_limit(self._context.epoch_limit_s, self._folder / HUNG):
                row = self._next_epoch()
            if store:
                self._send(store)  # before the driver hears of the epoch
            return row
        except StorageError as error:  # not this trial's fault: the search must stop
            return {"trial": self._number, "storage_error": error, "done": True}
        except torch.AcceleratorError:
            raise  # a broken CUDA context: this process must not take another trial
        except Exception as error:
            with suppress(OSError):  # the traceback is a help, not worth another failure
                (self._folder / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
            if store:
                with suppress(StorageError):
                    for name in ("config.json", "error.txt"):
                        store.upload(self._folder / name, f"trials/{self._number}/{name}")
            reason = error.what if isinstance(error, SerhpoError) else f"{type(error).__name__}: {error}"
            return {"trial": self._number, "failed": reason, "done": True}

    @property
    def _folder(self) -> Path:
        """With a store it is this process' alone.

        Tune starts a process for a trial and gives it to another that is free by then; a machine that
        was cut off may still run a trial that went on elsewhere.
        """
        process = str(os.getpid()) if self._context.store else ""
        return self._context.trials / process / str(self._number)

    def _next_epoch(self) -> dict[str, Any]:
        if self._training is None:
            self._training = self._open_training()
            self._reported = min(self._job["known"], self._training.epoch)
        # A checkpoint may be ahead of the ledger, where a process died in between.
        if self._reported == self._training.epoch:
            self._training.run_epoch()
            _require_finite(self._training.history[-1])
            if self._training.epoch in self._context.noise_at:
                write_influences(self._folder, self._training.epoch, self._training.influences())
                self._unsent.append(noise_file(self._folder, self._training.epoch).name)
            if self._training.best_epoch == self._training.epoch:
                self._training.save(self._folder / "best")
                self._unsent.append("best")
            self._training.save(self._folder / "last")  # last: who finds it finds its best, too
            self._unsent.append("last")
        return self._report(self._training)

    def _open_training(self) -> TrialTraining:
        job = {**self._job, "trial": self._config.model_dump(mode="json"), **self._context.about()}
        try:
            (self._folder / "config.json").write_text(json.dumps(job, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise StorageError.from_os_error(error, self._folder) from error
        self._unsent = ["config.json"]
        training = self._fresh_training()
        # Whatever else goes wrong tells of the disk or of the version, and leaves the checkpoint alone.
        with suppress(UnusableCheckpointError):
            training.load(self._folder / "last")
        return training

    def _fresh_training(self) -> TrialTraining:
        return self._context.training(self._config, self._job["seed"], self._stores)

    def _send(self, store: StudyStore) -> None:
        for name in self._unsent:
            if name in CHECKPOINTS:
                patiently(partial(store.push, self._folder, name))
            else:
                patiently(partial(store.upload, self._folder / name, f"trials/{self._number}/{name}"))

    def _report(self, training: TrialTraining) -> dict[str, Any]:
        result = training.history[self._reported].to_json()
        self._reported += 1
        return {"trial": self._number, **result, "done": self._reported >= self._config.epochs}


def _require_finite(result: EpochResult) -> None:
    """Before the checkpoint, which holds no such number.

    Raises:
        SerhpoError: A figure is not a finite number.
    """
    figures = result.to_json().items()
    if broken := [name for name, value in figures if value is not None and not math.isfinite(value)]:
        raise SerhpoError(f"epoch {result.epoch} is not finite: {', '.join(broken)}")


@contextmanager
def time_limit(seconds: float, path: Path) -> Iterator[None]:
    """End this process where what is inside hangs, be it outside Python; ``path`` then tells where.

    Raises:
        StorageError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        raise StorageError.from_os_error(error, path) from error
    with file:
        faulthandler.dump_traceback_later(seconds, exit=True, file=file)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            path.unlink(missing_ok=True)
