"""What one trial trains: the schema every search space is validated against."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, field_validator

from serhpo.config import Config
from serhpo.errors import nearest
from serhpo.features import EXTRACTORS, Altered, Extractor, FeatureSettings
from serhpo.model.config import ModelConfig
from serhpo.weighting import FixedWeighting, Weighting


class LossConfig(Config):
    """The two losses.

    Attributes:
        label_smoothing: Share of the target spread evenly over all classes.
        class_weights: Weigh classes by their inverse frequency among the fold's training speakers.
        focal_gamma: Exponent of the focal loss, which counts less what is already recognised; 0 is plain
            cross-entropy.
        soft_labels: Train on the share of raters behind each class where the corpus tells it, instead of
            on the label that won. What is measured is always the label.
        dimensions: Loss of valence, arousal and dominance: 1 − CCC, or mean squared or absolute error.
    """

    label_smoothing: float = Field(0.0, ge=0, lt=1)
    class_weights: bool = True
    focal_gamma: float = Field(0.0, ge=0, le=10)
    soft_labels: bool = False
    dimensions: Literal["ccc", "mse", "mae"] = "ccc"


WARM_UP = 0.05
"""Share of the steps over which the learning rate rises."""

RISE = 0.3
"""The same, with ``one_cycle``."""


class OptimiserConfig(Config):
    """AdamW and its schedule.

    Attributes:
        lr: Highest learning rate, reached after a warm-up over the first 5 % of the steps.
        weight_decay: Decoupled weight decay of matrices and kernels; biases and norms have none.
        clip: Largest gradient norm; ``null`` does not clip.
        schedule: After the warm-up: stay, or follow half a cosine down to 1 % over ``epochs``. Or
            ``one_cycle``: up over the first 30 % of the steps from a 25th, and down to next to nothing,
            both by half a cosine (Smith & Topin 2019, with PyTorch's figures).
        pretrained_share: Learning rate of fine-tuned blocks of a pretrained encoder, as a share of
            ``lr``; a tenth is that of SpeechBrain's recipe for IEMOCAP. Without such blocks it is inert.
    """

    lr: float = Field(2e-3, gt=0, le=1)
    weight_decay: float = Field(1e-2, ge=0, le=1)
    clip: float | None = Field(1.0, gt=0)
    schedule: Literal["constant", "cosine", "one_cycle"] = "cosine"
    pretrained_share: float = Field(0.1, gt=0, le=1)

    def peak_epoch(self, epochs: int) -> int:
        """The epoch, of so many, in which the learning rate is at its highest for the first time."""
        return max(1, math.ceil((RISE if self.schedule == "one_cycle" else WARM_UP) * epochs))


class Augmentation(Config):
    """What training utterances go through, freshly drawn every epoch; nothing of it in validation.

    Attributes:
        time_masks: Stretches of every stream that are set to its mean (SpecAugment: Park et al.,
            Interspeech 2019).
        channel_masks: Bands of the Mel spectrogram that are.
        mask_share: Longest mask, as a share of an utterance's frames or of the channels.
        mixup: α of the Beta distribution from which utterances of a batch are blended, features, classes
            and ratings alike (Zhang et al., ICLR 2018); 0 blends none.
        speed: Copies of the recordings this much slower and faster take part; 0 = none.
        noise_snr: A copy with white noise takes part, at this many to 10 more decibels; ``null`` = none.
    """

    time_masks: int = Field(0, ge=0, le=4)
    channel_masks: int = Field(0, ge=0, le=4)
    mask_share: float = Field(0.1, gt=0, le=0.5)
    mixup: float = Field(0.0, ge=0, le=2)
    speed: float = Field(0.0, ge=0, le=0.3)
    noise_snr: float | None = Field(None, ge=0, le=60)

    def copies(self, extractor: Extractor) -> tuple[Extractor, ...]:
        """The same features of every altered copy of the recordings."""
        speeds = (1 - self.speed, 1 + self.speed) if self.speed else ()
        noisy = () if self.noise_snr is None else (Altered(of=extractor, noise_snr=self.noise_snr),)
        return (*(Altered(of=extractor, speed=speed) for speed in speeds), *noisy)


class TrialConfig(Config):
    """One configuration of the joint model and its training.

    Attributes:
        streams: The encoders running side by side, each fed by the extractor of that name.
        features: Settings of the extractors.
        model: Sizes and layout.
        weighting: How the two losses become one.
        loss: The two losses.
        optimiser: AdamW and its schedule.
        batch_size: Utterances per batch. At least 16, since the CCC of a smaller batch is mostly noise.
        max_seconds: Longer utterances are cut to a random excerpt of this length in training;
            ``null`` trains on whole utterances. Evaluation always hears whole utterances.
        augmentation: What training utterances go through; validation hears what was recorded.
        precision: ``bf16`` computes the network, not losses and metrics, in bfloat16: faster on GPUs and on
            processors with AMX, slower elsewhere. ``auto`` looks. ``fp32`` is float32, not TF32, on GPUs too.
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
    augmentation: Augmentation = Augmentation()
    precision: Literal["fp32", "bf16", "auto"] = "fp32"
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
