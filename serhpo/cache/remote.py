"""A store that several machines share: a folder all of them mount, or a bucket of an object store.

It stands behind each machine's own folder and holds the same files under the same names. Whatever is
read comes from the local folder; from here it is copied once, and every byte of it checked.
"""

from __future__ import annotations

import re
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from pyarrow import fs

from serhpo.errors import ConfigError, StorageError

_PIECE = 1 << 22  # bytes read at a time


class RemoteStore:
    """The shared store at an address; the same in every process and on every machine.

    Args:
        address: ``s3://bucket/folder`` (also ``gs://``), or the path of a mounted folder. Credentials
            come from the environment, as for any other client; an endpoint of one's own is written
            ``s3://bucket/folder?endpoint_override=http://host:9000&region=us-east-1``.
    """

    _what = "The shared feature cache"
    _hint = "check its address and your credentials; without --cache this machine works alone"

    def __init__(self, address: str) -> None:
        self.address = address

    def has(self, name: str) -> bool:
        """Whether it holds a file; says nothing about its bytes."""
        with self._explained():
            files, root = _open(self.address)
            return bool(files.get_file_info(f"{root}/{name}").type == fs.FileType.File)

    def fetch(self, name: str, out: Path) -> None:
        """Copy a file into the local one ``out``, which the caller has to check.

        Raises:
            StorageError: The store cannot be reached.
            OSError: The local disk is full, or fails otherwise.
        """
        with self._explained():
            files, root = _open(self.address)
            source = files.open_input_stream(f"{root}/{name}")
        with source, out.open("wb") as file:
            while True:
                with self._explained():  # its errors, not those of the local disk
                    piece = source.read(_PIECE)
                if not piece:
                    return
                file.write(piece)

    def upload(self, path: Path, name: str) -> None:
        """Copy a whole local file here under a name of its own, then give it its real one.

        So nobody ever sees half of it, and of two machines that upload the same file both succeed.

        Raises:
            StorageError: The store cannot be written.
        """
        with self._explained():
            files, root = _open(self.address)
            final = f"{root}/{name}"
            temporary = f"{final}.{socket.gethostname()}.{uuid.uuid4().hex}.tmp"
            files.create_dir(final.rpartition("/")[0], recursive=True)
            try:
                # Not fs.copy_files: it was seen to keep quiet about an upload that failed when it was closed.
                with path.open("rb") as file, files.open_output_stream(temporary) as out:
                    while piece := file.read(_PIECE):
                        out.write(piece)
                files.move(temporary, final)
            except OSError:
                if files.get_file_info(temporary).type == fs.FileType.File:
                    files.delete_file(temporary)
                raise

    def read(self, name: str) -> bytes | None:
        """All bytes of a small file; None where there is none.

        Raises:
            StorageError: The store cannot be reached.
        """
        with self._explained():
            files, root = _open(self.address)
            if files.get_file_info(f"{root}/{name}").type != fs.FileType.File:
                return None
            with files.open_input_stream(f"{root}/{name}") as source:
                return bytes(source.read())

    def names(self, folder: str = "") -> list[str]:
        """Names of all files in a folder and those below, sorted.

        Raises:
            StorageError: The store cannot be reached.
        """
        with self._explained():
            files, root = _open(self.address)
            inside = fs.FileSelector(f"{root}/{folder}".rstrip("/"), recursive=True, allow_not_found=True)
            found = (info.path for info in files.get_file_info(inside) if info.type == fs.FileType.File)
            return sorted(path[len(root) + 1 :] for path in found)

    def remove(self, name: str) -> None:
        """Remove a file; one that is gone already is none of our concern.

        Raises:
            StorageError: It cannot be removed.
        """
        with self._explained():
            files, root = _open(self.address)
            with suppress(FileNotFoundError):
                files.delete_file(f"{root}/{name}")

    @property
    def shown(self) -> str:
        """The address as it may be printed: without credentials and options."""
        return re.sub(r"//[^/@]*@", "//", self.address.partition("?")[0])

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the object store's client says into one clear error."""
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"{self._what} cannot be used",
                where=self.shown,
                got=str(error).partition("\n")[0],
                hint=self._hint,
            ) from error


@lru_cache(maxsize=8)
def _open(address: str) -> tuple[Any, str]:
    if "://" not in address:
        return _local(), str(Path(address).expanduser().absolute())
    if address.startswith("s3://"):  # one request for a small file, not the three of an upload in parts
        address += ("&" if "?" in address else "?") + "allow_delayed_open=true"
    try:
        files, root = fs.FileSystem.from_uri(address)
    except ValueError as error:  # pyarrow's ArrowInvalid
        raise ConfigError(
            "This is no address of a store",
            where="--cache, --storage",
            got=address.partition("?")[0],
            allowed="s3://bucket/folder, gs://bucket/folder, or the path of a folder",
        ) from error
    return files, root.rstrip("/")


def _local() -> Any:
    return fs.LocalFileSystem()
