"""A cluster that ``ray up`` started, from the machine it was started from: one SSH command at a time.

Whatever is asked of the cluster runs on its head, through ``ray exec``: the jobs API and the dashboard listen
on the head's loopback address alone, and the laptop needs no more than ``ray`` and ``ssh``.
"""

from __future__ import annotations

import base64
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from serhpo.config import read_yaml
from serhpo.errors import ResourceError, UsageError

RAY = (sys.executable, "-m", "ray.scripts.scripts")

_OUTPUT = re.compile(r"serhpo-begins\r?\n(.*)serhpo-ends (\d+)", re.DOTALL)
_MOST_BYTES = 48 << 10
"""Of a file that travels in a command line."""


@dataclass(frozen=True)
class Answer:
    """What a command on the head came to.

    Attributes:
        code: Its exit code.
        text: What it printed.
    """

    code: int
    text: str


@dataclass(frozen=True)
class Launched:
    """A cluster by the file that ``ray up`` started it from."""

    file: Path

    def run(
        self, command: Sequence[str], files: Mapping[str, Path] | None = None, quiet: bool = False
    ) -> Answer:
        """Run a command on the head, in a login shell there.

        Args:
            command: The command.
            files: Small files of this machine by the path they get on the head, relative to the home folder.
            quiet: Leave out what the command prints to stderr.

        Raises:
            ResourceError: There is no such cluster, or it cannot be reached.
            UsageError: A file is too large.
        """
        self._require()
        parts = [_unpacked(path, name) for name, path in (files or {}).items()]
        parts.append(f"{shlex.join(command)}{' 2> /dev/null' if quiet else ''}")
        # Quotes within the words, so that a shell that echoes the command does not say them.
        script = f"echo serhpo-''begins; {' && '.join(parts)}; echo serhpo-''ends $?"
        said = self._ray("exec", str(self.file), script)
        if found := _OUTPUT.search(said):
            return Answer(int(found[2]), found[1].replace("\r\n", "\n"))
        raise self._unreachable(said)

    def fetch(self, folder: str, out: Path) -> None:
        """Copy what is in a folder of the head into one of this machine.

        Raises:
            ResourceError: It cannot be copied.
        """
        self._require("rsync")
        out.mkdir(parents=True, exist_ok=True)
        said = self._ray("rsync-down", str(self.file), f"{folder}/", f"{out}/")
        if not (out / "study.yaml").is_file():
            raise self._unreachable(said)

    def _require(self, *programs: str) -> None:
        read_yaml(self.file)
        for program in ("ssh", *programs):
            if shutil.which(program) is None:
                raise ResourceError(f"`{program}` is not installed on this machine", where="PATH")

    def _ray(self, *arguments: str) -> str:
        done = subprocess.run(
            [*RAY, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        return done.stdout

    def _unreachable(self, said: str) -> ResourceError:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        down = "Head node of cluster" in said and "not found" in said
        return ResourceError(
            "The cluster is not running" if down else "The cluster's head cannot be reached",
            where=self.file,
            got=None if down or not lines else lines[-1],
            hint=f"ray up {self.file}" if down else f"ray exec {self.file} 'ray status' tells more",
        )


def _unpacked(path: Path, name: str) -> str:
    """A command that writes a file of this machine to the head."""
    content = path.read_bytes()
    if len(content) > _MOST_BYTES:
        raise UsageError(
            "The file is too large to go along",
            where=path,
            got=f"{len(content)} bytes",
            allowed=f"{_MOST_BYTES}",
            hint="put it where the cluster sees it, and name that path",
        )
    folder, text = shlex.quote(str(Path(name).parent)), base64.b64encode(content).decode()
    return f"mkdir -p {folder} && echo {text} | base64 -d > {shlex.quote(name)}"
