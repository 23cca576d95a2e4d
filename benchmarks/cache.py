"""How fast minibatches come out of the feature cache: serhpo against other ways to keep features.

    python benchmarks/cache.py [--channels 40 128 768] [--rounds 5] [--quick] [--json]

As many utterances as IEMOCAP has, of its lengths (a clipped log-normal: 6.9 h), random float16 frames:
100 a second at 40 and 128 channels (MFCC, log-Mel), 50 at 768 (Wav2Vec 2.0). Everybody does the same
work: the same batches of 32 utterances into the same reused float16 buffer, padded with zeros, one
thread. `memcpy` copies the bytes of serhpo's files, mapped, into a buffer of 4 MB. Rounds are interleaved:
in each one everybody reads for about a second, so whatever else the machine does hits all alike; ratios
are taken within a round. Warm times are CPU times of this process, which nothing but copying takes; cold
ones and opening are by the clock. GB/s count frames, not padding. ``pip install datasets`` brings that row.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before numpy, which reads them once

import numpy as np  # noqa: E402
from cache_contestants import Contestant, Read, contestants  # noqa: E402
from cache_memory import readers_memory  # noqa: E402

UTTERANCES, BATCH = 5531, 32
RATE = {40: 100, 128: 100, 768: 50}  # frames a second
GOAL = {40: 5.0, 128: 3.0, 768: 2.0}  # times the best of the others
GOAL_MEMCPY = 0.6
GOAL_MEMORY = 64.0  # MiB beside the batch buffers
PIECE = 2 << 20  # values of a piece of memcpy: 4 MB

Batches = list[np.ndarray]
Clock = Callable[[], float]


def draw_lengths(count: int, rate: int) -> np.ndarray:
    """Frames of every utterance: median 3.56 s, mean 4.5 s, 0.6 to 31 s, as IEMOCAP's."""
    rng = np.random.default_rng(0)
    seconds = np.clip(rng.lognormal(np.log(3.56), 0.675, count), 0.6, 31.0)
    return np.round(seconds * rate).astype(np.int64)


def draw_frames(lengths: np.ndarray, channels: int) -> list[np.ndarray]:
    """Frames that no file format could compress or share."""
    rng = np.random.default_rng(1)
    pool = rng.standard_normal((int(lengths.max()) + 4096, channels), dtype=np.float32).astype(np.float16)
    starts = rng.integers(0, len(pool) - lengths + 1)
    return [pool[s : s + n] for s, n in zip(starts.tolist(), lengths.tolist(), strict=True)]


def draw_batches(lengths: np.ndarray, bucketed: bool) -> Batches:
    """Every utterance once, in batches: in random order, or next to those of its length."""
    rng = np.random.default_rng(2)
    order = np.argsort(lengths, kind="stable") if bucketed else rng.permutation(len(lengths))
    batches = [order[i : i + BATCH] for i in range(0, len(order) - BATCH + 1, BATCH)]
    rng.shuffle(batches)
    return batches


class Reading:
    """Goes through the batches again and again, and says how fast."""

    def __init__(self, read: Read, batches: Batches, lengths: np.ndarray, channels: int) -> None:
        self.read, self.batches, self.lengths, self.channels = read, batches, lengths, channels
        self.buffer = np.zeros(BATCH * max(int(lengths[b].max()) for b in batches) * channels, np.float16)
        self.next = 0

    def read_for(self, least: float, clock: Clock = time.process_time) -> tuple[int, int, float]:
        """Utterances and bytes read in at least so many seconds, and how many seconds they were."""
        utterances, size, start = 0, 0, clock()
        while (passed := clock() - start) < least or not utterances:
            rows = self.batches[self.next % len(self.batches)]
            self.next += 1
            frames = int(self.lengths[rows].max())
            shape = len(rows), frames, self.channels
            self.read(rows, self.buffer[: np.prod(shape)].reshape(shape))
            utterances += len(rows)
            size += int(self.lengths[rows].sum()) * self.channels * 2
        return utterances, size, passed


def memcpy(folder: Path) -> Iterator[float]:
    """GB/s of copying all files once, mapped, into one small buffer; again and again."""
    maps = [np.memmap(path, np.float16, "r") for path in sorted(folder.glob("*.arrow"))]
    buffer = np.zeros(PIECE, np.float16)
    while True:
        start = time.process_time()
        for values in maps:
            for i in range(0, len(values), PIECE):
                piece = values[i : i + PIECE]
                buffer[: len(piece)] = piece
        yield sum(values.nbytes for values in maps) / (time.process_time() - start) / 1e9


def on_disk(folder: Path) -> int:
    """Bytes that the files take, in whole blocks."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def evict(folder: Path) -> None:
    """Drop the files from the page cache."""
    for path in filter(Path.is_file, folder.rglob("*")):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def measure(channels: int, options: argparse.Namespace) -> dict[str, object]:
    """Everything about one width."""
    rate = RATE.get(channels, 50)
    lengths = draw_lengths(options.utterances, rate)
    frames = draw_frames(lengths, channels)
    payload = int(lengths.sum()) * channels * 2
    rows: dict[str, dict[str, object]] = {}
    random, bucketed = (draw_batches(lengths, flag) for flag in (False, True))
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        readers: dict[tuple[str, str], Reading] = {}
        for entry in contestants():
            folder = Path(place) / entry.name.replace(" ", "-")
            folder.mkdir()
            entry.write(frames, folder)
            rows[entry.name] = once(entry, folder, lengths, channels, random, payload, options.seconds)
            read = entry.open(folder, lengths, channels)
            for kind, batches in (("random", random), ("bucketed", bucketed)):
                readers[entry.name, kind] = Reading(read, batches, lengths, channels)
                rows[entry.name][kind] = []
                readers[entry.name, kind].read_for(options.seconds)  # warm
        ours = Path(place) / "serhpo"
        copy, copied = memcpy(ours), []
        next(copy)
        for _ in range(options.rounds):
            copied.append(next(copy))
            for (name, kind), reading in readers.items():
                utterances, size, seconds = reading.read_for(options.seconds)
                rows[name][kind].append([utterances / seconds, size / seconds / 1e9])  # type: ignore[attr-defined]
        memory = readers_memory(ours, channels, random)
    return {
        "channels": channels, "payload": payload, "rows": rows, "memcpy": copied, "memory": memory,
    }  # fmt: skip


def once(
    entry: Contestant,
    folder: Path,
    lengths: np.ndarray,
    channels: int,
    batches: Batches,
    payload: int,
    seconds: float,
) -> dict[str, object]:
    """Size, time to open, and random batches from a cold disk."""
    entry.open(folder, lengths, channels)
    start = time.perf_counter()
    read = entry.open(folder, lengths, channels)
    opened = time.perf_counter() - start
    del read
    gc.collect()
    evict(folder)
    reading = Reading(entry.open(folder, lengths, channels), batches, lengths, channels)
    _, size, passed = reading.read_for(seconds, time.perf_counter)
    return {"size": on_disk(folder) / payload, "open_ms": 1e3 * opened, "cold_gb_s": size / passed / 1e9}


def shown(values: list[float], form: str) -> str:
    """Median and range."""
    middle, low, high = (format(v, form) for v in (statistics.median(values), min(values), max(values)))
    return f"{middle} ({low}–{high})"


def print_table(result: dict[str, object]) -> None:
    channels, rows, copied = result["channels"], result["rows"], result["memcpy"]
    gigabytes = result["payload"] / 1e9  # type: ignore[operator]
    print(f"\n{channels} channels, {gigabytes:.2f} GB; memcpy {shown(copied, '.1f')} GB/s\n")
    print(
        f"{'':12}{'random: utterances/s':>28}{'GB/s':>8}{'bucketed: GB/s':>22}"
        f"{'of memcpy':>18}{'cold GB/s':>11}{'open':>10}{'size/raw':>9}"
    )
    for name, row in rows.items():
        share = [100 * b / c for (_, b), c in zip(row["bucketed"], copied, strict=True)]
        print(
            f"{name:12}{shown([u for u, _ in row['random']], ',.0f'):>28}"
            f"{statistics.median(g for _, g in row['random']):>8.2f}"
            f"{shown([g for _, g in row['bucketed']], '.2f'):>22}{shown(share, '.0f'):>16} %"
            f"{row['cold_gb_s']:>11.2f}{row['open_ms']:>7.1f} ms{row['size']:>9.3f}"
        )


def verdicts(result: dict[str, object]) -> None:
    """Each goal, met or missed."""
    channels, rows = result["channels"], result["rows"]
    best = {name: [u for u, _ in row["random"]] for name, row in rows.items()}
    ratios = [
        mine / max(others)
        for mine, *others in zip(best.pop("serhpo"), *best.values(), strict=True)
    ]  # fmt: skip
    goals = []
    if channels in GOAL:
        goals.append((f"{shown(ratios, '.1f')}× the best of the others", ratios, GOAL[channels], "×"))
    if channels == 768:
        share = [b / c for (_, b), c in zip(rows["serhpo"]["bucketed"], result["memcpy"], strict=True)]
        goals.append((f"{100 * statistics.median(share):.0f} % of memcpy, bucketed", share, GOAL_MEMCPY, ""))
    print()
    for what, values, goal, unit in goals:
        verdict = "met" if statistics.median(values) >= goal else "MISSED"
        print(f"goal {goal:g}{unit}: {verdict}, {what}")
    beside = [reader["private_mib"] - reader["buffer_mib"] for reader in result["memory"]]
    verdict = "met" if max(beside) <= GOAL_MEMORY else "MISSED"
    pss = shown([reader["pss_mib"] for reader in result["memory"]], ".0f")
    print(
        f"goal {GOAL_MEMORY:g} MiB a reader beside its batch buffer: {verdict}, private "
        f"{max(beside):.0f} MiB; {len(beside)} readers at once, PSS {pss} MiB more each"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Minibatches out of the feature cache, against other ways.")
    parser.add_argument("--channels", type=int, nargs="+", default=sorted(GOAL))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the files are made; needs 10 GB at 768 channels")
    parser.add_argument("--quick", action="store_true", help="few utterances, once: only whether it runs")
    parser.add_argument("--json", action="store_true", help="every round's figures instead of the tables")
    options = parser.parse_args()
    options.utterances, options.seconds = (128, 0.01) if options.quick else (UTTERANCES, 1.0)
    options.rounds = 1 if options.quick else options.rounds
    results = [measure(channels, options) for channels in options.channels]
    if options.json:
        print(json.dumps({"schema_version": 1, "results": results}))
        return
    print(f"Batches of {BATCH}; median and range of {options.rounds} rounds, one thread, warm unless cold")
    for result in results:
        print_table(result)
        if not options.quick:
            verdicts(result)


if __name__ == "__main__":
    main()
