"""One trial as a user would write it, for the peers of ``search_end_to_end.py``.

Reads the recordings, computes the features it needs, trains in random batches, and says after each epoch how
good the model is. Model, losses, optimiser, folds, extractors (torchaudio with librosa's settings) and what
is measured are serhpo's, so that a peer differs from it in its search and in how data gets to the model, and
in nothing else. Run as a script it is the entry point that Syne Tune starts for every trial.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serhpo.config import read_yaml
from serhpo.corpus import read_corpus
from serhpo.corpus.audio import read_audio
from serhpo.corpus.table import Corpus
from serhpo.features import Extractor
from serhpo.search.prepare import Plan, make_plan
from serhpo.search.space import load_space_data


def read_plan(space: str, corpus: str) -> Plan:
    """Space, corpus and folds, as ``serhpo search`` takes them."""
    return make_plan(load_space_data(read_yaml(Path(space)), space), space, read_corpus(Path(corpus)))


class InMemory:
    """Features of every utterance, an array each: serhpo.training.data.Store."""

    scale, dtype = 1.0, np.dtype(np.float32)

    def __init__(self, values: list[np.ndarray]) -> None:
        self.values = values
        self.lengths = np.array([len(frames) for frames in values], dtype=np.int64)
        self.channels = values[0].shape[1]

    def __len__(self) -> int:
        return len(self.values)

    def read(self, rows: np.ndarray, start: np.ndarray, stop: np.ndarray, out: np.ndarray) -> None:
        out[:] = 0
        for target, row, low, high in zip(out, rows, start, stop, strict=True):
            target[: high - low] = self.values[row][low:high]

    def copy(self, index: int, out: np.ndarray, start: int = 0, stop: int | None = None) -> int:
        frames = self.values[index][start:stop]
        out[: len(frames)] = frames
        return len(frames)


def extracted(extractor: Extractor, corpus: Corpus) -> InMemory:
    """A stream of a whole corpus, computed now."""
    columns = (corpus.column(name) for name in ("audio", "start", "end"))
    spans = zip(*columns, strict=True)
    return InMemory([extractor.extract(read_audio(Path(audio), start, end)) for audio, start, end in spans])


def random_batches(
    rows: np.ndarray, seconds: np.ndarray, size: int, generator: np.random.Generator
) -> list[np.ndarray]:
    """``DataLoader(shuffle=True)``; a last batch of fewer than four is dropped, as the CCC needs some."""
    order = generator.permutation(rows)
    batches = [order[first : first + size] for first in range(0, len(order), size)]
    return [batch for batch in batches if len(batch) >= 4]


def batches_in_order(rows: np.ndarray, seconds: np.ndarray, size: int = 32) -> list[np.ndarray]:
    """``DataLoader(shuffle=False)``."""
    return [rows[first : first + size] for first in range(0, len(rows), size)]


def train(plan: Plan, assignment: Mapping[str, Any], seed: int) -> Iterator[dict[str, float]]:
    """UA and CCC after every epoch; the line of a trial that came to its end is in the file by then."""
    from serhpo.training import fold
    from serhpo.training.data import from_corpus
    from serhpo.training.trainer import TrialTraining

    fold.training_batches, fold.evaluation_batches = random_batches, batches_in_order
    config = plan.space.trial_config(assignment)
    wanted = {stream: config.features[stream] for stream in config.streams}
    copies = {stream: config.augmentation.copies(extractor) for stream, extractor in wanted.items()}
    stores = {stream: extracted(extractor, plan.corpus) for stream, extractor in wanted.items()}
    altered = [
        {stream: extracted(extractor, plan.corpus) for stream, extractor in zip(copies, copy, strict=True)}
        for copy in zip(*copies.values(), strict=True)
    ]
    training = TrialTraining(config, from_corpus(plan.corpus, stores, altered), plan.folds, seed)
    for _ in range(config.epochs):
        result = training.run_epoch()
        if training.epoch == config.epochs:
            write_finished([{"ua": past.ua, "ccc": past.ccc} for past in training.history])
        yield {"epoch": result.epoch, "ua": result.ua, "ccc": result.ccc}


def write_finished(history: Sequence[Mapping[str, float]]) -> None:
    """A line for a fully trained trial: when, and the values of its best epoch, as serhpo counts them."""
    best = max(history, key=lambda epoch: epoch["ua"] + epoch["ccc"])
    line = json.dumps({"at": time.time(), "ua": best["ua"], "ccc": best["ccc"]}) + "\n"
    with Path(os.environ["END_TO_END_OUT"]).open("a") as file:  # one write of a short line is never torn
        file.write(line)


def main() -> None:
    from syne_tune import Reporter

    options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=False))
    job = json.loads(Path(options["--st_config_json_filename"]).read_text())
    plan = read_plan(job.pop("space"), job.pop("corpus"))
    assignment: dict[str, Any] = {}
    for name in plan.space.order:  # a parameter without meaning under the others was drawn for nothing
        if plan.space.parameters[name].exists(assignment):
            value = job[name]
            assignment[name] = json.loads(value) if isinstance(value, str) else value
    report = Reporter()
    for result in train(plan, assignment, job["seed"]):
        report(**result)


if __name__ == "__main__":
    main()
