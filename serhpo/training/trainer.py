"""One trial: its folds advance together, epoch by epoch, and yield one result an epoch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from serhpo.config import parse
from serhpo.corpus.folds import Fold
from serhpo.errors import StudyError
from serhpo.training.checkpoint import (
    UnusableCheckpointError,
    predictions_as_tensors,
    predictions_from,
    read_checkpoint,
    write_checkpoint,
)
from serhpo.training.config import TrialConfig
from serhpo.training.data import TrainingData
from serhpo.training.device import seed_of
from serhpo.training.fold import FoldTraining
from serhpo.training.results import EpochResult, Predictions, influences, measure


class TrialTraining:
    """The training of one configuration on all its folds.

    The folds run one after another in this process. Same seed, same machine and same number of
    threads give the same numbers, whatever the global random generators are at.

    Args:
        config: The trial.
        data: The corpus with its features.
        folds: Each gets its own model.
        seed: The trial's seed.
        device: Where to train.

    Raises:
        CorpusError: A fold lacks labels or ratings.

    Attributes:
        epoch: Epochs done.
        history: Their results.
    """

    def __init__(
        self,
        config: TrialConfig,
        data: TrainingData,
        folds: Sequence[Fold],
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        self.epoch = 0
        self.history: list[EpochResult] = []
        self._config, self._data, self._seed = config, data, seed
        self._folds = [
            FoldTraining(config, data, fold, index, seed, torch.device(device))
            for index, fold in enumerate(folds)
        ]
        self._predictions: Predictions | None = None

    def run_epoch(self) -> EpochResult:
        """Train every fold for one epoch and measure the pooled validation predictions.

        Raises:
            NonFiniteError: The training of a fold diverged; this object cannot be used any further.
        """
        start = time.perf_counter()
        epoch = self.epoch + 1
        losses = [fold.train_epoch(epoch) for fold in self._folds]
        self._predictions = Predictions.pool([fold.predict() for fold in self._folds])
        figures: dict[str, Any] = measure(self._predictions, self._data, seed_of(self._seed, "bootstrap"))
        result = EpochResult(
            epoch=epoch,
            **figures,
            loss_class=float(np.mean([loss.class_loss for loss in losses])),
            loss_dimension=float(np.mean([loss.dimension_loss for loss in losses])),
            weight_class=float(np.mean([loss.class_weight for loss in losses])),
            weight_dimension=float(np.mean([loss.dimension_weight for loss in losses])),
            seconds=time.perf_counter() - start,
            parameters=self._folds[0].parameters,
        )
        self.epoch = epoch
        self.history.append(result)
        return result

    def predictions(self) -> Predictions:
        """Pooled validation predictions of the last epoch.

        Raises:
            RuntimeError: No epoch has been run.
        """
        if self._predictions is None:
            raise RuntimeError("run an epoch first")
        return self._predictions

    def influences(self) -> dict[str, npt.NDArray[np.float64]]:
        """Of the last epoch's predictions, see :func:`serhpo.training.results.influences`."""
        return influences(self.predictions(), self._data)

    @property
    def best_epoch(self) -> int:
        """The first epoch with the highest (UA + CCC)/2; 0 before the first epoch."""
        return max(self.history, key=lambda result: result.score).epoch if self.history else 0

    def save(self, folder: Path) -> None:
        """Write a checkpoint that :meth:`load` continues from bit for bit.

        Raises:
            StorageError: It cannot be written; one that was there is intact.
        """
        tensors = {
            f"folds.{index}.{name}": tensor
            for index, fold in enumerate(self._folds)
            for name, tensor in fold.tensors().items()
        }
        if self._predictions is not None:
            tensors |= predictions_as_tensors(self._predictions)
        state = {
            **self._identity(),
            "epoch": self.epoch,
            "history": [result.to_json() for result in self.history],
            "folds": [fold.state() for fold in self._folds],
        }
        write_checkpoint(folder, state, tensors)

    def load(self, folder: Path) -> None:
        """Go on from a checkpoint of the same configuration, folds and seed.

        Raises:
            UnusableCheckpointError: It is missing, damaged, or of another configuration or seed; this
                object is as it was.
            StudyError: It is of other folds, or this version cannot go on from it.
            ConfigError: It holds settings that this version does not know.
            StorageError: It cannot be read now.
        """
        state, tensors = read_checkpoint(folder)
        # Parsed, so that a setting newer than the checkpoint has its default there.
        state["config"] = parse(TrialConfig, state.get("config", {}), folder).model_dump(mode="json")
        for name, mine in self._identity().items():
            if state.get(name) != mine:
                kind = UnusableCheckpointError if name in ("config", "seed") else StudyError
                raise kind(
                    f"The checkpoint is of another {name}", where=folder, got=state.get(name), allowed=mine
                )
        for index, fold in enumerate(self._folds):
            prefix = f"folds.{index}."
            own = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
            try:
                fold.restore(own, state["folds"][index])
            except (RuntimeError, KeyError) as error:  # torch names every tensor that is missing or too many
                raise StudyError(
                    "The checkpoint holds another model than this version of serhpo builds",
                    where=folder,
                    got=str(error).splitlines()[0],
                    hint="go on with the version that made it, or train the configuration anew",
                ) from error
        self.epoch = state["epoch"]
        self.history = [EpochResult.from_json(result) for result in state["history"]]
        self._predictions = predictions_from(tensors)

    def _identity(self) -> dict[str, Any]:
        return {
            "config": self._config.model_dump(mode="json"),
            "seed": self._seed,
            "speakers": [
                {"train": list(part.fold.train), "validation": list(part.fold.validation)}
                for part in self._folds
            ],
            "classes": list(self._data.classes),
        }
