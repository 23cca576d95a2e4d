"""Recordings in: any format libsndfile knows, out as 16 kHz mono float32."""

from __future__ import annotations

import re
import struct
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from serhpo.errors import AudioError
from serhpo.text import is_utf8

SAMPLE_RATE = 16_000
"""Hz; the rate every extractor works at."""

_ROUNDED = 0.5e-3
"""Seconds that a part may seem to end after its recording: labels are rounded to milliseconds."""

_LOUDEST = 4.0
"""What floating-point samples may reach: mixing and filters go beyond full scale, but not far."""

_NOT_FINITE = "holds samples that are not finite"
_SHORTENED = re.compile(r": (\d+) \(should be (\d+)\)")


def read_audio(
    path: Path, start: float | None = None, end: float | None = None, source: str | None = None
) -> npt.NDArray[np.float32]:
    """Read a recording or a part of it.

    Args:
        path: The recording. Channels are averaged, other rates resampled.
        start: Seconds from the beginning; None = from the beginning.
        end: Seconds from the beginning; None = to the end.
        source: ``label file:line`` that named the recording, for the error.

    Returns:
        float32 of shape (samples,), at least one, at 16 kHz, full scale ±1.

    Raises:
        AudioError: Missing, unreadable, truncated or empty file, a part that lies outside it, or a
            sample that is not finite or far beyond full scale. Names the file, the source and the reason.
    """
    if reason := audio_problem(path):
        raise _error(path, source, reason)
    try:
        with soundfile.SoundFile(path) as file:
            rate, frames = file.samplerate, file.frames
            if (part := samples_of(frames, rate, start, end)) is None:
                shown = frames / rate if end is None else end
                raise _error(path, source, f"no part {start or 0:g}-{shown:g} s in {frames / rate:g} s")
            first, last = part
            file.seek(first)
            samples = file.read(last - first, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise _error(path, source, _reason(path, error)) from error
    if len(samples) != last - first:
        raise _error(path, source, f"ends after {len(samples)} of {last - first} samples")
    mono = np.ascontiguousarray(samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1))
    if not np.isfinite(mono).all():
        raise _error(path, source, _NOT_FINITE)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE)
        if not len(mono):
            raise _error(path, source, "is too short to resample")
    return np.asarray(mono, dtype=np.float32)


def samples_of(frames: int, rate: int, start: float | None, end: float | None) -> tuple[int, int] | None:
    """First sample of a part of a recording and the one after its last, or None where it has no such part.

    Args:
        frames: Length of the recording.
        rate: Its samples a second.
        start: Seconds from the beginning; None = from the beginning.
        end: Seconds from the beginning, half a millisecond more than there are at the most; None = to
            the end.
    """
    seconds = frames / rate
    if not 0 <= (start or 0.0) < (seconds if end is None else end) <= seconds + _ROUNDED:
        return None
    first = round((start or 0.0) * rate)
    last = frames if end is None else min(round(end * rate), frames)
    return (first, last) if first < last else None


class AudioInfo(NamedTuple):
    """What a recording's header says."""

    seconds: float
    rate: int
    channels: int


def audio_info(path: Path) -> AudioInfo:
    """Length, sample rate in Hz and channels of a recording; reads the header only.

    Raises:
        AudioError: The file is missing or not a recording.
    """
    try:
        return _header(path, *_version(path)).info
    except (soundfile.LibsndfileError, OSError) as error:
        raise _error(path, None, _reason(path, error)) from error


def audio_problem(path: Path) -> str | None:
    """Why a recording cannot be used, or None.

    Reads headers only, so that a corpus is checked fast; but whole files of floating-point samples,
    the only ones that can hold a number that is not finite or far beyond full scale. What only decoding
    can tell (a FLAC or MP3 that breaks off) is found by :func:`read_audio`.
    """
    if not is_utf8(str(path)):
        return "has a name that is not UTF-8"
    try:
        return _header(path, *_version(path)).problem
    except (soundfile.LibsndfileError, OSError, ValueError) as error:  # ValueError: a null in the name
        return _reason(path, error)


class _Header(NamedTuple):
    info: AudioInfo
    problem: str | None


def _version(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=1_000_000)
def _header(path: Path, _size: int, _changed_ns: int) -> _Header:
    """Remembered while the file stays the same: reading, counting and measuring all ask."""
    found = soundfile.info(path)
    info = AudioInfo(float(found.frames / found.samplerate), int(found.samplerate), int(found.channels))
    return _Header(info, _problem(path, found))


def _problem(path: Path, info: Any) -> str | None:
    if info.frames == 0:
        return "holds no samples"
    if missing := _missing_bytes(path, info.extra_info):
        return f"is truncated: {missing} bytes are missing"
    if info.format == "OGG" and _lacks_last_page(path):
        return "is truncated: its last page is missing"
    if info.subtype in ("FLOAT", "DOUBLE"):
        return _float_problem(path)
    return None


def _float_problem(path: Path) -> str | None:
    peak = 0.0
    for block in soundfile.blocks(path, blocksize=1 << 16, dtype="float32"):
        if not np.isfinite(block).all():
            return _NOT_FINITE
        peak = max(peak, float(np.abs(block).max()))
    if peak > _LOUDEST:
        return f"holds samples up to {peak:g}, but full scale is 1: were integers written as they are?"
    return None


def _missing_bytes(path: Path, said: str) -> int:
    """Bytes that a header promises beyond the file's end.

    libsndfile silently shortens such a file; half an utterance with a whole label is worse than an error.

    Args:
        path: The recording.
        said: What libsndfile noted of its header: of all formats but WAV (RIFF) this tells.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(4) != b"RIFF":
            pairs = (map(int, pair) for pair in _SHORTENED.findall(said))
            missing = max((length - there for length, there in pairs if not _endless(length)), default=0)
            return missing if missing >= 8 else 0  # less may be padding that a writer left out
        file.seek(12)
        while len(head := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", head)
            if name == b"data":
                return 0 if _endless(length) else max(0, file.tell() + length - size)
            file.seek(length + length % 2, 1)
    return 0


def _endless(length: int) -> bool:
    """Whether a length was never filled in, since the file was written to a pipe.

    It then is 0 or nearly 2 or 4 GiB (SoX: 0x7FFFF000, in whole frames; ffmpeg: 0xFFFFFFFF).
    """
    return length == 0 or length >= 0x7FFF0000


def _lacks_last_page(path: Path) -> bool:
    """Whether an Ogg stream breaks off; its last page (RFC 3533) is marked and libsndfile does not ask."""
    largest = 65_307  # bytes of a page
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - largest))
        end = file.read()
    start = end.rfind(b"OggS")
    page = end[start:]
    if start < 0 or len(page) < 27 or len(page) < 27 + page[26]:
        return True
    body = sum(page[27 : 27 + page[26]])
    return not page[5] & 0x04 or len(page) < 27 + page[26] + body


def _reason(path: Path, error: Exception) -> str:
    if not path.exists():
        return "does not exist"
    if path.is_file() and path.stat().st_size == 0:
        return "is an empty file"
    return str(getattr(error, "error_string", error)).rstrip(".")


def _error(path: Path, source: str | None, reason: str) -> AudioError:
    named = f"{path}, named in {source}" if source else path
    return AudioError(f"Cannot use the recording {path.name}: {reason}", where=named)
