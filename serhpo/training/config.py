"""What one trial trains: the schema every search space is validated against."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from serhpo.config import Config
from serhpo.errors import nearest
from serhpo.features import EXTRACTORS, FeatureSettings
from serhpo.model.config import ModelConfig
from serhpo.weighting import FixedWeighting, Weighting


class LossConfig(Config):
    """The classification loss.

    Attributes:
        label_smoothing: Share of the target spread evenly over all classes.
        class_weights: Weigh classes by their inverse frequency among the fold's training speakers.
    """

    label_smoothing: float = Field(0.0, ge=0, lt=1)
    class_weights: bool = True


class OptimiserConfig(Config):
    """AdamW and its schedule.

    Attributes:
        lr: Highest learning rate, reached after a warm-up over the first 5 % of the steps.
        weight_decay: Decoupled weight decay of matrices and kernels; biases and norms have none.
        clip: Largest gradient norm; ``null`` does not clip.
        schedule: After the warm-up: stay, or follow half a cosine down to 1 % over ``epochs``.
    """

    lr: float = Field(2e-3, gt=0, le=1)
    weight_decay: float = Field(1e-2, ge=0, le=1)
    clip: float | None = Field(1.0, gt=0)
    schedule: Literal["constant", "cosine"] = "cosine"


class TrialConfig(Config):
    """One configuration of the joint model and its training.

    Attributes:
        streams: The encoders running side by side, each fed by the extractor of that name.
        features: Settings of the extractors.
        model: Sizes and layout.
        weighting: How the two losses become one.
        loss: The classification loss.
        optimiser: AdamW and its schedule.
        batch_size: Utterances per batch. At least 16, since the CCC of a smaller batch is mostly noise.
        max_seconds: Longer utterances are cut to a random excerpt of this length in training;
            ``null`` trains on whole utterances. Evaluation always hears whole utterances.
        epochs: Epochs of a training that is not stopped early; the schedule's length.
    """

    streams: tuple[str, ...] = Field(("mfcc", "mel"), min_length=1)
    features: FeatureSettings = FeatureSettings()
    model: ModelConfig = ModelConfig()
    weighting: Weighting = FixedWeighting()
    loss: LossConfig = LossConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    batch_size: int = Field(16, ge=16, le=1024)
    max_seconds: float | None = Field(6.0, ge=0.5)
    epochs: int = Field(9, ge=1)

    @field_validator("streams")
    @classmethod
    def _known_and_unique(cls, streams: tuple[str, ...]) -> tuple[str, ...]:
        for stream in streams:
            if stream not in EXTRACTORS:
                known = ", ".join(EXTRACTORS)
                raise ValueError(f"unknown stream `{stream}`.{nearest(stream, EXTRACTORS)} Known: {known}")
        if len(set(streams)) != len(streams):
            raise ValueError("a stream stands twice")
        return tuple(stream for stream in EXTRACTORS if stream in streams)  # equal sets are equal configs
