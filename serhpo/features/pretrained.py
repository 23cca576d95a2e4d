"""Hidden states of pretrained speech encoders: Wav2Vec 2.0, HuBERT, and any like them in transformers.

Baevski et al., *wav2vec 2.0*, NeurIPS 2020; Hsu et al., *HuBERT*, TASLP 2021. Utterances go through
the encoder one at a time and never padded: models with a group norm over time, the base sizes among
them, take mean and variance over the padding too. Padding 2 or 3 s to 6 s changed every frame, by 31 to
62 % of its norm, attention mask or not.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from serhpo.corpus.audio import SAMPLE_RATE
from serhpo.errors import ConfigError
from serhpo.features.base import Extractor, Storage, one_thread, true_float32
from serhpo.features.checkpoint import content_digest, find_checkpoint, read_json

if TYPE_CHECKING:
    from serhpo.features.pretrained_model import LoadedModel


class EncoderShape(NamedTuple):
    """What a checkpoint's config says about its hidden states.

    Attributes:
        width: Values per frame and layer.
        layers: Hidden states: the input of the first transformer layer and the output of each.
        stride: Samples between two frames.
        receptive_field: Samples under one frame; a shorter utterance gives none.
        whisper: It hears log-Mel spectrograms of a fixed length, not samples.
    """

    width: int
    layers: int
    stride: int
    receptive_field: int
    whisper: bool = False


class Pretrained(Extractor):
    """Hidden states of a pretrained encoder, of one layer or of all of them.

    ``model`` may be any audio encoder of transformers that reads samples through strided convolutions
    (Wav2Vec 2.0, HuBERT, WavLM, data2vec, UniSpeech …) or Whisper, whose encoder alone is used.

    Attributes:
        model: A folder with a checkpoint (config.json, preprocessor_config.json, safetensors weights),
            or the id of one on the Hugging Face hub.
        revision: Branch, tag or commit on the hub.
        layer: Which hidden state: 0 is the input of the first layer, negative numbers count from the
            end; ``all`` keeps every one, for the model to learn a mix of them, and takes that many times
            the space. The default is not the last, since the top layers of such models turn back to what
            they were trained to predict (Pasad, Chou and Livescu, ASRU 2021).
        bf16: Compute in bfloat16: twice as fast where the processor has it, at an error of about 1 %.
        fine_tune: Train the last so many transformer blocks below ``layer`` together with the joint
            model. The stream then holds samples, and the encoder runs in every step: work for a GPU.
    """

    model: str = Field(min_length=1)
    revision: str | None = None
    layer: Literal["all"] | int = -4
    bf16: bool = False
    fine_tune: int = Field(0, ge=0)

    @property
    def cost(self) -> float:  # type: ignore[override]
        """CPU seconds per second of audio."""
        return Extractor.cost if self.fine_tune else 0.2

    @property
    def on_gpu(self) -> bool:  # type: ignore[override]
        """Whether extraction computes on the GPU where there is one."""
        return not self.fine_tune

    @property
    def storage(self) -> Storage:  # type: ignore[override]
        """Samples are kept as those of the waveform are."""
        return "int16" if self.fine_tune else "float16"

    @property
    def channels(self) -> int:
        """Values per frame: the encoder's width, times the number of hidden states for ``all``."""
        return 1 if self.fine_tune else self._shape().width * self.layers

    @property
    def frames_per_second(self) -> float:
        """Frames per second of audio: 50 for nearly all of them."""
        return SAMPLE_RATE / (1 if self.fine_tune else self._shape().stride)

    @property
    def layers(self) -> int:
        """Hidden states side by side in a frame."""
        return self._shape().layers if self.layer == "all" and not self.fine_tune else 1

    @property
    def identity(self) -> tuple[Any, ...]:
        """The checkpoint's content, not its name, and what is taken of it."""
        if self.fine_tune:
            return "samples", content_digest(self._folder())
        return self._index(), self.bf16, content_digest(self._folder())

    def ensure_available(self) -> None:
        """Find the checkpoint, on the hub if need be, and read its configs.

        Raises:
            ConfigError: It cannot be had, is not a usable one, or has no such layer.
        """
        self._index()
        self._ensure_tunable()

    def open(self, bf16: bool = False) -> tuple[LoadedModel, EncoderShape, int | None]:
        """The encoder, its shape, and the hidden state to take of it (None: all).

        The encoder is shared by all who open it, and not to be changed.

        Raises:
            ConfigError: The checkpoint cannot be loaded or not be used as asked.
        """
        from serhpo.features.pretrained_model import load

        self._ensure_tunable()
        folder = self._folder()
        return load(folder, content_digest(folder), bf16, self._setting()), self._shape(), self._index()

    def extract(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """The hidden states of one utterance, shape ``(frames, channels)``.

        Raises:
            ConfigError: The checkpoint cannot be loaded.
        """
        if self.fine_tune:
            return audio[:, np.newaxis]
        field = self._shape().receptive_field
        audio = np.pad(audio, (0, max(0, field - len(audio))))
        with one_thread(), true_float32():
            model, shape, index = self.open(self.bf16)
            return model.hidden_states(audio, shape, index)

    def _setting(self) -> str:
        return f"features.{self.name}.model"

    def _folder(self) -> Path:
        return find_checkpoint(self.model, self.revision, self._setting())

    def _shape(self) -> EncoderShape:
        folder = self._folder()
        return encoder_shape(read_json(folder / "config.json", self._setting()), self._setting())

    def _index(self) -> int | None:
        """The hidden state to keep, from 0; None for all."""
        if self.layer == "all":
            return None
        layers = self._shape().layers
        if not -layers <= self.layer < layers:
            raise ConfigError(
                f"The pretrained model {self.model} has no such layer",
                where=f"features.{self.name}.layer",
                got=self.layer,
                allowed=f"{-layers} to {layers - 1}, or all",
            )
        return self.layer % layers

    def _ensure_tunable(self) -> None:
        if not self.fine_tune:
            return
        index, shape = self._index(), self._shape()
        blocks = shape.layers - 1 if index is None else index
        if shape.whisper or self.fine_tune > blocks:
            what = "hears no samples" if shape.whisper else f"has {blocks} blocks below the layer taken"
            raise ConfigError(
                f"Cannot fine-tune {self.fine_tune} blocks: the pretrained model {what}",
                where=f"features.{self.name}.fine_tune",
                got=self.fine_tune,
                allowed="0" if shape.whisper else f"0 to {blocks}",
            )


class Wav2Vec2(Pretrained):
    """Wav2Vec 2.0, the base model by default.

    The one that was only pretrained: tuning on transcripts (``…-base-960h``) teaches a model to ignore
    how a word is said, and costs emotion recognition about four points (SpeechBrain's IEMOCAP recipe).
    """

    name: ClassVar[str] = "wav2vec2"
    version: ClassVar[int] = 1

    model: str = Field(default="facebook/wav2vec2-base", min_length=1)


class Hubert(Pretrained):
    """HuBERT, the base model by default, pretrained only."""

    name: ClassVar[str] = "hubert"
    version: ClassVar[int] = 1

    model: str = Field(default="facebook/hubert-base-ls960", min_length=1)


def encoder_shape(config: dict[str, Any], where: str) -> EncoderShape:
    """The shape of an encoder's hidden states from its ``config.json``.

    Raises:
        ConfigError: It is no encoder that reads samples, nor Whisper.
    """
    try:
        if config["model_type"] == "whisper":
            # Two frames of 10 ms each give one of the encoder.
            return EncoderShape(config["d_model"], config["encoder_layers"] + 1, 320, 1, whisper=True)
        if "squeeze_factor" not in config:
            stride, field = 1, 1
            for step, kernel in zip(config["conv_stride"], config["conv_kernel"], strict=True):
                field += (kernel - 1) * stride
                stride *= step
            return EncoderShape(config["hidden_size"], config["num_hidden_layers"] + 1, stride, field)
    except (KeyError, TypeError, ValueError):
        pass
    raise ConfigError(
        "Not a speech encoder whose frames are known",
        where=where,
        got=config.get("model_type", "a config without model_type"),
        allowed="wav2vec2, hubert, wavlm, data2vec-audio, unispeech and others of that build; whisper",
    )
