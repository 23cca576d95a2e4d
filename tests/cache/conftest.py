"""A small corpus of real WAV files, and an extractor cheap enough to be run a hundred times."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from serhpo.cache import planning
from serhpo.corpus.table import Corpus, LabelScheme
from serhpo.features import Extractor

CorpusMaker = Callable[..., Corpus]


class Pairs(Extractor):
    """Neighbouring samples as frames of two; notes in ``calls`` how often it ran."""

    name: ClassVar[str] = "pairs"
    version: ClassVar[int] = 1
    calls: ClassVar[list[int]] = []

    scale: float = 1.0

    @property
    def channels(self) -> int:
        return 2

    @property
    def frames_per_second(self) -> float:
        return 8000.0

    def extract(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        self.calls.append(len(audio))
        return np.float32(self.scale) * audio[: len(audio) // 2 * 2].reshape(-1, 2)


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> Pairs:
    monkeypatch.setattr(Pairs, "calls", [])
    return Pairs()


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> int:
    """Shards of two utterances, so that a small corpus has several."""
    monkeypatch.setattr(planning, "UTTERANCES_PER_SHARD", 2)
    return 2


def write_wav(path: Path, samples: int, seed: int) -> NDArray[np.int16]:
    """Write noise and return it."""
    values = np.random.default_rng(seed).integers(-(2**15), 2**15, samples).astype(np.int16)
    soundfile.write(path, values, 16_000, subtype="PCM_16")
    return values


@pytest.fixture
def make_corpus(tmp_path: Path) -> CorpusMaker:
    """Number of utterances to a corpus of them; utterance i has 1000 + 10 i samples."""

    def make(utterances: int, folder: Path = tmp_path / "corpus") -> Corpus:
        folder.mkdir(exist_ok=True)
        rows = []
        for i in range(utterances):
            write_wav(folder / f"{i}.wav", 1000 + 10 * i, seed=i)
            row = {"utt_id": f"u{i}", "audio": str(folder / f"{i}.wav"), "corpus": "test"}
            rows.append({**row, "speaker": "1F", "group": "1", "source": f"labels.txt:{i + 1}"})
        return Corpus.from_rows("test", folder, rows, LabelScheme())

    return make
