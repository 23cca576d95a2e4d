"""One shard of cached features: a file in Arrow's IPC stream format, how it is written, checked and read.

One record batch with one column ``features`` of type ``large_list<fixed_size_list<T>[channels]>`` (one
row an utterance, frames in time order, T float16 or int16), uncompressed, so that it is read in place.
The schema's metadata holds a header (JSON). Behind the end of the stream, where Arrow reads no more,
stands the CRC-32 of all bytes before it: a guard against damage, not against malice.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import ValidationError

from serhpo.config import Config, canonical_json
from serhpo.features import Storage

FORMAT = 1
"""Raised when the layout, or the way recordings are read, changes: older shards are then built anew."""

SCALE: dict[Storage, float] = {"float16": 1.0, "int16": 2.0**-15}
"""What stored values are multiplied with to give features."""

_HEADER = b"serhpo"
_CHECKSUM_BYTES = 4


class Header(Config):
    """What a shard says about itself.

    Attributes:
        format: ``FORMAT`` of the program that wrote it.
        key: Digest of the extractor and of the recordings; also the file's name.
        extractor: The extractor's name.
        version: The extractor's version.
        settings: The extractor's settings as they were spelled, for the record: a pretrained model is the
            same one under two names, and only ``key`` tells.
        storage: Type of the values.
        channels: Values per frame.
        frames_per_second: Frames per second of audio.
        software: Versions of the libraries that made it, for the record.
    """

    format: int
    key: str
    extractor: str
    version: int
    settings: dict[str, Any]
    storage: Storage
    channels: int
    frames_per_second: float
    software: dict[str, str]


def encode(frames: NDArray[np.float32], storage: Storage) -> NDArray[Any]:
    """Frames as they are stored; values that float16 cannot hold become infinite."""
    if storage == "int16":
        frames = np.clip(np.rint(frames * 2.0**15), -(2**15), 2**15 - 1)
    with np.errstate(over="ignore"):
        return frames.astype(storage)


def write_shard(file: BinaryIO, header: Header, utterances: Sequence[NDArray[Any]]) -> None:
    """Write encoded utterances, each ``(frames, channels)``, as one shard.

    Raises:
        OSError: The disk is full, or fails otherwise.
        ValueError: An utterance has another number of channels than the header says.
    """
    offsets = np.cumsum([0, *map(len, utterances)], dtype=np.int64)
    values = np.concatenate(utterances, dtype=header.storage)
    if values.shape[1:] != (header.channels,):
        raise ValueError(f"need {header.channels} channels, got shape {values.shape}")
    rows = pa.LargeListArray.from_arrays(
        pa.array(offsets), pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), header.channels)
    )
    schema = _schema(header).with_metadata({_HEADER: canonical_json(header)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch([rows], schema=schema))
    stream = sink.getvalue()
    file.write(stream)
    file.write(zlib.crc32(stream).to_bytes(_CHECKSUM_BYTES, "little"))


class UnusableShardError(Exception):
    """A file is not a shard that can be read; the message says why."""


class MappedShard(NamedTuple):
    """A shard, read in place. Its arrays lie in the file's map and are for this package only."""

    header: Header
    offsets: NDArray[np.int64]  # (utterances + 1,), first frame of each
    values: NDArray[Any]  # (frames, channels), a read-only view of the file


def verify(path: Path, key: str | None = None) -> str | None:
    """Why a shard cannot be used, or None; reads every byte. ``key``: the file's name to be."""
    try:
        map_shard(path, every_byte=True, key=key)
    except UnusableShardError as error:
        return str(error)
    return None


def map_shard(path: Path, every_byte: bool = False, key: str | None = None) -> MappedShard:
    """Map a shard and check its structure or, more slowly, every byte.

    Raises:
        UnusableShardError: It is missing, damaged, foreign, or of another version.
    """
    try:
        # Closing gives the descriptor back; the map lives as long as an array on it.
        with pa.memory_map(str(path)) as file:
            data = file.read_buffer()
        end = max(0, data.size - _CHECKSUM_BYTES)
        stream, checksum = data.slice(0, end), data.slice(end).to_pybytes()
        if every_byte and zlib.crc32(stream) != int.from_bytes(checksum, "little"):
            raise UnusableShardError("its checksum does not fit its bytes")
        shard = _read(stream)
    except FileNotFoundError:
        raise UnusableShardError("it does not exist") from None
    except (KeyError, ValidationError):
        raise UnusableShardError("it was not written by this version of serhpo") from None
    except (OSError, ValueError, StopIteration, pa.ArrowException) as error:
        raise UnusableShardError(f"it cannot be read: {error}") from error
    if shard.header.key != (key or path.stem):
        raise UnusableShardError("it holds other features than its name says")
    return shard


def _read(stream: Any) -> MappedShard:
    reader = pa.ipc.open_stream(stream)
    header = Header.model_validate_json((reader.schema.metadata or {})[_HEADER])
    if header.format != FORMAT or not reader.schema.equals(_schema(header)):
        raise UnusableShardError(f"its layout (format {header.format}) is not the one expected")
    column = reader.read_next_batch().column(0)
    column.validate(full=True)
    values = column.values.values.to_numpy().reshape(-1, header.channels)
    return MappedShard(header, column.offsets.to_numpy(), values)


def _schema(header: Header) -> Any:
    value = {"float16": pa.float16(), "int16": pa.int16()}[header.storage]
    frame = pa.list_(pa.field("value", value, nullable=False), header.channels)
    return pa.schema([pa.field("features", pa.large_list(pa.field("frame", frame, nullable=False)), False)])
