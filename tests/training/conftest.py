"""A tiny corpus in memory whose features carry class and dimensions, behind the cache's interface."""

import numpy as np
import pytest
import torch

from serhpo.corpus.folds import Fold
from serhpo.training.config import TrialConfig
from serhpo.training.data import TrainingData

SPEAKERS = ("1F", "1M", "2F", "2M", "3F", "3M")
FOLDS = (
    Fold("a", ("1F", "1M"), ("2F", "2M"), ("3F", "3M")),
    Fold("b", ("2F", "2M"), ("1F", "1M"), ("3F", "3M")),
)


class MemoryStore:
    """The interface of the cache's store over arrays ``[T, C]``."""

    def __init__(self, arrays):
        self.arrays = arrays
        self.channels = arrays[0].shape[1]
        self.lengths = np.array([len(array) for array in arrays], dtype=np.int64)

    def __len__(self):
        return len(self.arrays)

    dtype = np.dtype(np.float32)
    scale = 1.0

    def read(self, rows, start, stop, out):
        out[:] = 0
        for row, begin, end, target in zip(rows, start, stop, out, strict=True):
            target[: end - begin] = self.arrays[row][begin:end]

    def copy(self, index, out, start=0, stop=None):
        part = self.arrays[index][start:stop]
        out[: len(part)] = part
        return len(part)


def make_data(per_speaker=20, seed=0, streams=("mfcc", "mel"), speakers=SPEAKERS, signal=1.0):
    """Features are noise plus ``signal`` times what class and ratings say."""
    generator = np.random.default_rng(seed)
    size = per_speaker * len(speakers)
    labels = np.tile(np.arange(4), -(-size // 4))[:size]
    generator.shuffle(labels)
    centres = np.array([[-0.5, 0.4, 0.4], [0.5, 0.3, 0.1], [0.0, -0.1, 0.0], [-0.4, -0.4, -0.3]])
    dimensions = np.clip(centres[labels] + generator.normal(0, 0.3, (size, 3)), -1, 1).astype(np.float32)
    seconds = generator.uniform(0.4, 1.2, size)
    cues = np.concatenate([np.eye(4)[labels], dimensions], axis=1) * signal
    channels, rates = {"mfcc": 8, "mel": 7, "waveform": 1}, {"mfcc": 100, "mel": 100, "waveform": 16_000}
    stores = {}
    for stream in streams:
        mixing = generator.normal(0, 1, (7, channels[stream]))
        stores[stream] = MemoryStore(
            [
                (generator.normal(0, 1, (round(t * rates[stream]), channels[stream])) + cue @ mixing).astype(
                    np.float32
                )
                for t, cue in zip(seconds, cues, strict=True)
            ]
        )
    return TrainingData(
        stores,
        labels.astype(np.int64),
        dimensions,
        np.repeat(speakers, per_speaker),
        ("angry", "happy", "neutral", "sad"),
    )


def make_config(**changes):
    settings = {
        "streams": ("mfcc", "mel"),
        "model": {
            "width": 16,
            "encoders": {"mfcc": {"depth": 1}, "mel": {"depth": 1}, "waveform": {"depth": 1}},
        },
        "max_seconds": 0.8,
        "epochs": 4,
        "optimiser": {"lr": 5e-3},
    }
    return TrialConfig.model_validate(settings | changes)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def data():
    return make_data()


@pytest.fixture
def folds():
    return FOLDS


@pytest.fixture(name="make_data")
def _make_data():
    return make_data


@pytest.fixture(name="make_config")
def _make_config():
    return make_config


@pytest.fixture(name="memory_store")
def _memory_store():
    return MemoryStore
