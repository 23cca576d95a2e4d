"""What a corpus needs from the cache: shards, each named by all that its bytes depend on."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from serhpo.cache.shard import FORMAT
from serhpo.config import digest
from serhpo.corpus.table import Corpus
from serhpo.errors import AudioError
from serhpo.features import Extractor, key

UTTERANCES_PER_SHARD = 128
"""What is lost when a builder is killed, and the unit handed to parallel workers."""

_YOUNG_NS = 2_000_000_000  # the coarsest time stamps in use, FAT's


@dataclass(frozen=True)
class AudioSource:
    """One utterance's audio.

    Attributes:
        path: The recording.
        start: Seconds from its beginning; None = from the beginning.
        end: Seconds from its beginning; None = to the end.
        source: ``label file:line`` that named it, for errors.
        content: Digest of the recording's bytes when the work was planned.
    """

    path: Path
    start: float | None
    end: float | None
    source: str
    content: str

    def error(self, reason: str) -> AudioError:
        """Why it cannot be used, with the recording and the label line."""
        return AudioError(
            f"Cannot use the recording {self.path.name}: {reason}",
            where=f"{self.path}, named in {self.source}",
        )


@dataclass(frozen=True)
class Shard:
    """One file of the cache and all that is needed to make it.

    Attributes:
        path: Where it lies; its name is its key.
        extractor: Makes the features.
        sources: The utterances, in order.
    """

    path: Path
    extractor: Extractor
    sources: tuple[AudioSource, ...]


def plan(corpus: Corpus, extractor: Extractor, root: Path) -> tuple[Shard, ...]:
    """The shards that hold the features of a corpus, in its order; reads all audio, writes nothing.

    Raises:
        AudioError: A recording cannot be read.
    """
    columns = (corpus.column(name) for name in ("audio", "start", "end", "source"))
    sources = [
        AudioSource(Path(path), start, end, source, content_digest(Path(path), source))
        for path, start, end, source in zip(*columns, strict=True)
    ]
    return tuple(
        _shard(tuple(sources[first : first + UTTERANCES_PER_SHARD]), extractor, root)
        for first in range(0, len(sources), UTTERANCES_PER_SHARD)
    )


def _shard(sources: tuple[AudioSource, ...], extractor: Extractor, root: Path) -> Shard:
    name = digest(FORMAT, key(extractor), [[source.content, source.start, source.end] for source in sources])
    return Shard(root / extractor.name / f"{name}.arrow", extractor, sources)


def content_digest(path: Path, source: str) -> str:
    """Digest of a recording's bytes.

    Remembered while size and time of change stay the same, since every extractor asks, but not for a
    file so young that a second change could carry the same time (as git does for its index).
    """
    try:
        status = path.stat()
        if time.time_ns() - status.st_mtime_ns < _YOUNG_NS:
            return _hash(path)
        return _remembered_hash(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        named = f"{path}, named in {source}"
        raise AudioError(f"Cannot use the recording {path.name}: {error.strerror}", where=named) from error


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


@lru_cache(maxsize=1_000_000)
def _remembered_hash(path: Path, size: int, changed_ns: int) -> str:
    return _hash(path)
