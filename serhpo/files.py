"""Files that are either whole or not there."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from serhpo.errors import StorageError


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name, hand it to the disk, rename it into place.

    Args:
        path: The file; an older one stays intact until the new one is whole.
        write: Writes the content to the path it is given.

    Raises:
        StorageError: The disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        # The name in the error is the temporary one, which nobody has asked for.
        raise StorageError.from_os_error(OSError(error.errno, error.strerror), path) from error
    finally:
        with suppress(OSError):  # a read-only disk refuses this too
            temporary.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is either the old or the new one, whatever happens.

    Raises:
        StorageError: It cannot be written.
    """
    replace_file(path, lambda file: file.write_bytes(content))
