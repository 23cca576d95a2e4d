"""One fold of a trial: its own model, optimiser, statistics and balance of losses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from serhpo.corpus.folds import Fold
from serhpo.errors import CorpusError, SerhpoError
from serhpo.features.base import true_float32
from serhpo.losses import DIMENSION_LOSSES, classification_loss
from serhpo.model.joint import JointModel, JointOutput, StreamInput
from serhpo.training import augmentation, normalisation
from serhpo.training.batches import Batch, BatchReader, evaluation_batches, training_batches
from serhpo.training.config import TrialConfig
from serhpo.training.data import TrainingData
from serhpo.training.device import half_precision, random_numbers_from, seed_of
from serhpo.training.optimiser import Stepper
from serhpo.training.resident import on_device
from serhpo.training.results import Predictions
from serhpo.training.statistics import class_means, class_weights
from serhpo.weighting import build_weighting


class NonFiniteError(SerhpoError):
    """A loss, gradient or prediction is no longer a finite number: the configuration diverged."""


@dataclass(frozen=True)
class Losses:
    """Mean training losses of one epoch and the weights they were combined with."""

    class_loss: float
    dimension_loss: float
    class_weight: float
    dimension_weight: float


class FoldTraining:
    """Trains one model on a fold's training speakers and predicts its validation speakers.

    Nothing random is carried from one epoch to the next: every epoch's order, excerpts and dropout
    come from (seed, fold, epoch). A resumed training therefore continues bit for bit, and the folds of
    a trial do not depend on which others run beside them.

    Args:
        config: The trial.
        data: The corpus.
        fold: Its speakers.
        index: Its place among the trial's folds.
        seed: The trial's seed.
        device: Where to train.

    Raises:
        CorpusError: No labelled or no rated utterance among the training or validation speakers.
    """

    def __init__(
        self,
        config: TrialConfig,
        data: TrainingData,
        fold: Fold,
        index: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self.fold = fold
        self._config, self._index, self._device = config, index, device
        self._seed = seed_of(seed, "fold", fold.name)
        self._train, self._validation = data.rows(fold.train), data.rows(fold.validation)
        for part, rows in (("training", self._train), ("validation", self._validation)):
            _require_labels(data, rows, f"the {part} speakers of fold `{fold.name}`")
        stores = {stream: data.stores[stream] for stream in config.streams}
        rates = {stream: config.features[stream].frames_per_second for stream in config.streams}
        self._reader = BatchReader(
            stores, rates, device, data.copies, on_device((stores, *data.copies), device)
        )
        self._evaluation = evaluation_batches(self._validation, self._reader.seconds(self._validation))
        self._targets = torch.from_numpy(data.targets(config.loss.soft_labels))
        self._dimensions = torch.from_numpy(data.dimensions)

        classes = len(data.classes)
        with random_numbers_from(seed_of(self._seed, "weights"), device):
            self._model = JointModel(
                config.model,
                {
                    stream: StreamInput.of(config.features[stream], store.channels)
                    for stream, store in stores.items()
                },
                classes,
            )
        self._means: dict[str, Tensor] = {}
        for stream in config.streams:
            mean, std = normalisation.fit(data, stream, fold.train).mean_and_std()
            self._means[stream] = torch.from_numpy(mean).to(device)
            self._model.set_normalisation(stream, torch.from_numpy(mean), torch.from_numpy(std))
        labels, dimensions = data.labels[self._train], data.dimensions[self._train]
        self._class_weights = torch.from_numpy(class_weights(labels, classes))
        self._class_means = torch.from_numpy(class_means(labels, dimensions, classes))
        self._model.to(device)
        batches = len(self._batches(np.random.default_rng(0)))
        self._balancer = build_weighting(config.weighting)
        beside = {f"weighting.{name}": value for name, value in self._balancer.parameters().items()}
        pretrained = self._model.pretrained_parameters()
        self._stepper = Stepper(self._model, config.optimiser, batches * config.epochs, beside, pretrained)
        self._half = half_precision(config.precision, device)

    @property
    def parameters(self) -> int:
        """Trainable weights of the model."""
        return self._model.size

    def train_epoch(self, epoch: int) -> Losses:
        """One pass over the training speakers; ``epoch`` counts from 1.

        Raises:
            NonFiniteError: The training diverged.
        """
        seed = seed_of(self._seed, "epoch", epoch)
        generator = np.random.default_rng(seed)
        sums, counts, weights = np.zeros(2), np.zeros(2), []
        self._model.train()
        with random_numbers_from(seed, self._device), true_float32():
            batches = self._batches(generator)
            for batch in self._reader.excerpts(batches, self._config.max_seconds, generator):
                losses, sizes = self._step(batch, epoch)
                sums += np.array(losses) * sizes
                counts += sizes
                weights.append(list(self._balancer.weights().values()))
        class_loss, dimension_loss = (sums / np.maximum(counts, 1)).tolist()
        self._balancer.end_epoch(class_loss, dimension_loss)
        class_weight, dimension_weight = np.mean(weights, axis=0).tolist()
        return Losses(class_loss, dimension_loss, class_weight, dimension_weight)

    def predict(self, rows: np.ndarray[Any, np.dtype[np.int64]] | None = None) -> Predictions:
        """Predictions for utterances, each heard whole, in corpus order.

        Args:
            rows: Which ones; None for those of the validation speakers.

        Raises:
            NonFiniteError: The training diverged.
        """
        self._model.eval()
        batches, outputs = self._evaluation, []
        if rows is not None:
            batches = evaluation_batches(rows, self._reader.seconds(rows))
        with torch.no_grad(), true_float32():
            for batch in self._reader.whole(batches):
                output = self._forward(batch)
                outputs.append((output.logits.log_softmax(dim=1).cpu(), output.dimensions.cpu()))
        rows = np.concatenate(batches)
        order = np.argsort(rows)
        logs, ratings = (torch.cat(parts).numpy()[order] for parts in zip(*outputs, strict=True))
        if not (np.isfinite(logs).all() and np.isfinite(ratings).all()):
            raise NonFiniteError("A prediction is not finite", where=f"fold {self.fold.name}")
        return Predictions(rows[order], np.full(len(rows), self._index, dtype=np.int64), logs, ratings)

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of the training: weights, normalisation, statistics, optimiser."""
        return {
            "class_weights": self._class_weights,
            "class_means": self._class_means,
            **{f"model.{name}": tensor for name, tensor in self._model.state_dict().items()},
            **{f"optimiser.{name}": tensor for name, tensor in self._stepper.tensors().items()},
        }

    def state(self) -> dict[str, Any]:
        """What else :meth:`restore` needs, as JSON values."""
        return {
            "fold": self.fold.name,
            "steps": self._stepper.steps,
            "weighting": self._balancer.state_dict(),
        }

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`tensors` and :meth:`state` gave."""
        self._class_weights = tensors["class_weights"]
        self._class_means = tensors["class_means"]
        self._model.load_state_dict(_below(tensors, "model."))
        self._stepper.restore(_below(tensors, "optimiser."), state["steps"])
        self._balancer.load_state_dict(state["weighting"])

    def _batches(self, generator: np.random.Generator) -> list[np.ndarray[Any, np.dtype[np.int64]]]:
        seconds = self._reader.seconds(self._train)
        if self._config.max_seconds is not None:
            seconds = np.minimum(seconds, self._config.max_seconds)
        return training_batches(self._train, seconds, self._config.batch_size, generator)

    def _forward(self, batch: Batch) -> JointOutput:
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._half):
            output: JointOutput = self._model(batch.features, batch.lengths)
        return output

    def _augmented(self, batch: Batch, targets: Tensor, ratings: Tensor) -> tuple[Batch, Tensor, Tensor]:
        """What is trained on instead of a batch."""
        config, features = self._config.augmentation, batch.features
        if config.mixup:
            blend = augmentation.Blend(len(batch.rows), config.mixup)
            features = {name: blend.frames(x, batch.lengths[name]) for name, x in features.items()}
            targets, ratings = blend.targets(targets), blend.targets(ratings)
        features = augmentation.mask(features, batch.lengths, self._means, config)
        return replace(batch, features=features), targets, ratings

    def _step(self, batch: Batch, epoch: int) -> tuple[tuple[float, float], tuple[int, int]]:
        """One gradient step; the two losses and over how many utterances each was taken."""
        rows = torch.from_numpy(batch.rows)
        batch, targets, ratings = self._augmented(batch, self._targets[rows], self._dimensions[rows])
        sizes = tuple(int((~torch.isnan(part)).any(dim=1).sum()) for part in (targets, ratings))
        output = self._forward(batch)
        loss_config = self._config.loss
        class_loss = classification_loss(
            output.logits,
            targets.to(self._device),
            self._class_weights.to(self._device) if loss_config.class_weights else None,
            loss_config.label_smoothing,
            loss_config.focal_gamma,
        )
        dimension_loss = DIMENSION_LOSSES[loss_config.dimensions](output.dimensions, ratings.to(self._device))
        shared = tuple(self._model.shared_parameters())
        loss = self._balancer.combine(class_loss, dimension_loss, shared)
        norm = self._stepper.step(loss)
        if not (math.isfinite(norm) and math.isfinite(loss.item())):
            what = "gradient" if math.isfinite(loss.item()) else "loss"
            raise NonFiniteError(
                f"The {what} is not finite",
                where=f"fold {self.fold.name}, epoch {epoch}",
                hint="a lower learning rate or gradient clipping",
            )
        return (class_loss.item(), dimension_loss.item()), (sizes[0], sizes[1])


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _require_labels(data: TrainingData, rows: np.ndarray[Any, np.dtype[np.int64]], who: str) -> None:
    labelled = bool((data.labels[rows] >= 0).any())
    rated = not bool(np.isnan(data.dimensions[rows]).all())
    if not (labelled and rated):
        missing = "rating" if labelled else "class label"
        raise CorpusError(
            f"No utterance of {who} has a {missing}", hint="a search needs both, to train and to measure"
        )
