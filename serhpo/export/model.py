"""The exported model: every fold's network of one trial, answering together for recordings of any kind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import ModelHubMixin, snapshot_download
from numpy.typing import NDArray
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from serhpo.cache.shard import SCALE, encode
from serhpo.config import Config, parse, read_yaml
from serhpo.corpus.audio import read_audio
from serhpo.corpus.table import DIMENSIONS
from serhpo.errors import ConfigError, StorageError
from serhpo.model.attended import Attended, attended, mean
from serhpo.model.joint import JointOutput
from serhpo.training.config import TrialConfig
from serhpo.training.data import in_range
from serhpo.training.networks import fold_networks

FORMAT = 2
WEIGHTS, SETTINGS, CARD, GRAPH = "model.safetensors", "config.json", "README.md", "model.onnx"


class ModelSettings(Config):
    """``config.json`` of an exported model.

    Attributes:
        format: Of the folder.
        serhpo: Version that wrote it.
        trial: Model, features and training of the trial.
        classes: Emotion classes, in the order of the network's outputs.
        dimensions: Range of the corpus' ratings, in whose unit predictions are given.
        rated: Those of valence, arousal and dominance that every network was trained for; of the others
            nothing is said. Folders of format 1 do not tell and say all three.
        folds: Speakers that each network was *not* trained on but chosen by.
        origin: Study, trial, epoch, corpus and protocol, for the record.
    """

    format: int = FORMAT
    serhpo: str
    trial: TrialConfig
    classes: tuple[str, ...]
    dimensions: tuple[float, float] | None
    rated: tuple[str, ...] = DIMENSIONS
    folds: tuple[tuple[str, ...], ...]
    origin: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class Prediction:
    """What the model says about one recording.

    Attributes:
        audio: The recording.
        emotion: The likeliest class.
        probabilities: Of every class; the mean over the folds' networks.
        ratings: Valence, arousal and dominance, as far as rated in the corpus the model was trained on, in
            its unit and not clipped to its range.
    """

    audio: str
    emotion: str
    probabilities: dict[str, float]
    ratings: dict[str, float]


class EmotionModel(ModelHubMixin):  # type: ignore[misc, unused-ignore]
    """The networks of a trial's folds, side by side; their answers are averaged.

    Each was trained without its own validation speakers, so no network but that fold's can be compared
    with validation figures. ``from_pretrained``, ``save_pretrained`` and ``push_to_hub`` are
    huggingface_hub's.

    Args:
        settings: What the networks are.
        tensors: Weights and normalisation as ``folds.<i>.<name>``.
        card: Text of the model card.

    Raises:
        ConfigError: The tensors are not those of the settings.
    """

    def __init__(self, settings: ModelSettings, tensors: dict[str, Tensor], card: str = "") -> None:
        self.settings, self.card = settings, card
        self._rated = [index for index, name in enumerate(DIMENSIONS) if name in settings.rated]
        folds, classes = len(settings.folds), len(settings.classes)
        self._networks = fold_networks(settings.trial, classes, folds, tensors)

    def predict(self, audio: Path | str) -> Prediction:
        """Emotion and ratings of one recording of any sample rate and number of channels.

        Raises:
            AudioError: It cannot be read.
        """
        return self._prediction(audio, self._answers(read_audio(Path(audio))))

    def explain(self, audio: Path | str) -> tuple[Prediction, Attended]:
        """Like :meth:`predict`, and where the networks looked, on average over them.

        Raises:
            AudioError: It cannot be read.
        """
        answers = self._answers(read_audio(Path(audio)), explain=True)
        looks = [attended(answer.explanation) for answer in answers if answer.explanation is not None]
        return self._prediction(audio, answers), mean(looks)

    def _prediction(self, audio: Path | str, answers: Sequence[JointOutput]) -> Prediction:
        log_probabilities, dimensions = self._side_by_side(answers)
        probabilities = log_probabilities.exp().mean(dim=0).tolist()
        ratings = {}
        if self.settings.dimensions is not None:
            low, high = self.settings.dimensions
            middle = in_range(dimensions.mean(dim=0), low, high)
            ratings = dict(zip((DIMENSIONS[index] for index in self._rated), middle.tolist(), strict=True))
        by_class = dict(zip(self.settings.classes, probabilities, strict=True))
        return Prediction(str(audio), max(by_class, key=by_class.__getitem__), by_class, ratings)

    def outputs(
        self, audio: Path, start: float | None = None, end: float | None = None
    ) -> tuple[Tensor, Tensor]:
        """What each fold's network says about a recording, or a part of it in seconds.

        Returns:
            Log-probabilities ``[F, K]``, and the rated ones of valence, arousal, dominance ``[F, D]`` with
            the corpus' range as −1 … 1.

        Raises:
            AudioError: It cannot be read.
        """
        return self._side_by_side(self._answers(read_audio(audio, start, end)))

    def _side_by_side(self, answers: Sequence[JointOutput]) -> tuple[Tensor, Tensor]:
        """Log-probabilities ``[F, K]`` and rated dimensions ``[F, D]`` of all networks."""
        logits = torch.cat([answer.logits for answer in answers])
        dimensions = torch.cat([answer.dimensions for answer in answers])
        return logits.log_softmax(dim=1), dimensions[:, self._rated]

    @torch.inference_mode()
    def _answers(self, samples: NDArray[np.float32], explain: bool = False) -> list[JointOutput]:
        """What each fold's network says about 16 kHz samples."""
        batch, lengths = {}, {}
        for stream in self.settings.trial.streams:
            extractor = self.settings.trial.features[stream]
            stored = encode(extractor.extract(samples), extractor.storage)  # as the model was trained on
            frames = stored.astype(np.float32) * SCALE[extractor.storage]
            batch[stream] = torch.from_numpy(frames)[None]
            lengths[stream] = torch.tensor([len(frames)])
        return [network(batch, lengths, explain) for network in self._networks]

    def write_onnx(self, path: Path) -> None:
        """Write all networks as one ONNX graph, and compare its answers with torch's.

        Raises:
            ConfigError: A package of ``serhpo[onnx]`` is missing, the model has a part that ONNX cannot take,
                or the graph answers differently.
            StorageError: The file cannot be written.
        """
        from serhpo.export.onnx import Graph, require_onnx, write_graph

        require_onnx(self.settings.trial)
        scale = self.settings.dimensions or (-1.0, 1.0)
        write_graph(Graph(self._networks, self.settings.trial, scale, self._rated), path)

    def _save_pretrained(self, save_directory: Path) -> None:
        tensors = {
            f"folds.{index}.{name}": tensor.contiguous()
            for index, network in enumerate(self._networks)
            for name, tensor in network.state_dict().items()
        }
        try:
            save_file(tensors, save_directory / WEIGHTS)
            text = json.dumps(self.settings.model_dump(mode="json", by_alias=True), indent=2)
            (save_directory / SETTINGS).write_text(text + "\n", encoding="utf-8")
            if self.card:
                (save_directory / CARD).write_text(self.card, encoding="utf-8")
            shutil.copymode(save_directory / SETTINGS, save_directory / WEIGHTS)  # else the owner's alone
        except OSError as error:
            raise StorageError.from_os_error(error, save_directory) from error

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **options: Any) -> EmotionModel:
        folder = Path(model_id)
        if not folder.is_dir():
            wanted = {name: options.get(name) for name in ("revision", "cache_dir", "token")}
            local = bool(options.get("local_files_only"))
            files = [WEIGHTS, SETTINGS, CARD]
            folder = Path(snapshot_download(model_id, allow_patterns=files, local_files_only=local, **wanted))
        data = read_yaml(folder / SETTINGS)
        if data.get("format", 0) > FORMAT:
            raise ConfigError(
                "The model was exported by a newer serhpo",
                where=folder / SETTINGS,
                got=f"format {data['format']}",
                allowed=f"{FORMAT} or older",
                hint="upgrade serhpo",
            )
        # Saved again, it is of this format.
        settings = parse(ModelSettings, {**data, "format": FORMAT}, folder / SETTINGS)
        try:
            tensors = load_file(folder / WEIGHTS)
        except (OSError, SafetensorError) as error:
            raise ConfigError(f"The weights cannot be read: {error}", where=folder / WEIGHTS) from error
        card = folder / CARD
        return cls(settings, tensors, card.read_text(encoding="utf-8") if card.is_file() else "")
