"""Corpora: utterances, readers, folds, and synthetic speech to try everything on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from serhpo.config import digest, home
from serhpo.corpus import audformat_database, crema_d, iemocap, manifest, msp_improv, msp_podcast, synthetic
from serhpo.corpus.classes import ReadSettings
from serhpo.corpus.table import Corpus
from serhpo.errors import CorpusError, StorageError
from serhpo.text import is_utf8, printable

EMBEDDED = {"speakers": 10, "utterances": 32, "seed": 0}
"""Settings of the synthetic corpus that is used when none is named."""


class Reader(NamedTuple):
    """One corpus layout: how to tell it, and how to read it."""

    layout: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, ReadSettings], Corpus]


READERS: dict[str, Reader] = {
    module.NAME: Reader(module.LAYOUT, module.recognises, module.read)
    for module in (iemocap, msp_podcast, msp_improv, crema_d, audformat_database, manifest)
}


def read_corpus(path: Path, settings: ReadSettings | None = None) -> Corpus:
    """Read a corpus with the reader that recognises its layout.

    Args:
        path: The corpus' folder, or a manifest file.
        settings: Which codes make which class; without them the reader's default.

    Returns:
        The corpus. Single broken turns do not stop the reading; they stand in ``problems``.

    Raises:
        CorpusError: There is no such folder or file, its path is not UTF-8, or no reader knows its layout.
        ConfigError: The settings do not fit this corpus.
    """
    if not path.exists():
        raise CorpusError("There is no such corpus folder", where=path)
    if not is_utf8(str(path.resolve())):
        raise CorpusError(
            "The corpus' path is not UTF-8", where=printable(str(path)), hint="rename the folder"
        )
    for reader in READERS.values():
        if reader.recognises(path):
            return reader.read(path, settings or ReadSettings())
    raise CorpusError(
        "No reader knows this layout",
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
