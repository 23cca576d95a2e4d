"""Corpora: utterances, readers, folds, and synthetic speech to try everything on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from serhpo.config import digest, home
from serhpo.corpus import iemocap, synthetic
from serhpo.corpus.table import Corpus
from serhpo.errors import CorpusError, StorageError

EMBEDDED = {"speakers": 10, "utterances": 32, "seed": 0}
"""Settings of the synthetic corpus that is used when none is named."""


class Reader(NamedTuple):
    """One corpus layout: how to tell it, and how to read it."""

    layout: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path], Corpus]


READERS: dict[str, Reader] = {
    iemocap.NAME: Reader(iemocap.LAYOUT, iemocap.recognises, iemocap.read),
}


def read_corpus(path: Path) -> Corpus:
    """Read a corpus with the reader that recognises its layout.

    Returns:
        The corpus. Single broken turns do not stop the reading; they stand in ``problems``.

    Raises:
        CorpusError: There is no such folder, or no reader knows its layout.
    """
    if not path.is_dir():
        raise CorpusError("There is no such corpus folder", where=path)
    for reader in READERS.values():
        if reader.recognises(path):
            return reader.read(path)
    raise CorpusError(
        "No reader knows the layout of this folder",
        where=path,
        allowed="; ".join(reader.layout for reader in READERS.values()),
    )


def embedded_corpus(progress: Callable[[int, int], None] | None = None) -> Path:
    """The small synthetic corpus that demonstrations run on, made on first use.

    Started twice, the second run waits for the first; killed halfway, the next run starts over.

    Args:
        progress: Called with turns spoken and turns in all, if it has to be made.

    Returns:
        Its folder, under ``home()/embedded``.

    Raises:
        ConfigError: eSpeak NG is not installed.
        StorageError: The folder cannot be written.
    """
    folder = home() / "embedded" / digest(EMBEDDED, synthetic.VERSION)[:16]
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not folder.is_dir():
                synthetic.remove_partial(folder)
                synthetic.synthesise(folder, **EMBEDDED, progress=progress)
    except OSError as error:
        raise StorageError.from_os_error(error, folder) from error
    return folder
