"""What the trials of a study share, handed to every worker once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serhpo.cache import FeatureStore, RemoteStore, fetch, open_store
from serhpo.corpus.folds import Fold, ProtocolConfig
from serhpo.corpus.table import Corpus
from serhpo.features import Extractor
from serhpo.training.config import TrialConfig

if TYPE_CHECKING:
    from serhpo.study.store import StudyStore
    from serhpo.training.data import TrainingData
    from serhpo.training.trainer import TrialTraining


HUNG = "hung.txt"
"""In a trial's folder: tracebacks of a worker that was ended because an epoch took too long."""


@dataclass(frozen=True)
class TrialContext:
    """What every trial of a study shares.

    Attributes:
        corpus: The corpus' table.
        folds: Speakers of every fold.
        protocol: How they were divided.
        shards: Cache files of every extractor in corpus order.
        trials: Folder that holds one folder a trial.
        threads: CPU threads of a trial.
        epoch_limit_s: Seconds an epoch may take.
        device: Where trials train: ``cpu``, or ``cuda`` where trials were given GPUs.
        noise_at: Epochs at which a trial leaves how noisy its figures are.
        remote: Where a machine that lacks cache files gets them.
        store: Where a trial's checkpoints are kept; without it in ``trials``, which all machines share.
    """

    corpus: Corpus
    folds: tuple[Fold, ...]
    protocol: ProtocolConfig
    shards: Mapping[Extractor, tuple[Path, ...]]
    trials: Path
    threads: int
    epoch_limit_s: float
    device: str
    noise_at: tuple[int, ...] = ()
    remote: RemoteStore | None = None
    store: StudyStore | None = None

    def about(self) -> dict[str, Any]:
        """What it takes besides configuration and seed to repeat a trial's numbers, as JSON data."""
        return {
            "corpus": str(self.corpus.root),
            "corpus_digest": self.corpus.digest,
            "reading": self.corpus.settings.model_dump(mode="json"),
            "protocol": self.protocol.model_dump(mode="json"),
            "threads": self.threads,
            "device": self.device,
        }

    def training(
        self, config: TrialConfig, seed: int, stores: dict[Extractor, FeatureStore]
    ) -> TrialTraining:
        """The training of a configuration at its start; opens features that ``stores`` does not hold yet."""
        from serhpo.training.trainer import TrialTraining

        return TrialTraining(config, self.data(config, stores), self.folds, seed, self.device)

    def data(self, config: TrialConfig, stores: dict[Extractor, FeatureStore]) -> TrainingData:
        """The training data of a configuration; opens what ``stores`` does not hold yet."""
        from serhpo.training.data import from_corpus  # only workers train; the driver starts without torch

        def store(extractor: Extractor) -> FeatureStore:
            if extractor not in stores:
                if self.remote is not None:
                    fetch(self.shards[extractor], self.remote)
                stores[extractor] = open_store(self.shards[extractor])
            return stores[extractor]

        wanted = {stream: config.features[stream] for stream in config.streams}
        copies = {stream: config.augmentation.copies(extractor) for stream, extractor in wanted.items()}
        return from_corpus(
            self.corpus,
            {stream: store(extractor) for stream, extractor in wanted.items()},
            [
                {s: store(e) for s, e in zip(copies, copy, strict=True)}
                for copy in zip(*copies.values(), strict=True)
            ],
        )
