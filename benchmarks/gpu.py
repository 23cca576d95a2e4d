"""What training and extraction take on a GPU: epochs, steps, features streamed or uploaded, trials packed.

    python benchmarks/gpu.py [--utterances 5531] [--rounds 3] [--device cpu] [--quick] [--json]

Says so and ends where there is no GPU. Features, lengths, classes and ratings are random, as many and as long
as IEMOCAP's; the pretrained encoder is wav2vec2-base's architecture with random weights, since only time is
measured. In this order, about five minutes in all:

- an epoch of three models, width 256, batches of 32: features streamed from the cache or uploaded once, in
  float32 or bfloat16; and which part of a step takes how long, the GPU waited for after each;
- 1, 2, 4 and 8 trials at once, a process each, as a search with `gpus_per_trial: 0.125` runs them;
- extraction by a pretrained encoder, one utterance at a time, per second of audio;
- a step that fine-tunes its last two blocks;
- two epochs on the CPU and on the GPU, without dropout: how far their losses and predictions are apart.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_pretrained import extraction, fine_tuning, save_encoder
from training import CHANNELS, CONFIGURATIONS, CPU, Ours, epoch_seconds, finish, make_data, open_data

from serhpo.training import fold
from serhpo.training.config import TrialConfig
from serhpo.training.data import TrainingData

PACKED = (1, 2, 4, 8)
PACKED_MODEL = "MFCC + log-Mel, self-attention"
VARIANTS = {
    "streamed, fp32": (False, "fp32"),
    "uploaded, fp32": (True, "fp32"),
    "uploaded, bf16": (True, "bf16"),
}
TOLERANCE = 1e-2

Figures = dict[str, Any]


def trial(name: str, precision: str, width: int, epochs: int = 9, **model: Any) -> TrialConfig:
    settings = CONFIGURATIONS[name]
    shape = {**settings.get("model", {}), "width": width, "heads": 4, **model}
    common = {"batch_size": 32, "max_seconds": None, "precision": precision, "epochs": epochs}
    return TrialConfig.model_validate({**settings, **common, "model": shape})


@contextmanager
def features(uploaded: bool) -> Iterator[None]:
    """Whether features lie on the device or are sent for every batch."""
    plain = fold.on_device
    if not uploaded:
        fold.on_device = lambda versions, device: None
    try:
        yield
    finally:
        fold.on_device = plain


class StepByStep(Ours):
    """Waits for the device after each part of a step, so that parts can be told apart."""

    def _timed(self, part: str, function: Callable[..., Any], *arguments: Any) -> Any:
        start = time.perf_counter()
        result = function(*arguments)
        finish(self._device)
        self.spent[part] += time.perf_counter() - start
        return result


def epochs(
    data: TrainingData, device: torch.device, width: int, rounds: int, models: list[str]
) -> list[Figures]:
    rows = []
    for name in models:
        for variant, (uploaded, precision) in VARIANTS.items():
            with features(uploaded):
                config = trial(name, precision, width)
                seconds = epoch_seconds(Ours(config, data, device), device, rounds)
                parts = StepByStep(config, data, device)
                parts.epoch()
                parts.spent = dict.fromkeys(parts.spent, 0.0)
                start = time.perf_counter()
                parts.epoch()
                finish(device)
                whole = time.perf_counter() - start
            shares = {part: spent / whole for part, spent in parts.spent.items()}
            rows.append({"model": name, "variant": variant, "seconds": seconds, "parts": shares})
    return rows


def packed_trial(folder: str, utterances: int, width: int, device: str, start: Any, times: Any) -> None:
    """One of several processes that share the device."""
    torch.set_num_threads(1)
    work = Ours(trial(PACKED_MODEL, "bf16", width), open_data(Path(folder), utterances), torch.device(device))
    work.epoch()
    start.wait()
    began = time.perf_counter()
    work.epoch()
    finish(torch.device(device))
    times.put(time.perf_counter() - began)


def packed(
    folder: Path, utterances: int, device: torch.device, width: int, counts: tuple[int, ...]
) -> list[Figures]:
    """Epochs an hour that the device trains with so many trials on it."""
    spawn, rows = multiprocessing.get_context("spawn"), []
    for count in counts:
        start, times = spawn.Barrier(count), spawn.SimpleQueue()
        arguments = (str(folder), utterances, width, str(device), start, times)
        processes = [spawn.Process(target=packed_trial, args=arguments) for _ in range(count)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        if any(process.exitcode for process in processes):
            raise SystemExit(f"{count} trials at once: a process ended with an error")
        seconds = [times.get() for _ in processes]
        rows.append({"trials": count, "seconds": seconds, "epochs_per_hour": 3600 * count / max(seconds)})
    return rows


def agreement(folder: Path, device: torch.device, utterances: int) -> Figures:
    """Largest differences between CPU and device after two epochs in float32."""
    dry = {stream: {"dropout": 0.0} for stream in CHANNELS}
    config = trial(list(CONFIGURATIONS)[-1], "fp32", 32, dropout=0.0, encoders=dry)
    data, losses, predicted = make_data(folder, utterances), [], []
    for where in (CPU, device):
        work = Ours(config, data, where)
        done = [work.train_epoch(epoch) for epoch in (1, 2)]
        losses.append([(loss.class_loss, loss.dimension_loss) for loss in done])
        found = work.predict()
        predicted.append(np.concatenate([found.log_probabilities, found.dimensions], axis=1))
    gaps = {
        "loss": np.abs(np.diff(losses, axis=0)).max(),
        "prediction": np.abs(np.diff(predicted, axis=0)).max(),
    }
    return {name: float(gap) for name, gap in gaps.items()}


def print_tables(found: Figures) -> None:
    print(f"{found['device']}, torch {torch.__version__}, {found['utterances']} utterances\n")
    print("| model | features | an epoch | data | forward | backward and step |\n|---|---|---|---|---|---|")
    for row in found["epochs"]:
        parts = " | ".join(f"{100 * row['parts'][part]:.0f} %" for part in ("data", "forward", "step"))
        print(f"| {row['model']} | {row['variant']} | {statistics.median(row['seconds']):.2f} s | {parts} |")
    print("\n| trials at once | an epoch of one | epochs an hour | of one alone |\n|---|---|---|---|")
    alone = found["packed"][0]["epochs_per_hour"]
    for row in found["packed"]:
        print(
            f"| {row['trials']} | {max(row['seconds']):.2f} s | {row['epochs_per_hour']:,.0f} | "
            f"{row['epochs_per_hour'] / alone:.2f}× |"
        )
    print()
    for row in found["extraction"]:
        print(f"wav2vec2-base, {row['precision']}: {row['ms_per_second']:.2f} ms per second of audio")
    for row in found["fine_tuning"]:
        memory = "" if row["memory_gib"] is None else f", {row['memory_gib']:.1f} GiB"
        print(f"fine-tuning two blocks, {row['precision']}: {row['ms_per_step']:.0f} ms a step of 16{memory}")
    gaps = found["agreement"]
    said = "agree" if max(gaps.values()) <= TOLERANCE else "DISAGREE"
    print(
        f"CPU and GPU {said} to {TOLERANCE:g}: losses within {gaps['loss']:.1e}, "
        f"predictions within {gaps['prediction']:.1e}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--utterances", type=int, default=5531)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cuda", help="`cpu` with --quick shows that the script runs")
    parser.add_argument(
        "--quick", action="store_true", help="few utterances, small models: only whether it runs"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print(
            json.dumps({"schema_version": 1, "skipped": "no GPU"})
            if options.json
            else "no GPU: nothing measured"
        )
        return
    width, few, counts, models = 256, 200, PACKED, list(CONFIGURATIONS)
    if options.quick:
        options.utterances, options.rounds, width, few, counts, models = 24, 1, 32, 8, (2,), models[:1]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in ("features", "few"):
            (folder / name).mkdir()
        data = make_data(folder / "features", options.utterances)
        encoder = save_encoder(folder / "encoder", options.quick)
        stages: dict[str, Callable[[], Any]] = {
            "epochs": lambda: epochs(data, device, width, options.rounds, models),
            "packed": lambda: packed(folder / "features", options.utterances, device, width, counts),
            "extraction": lambda: extraction(encoder, device, few),
            "fine_tuning": lambda: fine_tuning(encoder, device, few),
            "agreement": lambda: agreement(folder / "few", device, min(96, options.utterances)),
        }
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
        found: Figures = {"schema_version": 1, "device": name, "utterances": options.utterances}
        start = time.perf_counter()
        for stage, measure in stages.items():
            found[stage] = measure()
            print(f"{stage}: done after {time.perf_counter() - start:.0f} s", file=sys.stderr)
    if options.json:
        print(json.dumps(found))
        return
    print_tables(found)


if __name__ == "__main__":
    main()
