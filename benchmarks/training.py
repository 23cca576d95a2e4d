"""What an epoch of training costs: serhpo against the plain PyTorch recipe, and where a step's time goes.

    python benchmarks/training.py [--utterances 1200] [--rounds 3] [--quick] [--json]

The same model, losses, optimiser, batch size, utterances and cached features. Plain is what a user would
write: every utterance a tensor in memory, ``DataLoader`` with shuffling, ``pad_sequence`` to the longest of
a random batch, fp32, PyTorch's default threads. Ours is a fold of a trial: batches of like length out of
the cache, ``precision: auto``, as many threads as the trial has cores (two). Features are random numbers of
IEMOCAP's lengths, since only time is measured here. Both train whole utterances. Rounds are interleaved,
one epoch each; ratios are taken within a round, of CPU time and of wall time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # as the search's workers have it; spares the plain recipe too

import numpy as np
import torch
from cache import draw_frames, draw_lengths
from cache_contestants import Serhpo
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

from serhpo.cache import open_store
from serhpo.corpus.folds import Fold
from serhpo.losses import ccc_loss, classification_loss
from serhpo.model.joint import JointModel, StreamInput
from serhpo.training.config import TrialConfig
from serhpo.training.data import TrainingData
from serhpo.training.fold import FoldTraining

GOAL, GOAL_DATA = 3.0, 0.05
CPU = torch.device("cpu")
CHANNELS = {"mfcc": 40, "short_term": 68, "mel": 64}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "MFCC": {"streams": ["mfcc"]},
    "MFCC + log-Mel, self-attention": {"streams": ["mfcc", "mel"], "model": {"self_attention": 1}},
    "MFCC + short-term + log-Mel, co-attention": {
        "streams": ["mfcc", "short_term", "mel"],
        "model": {"self_attention": 1, "co_attention": "cross"},
    },
}


def make_data(folder: Path, utterances: int) -> TrainingData:
    """Random features of every stream, in serhpo's own cache files."""
    lengths = draw_lengths(utterances, 100)
    for stream, channels in CHANNELS.items():
        (folder / stream).mkdir()
        Serhpo().write(draw_frames(lengths, channels), folder / stream)
    return open_data(folder, utterances)


def open_data(folder: Path, utterances: int) -> TrainingData:
    """What :func:`make_data` has written there."""
    stores = {stream: open_store(sorted((folder / stream).glob("*.arrow"))) for stream in CHANNELS}
    return with_targets(stores, utterances)


def with_targets(stores: dict[str, Any], utterances: int) -> TrainingData:
    """Features with random classes and ratings; one speaker trains with nineteen in twenty of them."""
    generator = np.random.default_rng(0)
    ratings = generator.uniform(-1, 1, (utterances, 3)).astype(np.float32)
    speakers = np.where(np.arange(utterances) % 20, "1F", "1M")
    return TrainingData(stores, generator.integers(0, 4, utterances), ratings, speakers, ("a", "b", "c", "d"))


class Ours(FoldTraining):
    """A fold of a trial that takes the time of its parts."""

    def __init__(self, config: TrialConfig, data: TrainingData, device: torch.device = CPU) -> None:
        fold = Fold("one", ("1F",), ("1M",), ())
        super().__init__(config, data, fold, 0, 0, device)
        self.spent = {"data": 0.0, "forward": 0.0, "step": 0.0}
        self.epochs = 0
        read, step = self._reader.excerpts, self._stepper.step

        def timed_batches(*args: Any) -> Iterator[Any]:
            batches = read(*args)
            while (batch := self._timed("data", next, batches, None)) is not None:
                yield batch

        self._reader.excerpts = timed_batches  # type: ignore[method-assign]
        self._stepper.step = lambda loss: self._timed("step", step, loss)  # type: ignore[method-assign]

    def epoch(self) -> None:
        """One pass over the training speaker's utterances."""
        self.epochs += 1
        self.train_epoch(self.epochs)

    def _forward(self, batch: Any) -> Any:
        return self._timed("forward", super()._forward, batch)

    def _timed(self, part: str, function: Any, *args: Any) -> Any:
        start = time.perf_counter()
        result = function(*args)
        self.spent[part] += time.perf_counter() - start
        return result


def finish(device: torch.device) -> None:
    """Wait until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def epoch_seconds(work: Ours, device: torch.device, rounds: int) -> list[float]:
    """Of so many epochs after a first one that warms up."""
    work.epoch()
    times = []
    for _ in range(rounds):
        finish(device)
        start = time.perf_counter()
        work.epoch()
        finish(device)
        times.append(time.perf_counter() - start)
    return times


class Plain:
    """The plain recipe, on the rows that ours trains on."""

    def __init__(self, config: TrialConfig, data: TrainingData) -> None:
        self.model = JointModel(config.model, {s: StreamInput(CHANNELS[s]) for s in config.streams}, 4)
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=config.optimiser.lr)
        self.items = []
        for row in data.rows(["1F"]).tolist():
            features = {}
            for stream in config.streams:
                store = data.stores[stream]
                values = np.empty((int(store.lengths[row]), store.channels), np.float32)
                store.copy(row, values)
                features[stream] = torch.from_numpy(values)
            self.items.append((features, int(data.labels[row]), torch.from_numpy(data.dimensions[row])))
        self.loader = DataLoader(self.items, config.batch_size, shuffle=True, collate_fn=self.collate)

    @staticmethod
    def collate(items: list[Any]) -> tuple[dict[str, Any], dict[str, Any], Any, Any]:
        """Pad to the longest."""
        features, lengths = {}, {}
        for stream in items[0][0]:
            parts = [item[0][stream] for item in items]
            features[stream] = pad_sequence(parts, batch_first=True)
            lengths[stream] = torch.tensor([len(part) for part in parts])
        labels = torch.nn.functional.one_hot(torch.tensor([item[1] for item in items]), 4)
        return features, lengths, labels, torch.stack([item[2] for item in items])

    def epoch(self) -> None:
        """One pass."""
        self.model.train()
        for features, lengths, labels, ratings in self.loader:
            output = self.model(features, lengths)
            loss = (classification_loss(output.logits, labels) + ccc_loss(output.dimensions, ratings)) / 2
            self.optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimiser.step()


def clocked(work: Ours | Plain) -> dict[str, float]:
    """CPU and wall seconds of one epoch."""
    wall, cpu = time.perf_counter(), time.process_time()
    work.epoch()
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


def measure(settings: dict[str, Any], data: TrainingData, rounds: int) -> dict[str, Any]:
    common = {"batch_size": 32, "max_seconds": None, "precision": "auto", "epochs": rounds + 1}
    config = TrialConfig.model_validate(settings | common)
    ours, plain = Ours(config, data), Plain(config, data)
    torch.set_num_threads(os.cpu_count() or 1)  # PyTorch's default, and what a trial alone here would have
    figures: dict[str, list[dict[str, float]]] = {"ours": [], "plain": []}
    ours.epoch()
    ours.spent = dict.fromkeys(ours.spent, 0.0)
    for _ in range(rounds):
        figures["ours"].append(clocked(ours))
        figures["plain"].append(clocked(plain))
    total = sum(figure["wall"] for figure in figures["ours"])
    parts = {part: seconds / total for part, seconds in ours.spent.items()}
    return {**figures, "parts": parts | {"rest": 1 - sum(parts.values())}}


def shown(values: list[float], form: str) -> str:
    """Median and range."""
    middle, low, high = (format(v, form) for v in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({low}–{high})"


def print_table(results: dict[str, Any], judged: bool) -> None:
    print(f"{'':44}{'ours, CPU s':>18}{'plain, CPU s':>20}{'ratio, CPU':>18}{'ratio, wall':>18}")
    medians = []
    for name, result in results.items():
        pairs = list(zip(result["ours"], result["plain"], strict=True))
        ratios = {kind: [plain[kind] / ours[kind] for ours, plain in pairs] for kind in ("cpu", "wall")}
        medians.append(statistics.median(ratios["cpu"]))
        print(
            f"{name:44}{shown([ours['cpu'] for ours, _ in pairs], '.1f'):>18}"
            f"{shown([plain['cpu'] for _, plain in pairs], '.1f'):>20}"
            f"{shown(ratios['cpu'], '.1f'):>18}{shown(ratios['wall'], '.1f'):>18}"
        )
    print("\nshares of an epoch of ours, by the clock")
    for name, result in results.items():
        print(f"{name:44}" + "".join(f"{part:>10} {100 * s:4.1f} %" for part, s in result["parts"].items()))
    if judged:
        data = max(result["parts"]["data"] for result in results.values())
        print(
            f"\ngoal {GOAL:g}×: {'met' if min(medians) >= GOAL else 'MISSED'}, {min(medians):.1f}× at least"
        )
        print(f"goal data {GOAL_DATA:.0%}: {'met' if data <= GOAL_DATA else 'MISSED'}, {data:.1%} at most")


def main() -> None:
    parser = argparse.ArgumentParser(description="An epoch of training, against the plain PyTorch recipe.")
    parser.add_argument("--utterances", type=int, default=1200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="few utterances, once: only whether it runs")
    parser.add_argument("--json", action="store_true", help="every round's figures instead of the table")
    options = parser.parse_args()
    utterances, rounds = (64, 1) if options.quick else (options.utterances, options.rounds)
    with tempfile.TemporaryDirectory() as folder:
        data = make_data(Path(folder), utterances)
        results = {name: measure(settings, data, rounds) for name, settings in CONFIGURATIONS.items()}
    if options.json:
        print(json.dumps({"schema_version": 1, "utterances": utterances, "results": results}))
        return
    print(
        f"{utterances} utterances; median and range of {rounds} rounds; {torch.get_num_threads()} threads\n"
    )
    print_table(results, not options.quick)


if __name__ == "__main__":
    main()
