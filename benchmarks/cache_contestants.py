"""Four ways to keep the features of a corpus on disk, behind one interface, for ``benchmarks/cache.py``.

Each writes the same float16 frames, and each reads random utterances into the same reused, zero-padded
batch. All of them are read the fastest way we know for that layout; what was tried stands at each.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from serhpo.cache import open_store
from serhpo.cache.shard import FORMAT, Header, write_shard

Frames = Sequence[np.ndarray]  # of each utterance (frames, channels), float16
Read = Callable[[np.ndarray, np.ndarray], None]
"""Fill ``out`` (B, T, channels), float16, with these utterances (B,), zeros behind each."""

SHARD = 512  # utterances a file: four of the builder's


class Contestant(Protocol):
    """A layout."""

    name: str

    def write(self, frames: Frames, folder: Path) -> None:
        """Write all utterances below a folder."""

    def open(self, folder: Path, lengths: np.ndarray, channels: int) -> Read:
        """A reader of what was written there."""


def padded(get: Callable[[int], np.ndarray]) -> Read:
    """A reader that asks for one utterance after the other."""

    def read(rows: np.ndarray, out: np.ndarray) -> None:
        for target, row in zip(out, rows.tolist(), strict=True):
            frames = get(row)
            target[: len(frames)] = frames
            target[len(frames) :] = 0

    return read


class Serhpo:
    """serhpo's own cache files, in shards of 512 utterances, through ``FeatureStore.read``."""

    name = "serhpo"

    def write(self, frames: Frames, folder: Path) -> None:
        for number, start in enumerate(range(0, len(frames), SHARD)):
            header = Header(
                format=FORMAT,
                key=f"{number:05}",
                extractor="benchmark",
                version=1,
                settings={},
                storage="float16",
                channels=frames[0].shape[1],
                frames_per_second=100.0,
                software={},
            )
            with (folder / f"{number:05}.arrow").open("wb") as file:
                write_shard(file, header, frames[start : start + SHARD])

    def open(self, folder: Path, lengths: np.ndarray, channels: int) -> Read:
        store = open_store(sorted(folder.glob("*.arrow")))
        begin = np.zeros(1, np.int64)

        def read(rows: np.ndarray, out: np.ndarray) -> None:
            store.read(rows, np.broadcast_to(begin, rows.shape), store.lengths[rows], out)

        return read


class HuggingFace:
    """``datasets``, one flat list of values a row (its nested lists read 30 times as slowly), as numpy."""

    name = "HF datasets"

    def write(self, frames: Frames, folder: Path) -> None:
        from datasets import Dataset, Features, List, Value, disable_progress_bars

        disable_progress_bars()
        features = Features({"values": List(Value("float16"))})

        def rows():  # type: ignore[no-untyped-def]
            for utterance in frames:
                yield {"values": utterance.reshape(-1)}

        made = Dataset.from_generator(
            rows, features=features, cache_dir=str(folder / "made"), writer_batch_size=64
        )
        made.save_to_disk(folder / "data")
        del made
        shutil.rmtree(folder / "made")

    def open(self, folder: Path, lengths: np.ndarray, channels: int) -> Read:
        from datasets import load_from_disk

        data = load_from_disk(folder / "data").with_format("numpy")

        def read(rows: np.ndarray, out: np.ndarray) -> None:
            for target, values in zip(out, data[rows]["values"], strict=True):
                frames = values.reshape(-1, channels)
                target[: len(frames)] = frames
                target[len(frames) :] = 0

        return read


class NumpyFiles:
    """One .npy an utterance, mapped when asked for (loading it whole copies twice and is slower)."""

    name = ".npy files"

    def write(self, frames: Frames, folder: Path) -> None:
        for number, utterance in enumerate(frames):
            np.save(folder / f"{number:06}.npy", utterance)

    def open(self, folder: Path, lengths: np.ndarray, channels: int) -> Read:
        paths = [str(folder / f"{number:06}.npy") for number in range(len(lengths))]
        return padded(lambda row: np.load(paths[row], mmap_mode="r"))


class Parquet:
    """One Parquet file, one uncompressed row group an utterance (larger groups are read in whole)."""

    name = "Parquet"

    def write(self, frames: Frames, folder: Path) -> None:
        schema = pa.schema([("values", pa.float16())])
        with pq.ParquetWriter(
            folder / "data.parquet", schema, compression="none", use_dictionary=False
        ) as writer:
            for utterance in frames:
                table = pa.table({"values": utterance.reshape(-1)}, schema=schema)
                writer.write_table(table, row_group_size=utterance.size)

    def open(self, folder: Path, lengths: np.ndarray, channels: int) -> Read:
        file = pq.ParquetFile(folder / "data.parquet", memory_map=True, pre_buffer=False)

        def get(row: int) -> np.ndarray:
            column = file.read_row_group(row, use_threads=False).column(0)
            return column.chunk(0).to_numpy().reshape(-1, channels)

        return padded(get)


def contestants() -> tuple[Contestant, ...]:
    """All of them; ``datasets`` only where it is installed."""
    from importlib.util import find_spec

    peers: tuple[Contestant, ...] = (NumpyFiles(), Parquet())
    return (Serhpo(), *((HuggingFace(),) if find_spec("datasets") else ()), *peers)
