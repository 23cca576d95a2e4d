"""An object store on loopback that can be cut off for a while and then has everything it had."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from moto.server import ThreadedMotoServer
from pyarrow import fs

KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class S3:
    """An S3 server in this process, with one bucket.

    Attributes:
        address: For ``--storage``.
    """

    def __init__(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        _, self._port = self._server.get_host_and_port()
        options = f"endpoint_override=http://127.0.0.1:{self._port}&region=us-east-1&scheme=http"
        os.environ.update(KEYS)
        files, _ = fs.FileSystem.from_uri(f"s3://x?{options}&allow_bucket_creation=true")
        files.create_dir("chaos")
        self.address = f"s3://chaos/studies?{options}"

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Nobody can connect inside."""
        self.stop()
        yield
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self._port, verbose=False)
        self._server.start()

    def stop(self) -> None:
        """End the server."""
        server = self._server._server
        self._server.stop()
        server.server_close()
