"""Where output goes: results to stdout, progress and errors to stderr, ``--json`` one document alone."""

from __future__ import annotations

import codecs
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from serhpo.cli import completion

StudyArgument = Annotated[
    str, typer.Argument(help="Name or folder of the study.", autocompletion=completion.study_names)
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]


class OutputError(OSError):
    """Standard output cannot be written."""


class _Console(Console):
    """Leaves a closed pipe to the command line, which ends in peace; rich would exit with 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError

    def print(self, *objects: Any, **how: Any) -> None:
        """As rich's; tells a full disk behind the output from one behind anything else."""
        with _output():
            super().print(*objects, **how)


@contextmanager
def _output() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(*error.args) from error


out = _Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


_IN_ASCII = {"±": "+-", "–": "-", "−": "-", "·": "-", "…": "...", "×": "x", "≥": ">=", "λ": "lambda"}


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Stand-ins for characters that an output's encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_IN_ASCII.get(c, "?") for c in error.object[error.start : error.end]), error.end


codecs.register_error("serhpo", _in_ascii)


def spell_out() -> None:
    """Print on any terminal: what its encoding cannot say is said in ASCII."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="serhpo")


def spelled(text: str) -> str:
    """A text as standard output will say it: what is laid out in columns must know its width."""
    return text.encode(out.encoding, errors="serhpo").decode(out.encoding)


def own_stdout() -> None:
    """Keep standard output for :data:`out` and :func:`print_json`; what all others write there is lost.

    Those others are Ray, from Python and from C++, with words that its log files have, too.
    """
    sys.stdout.flush()
    out.file = os.fdopen(os.dup(1), "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def print_json(document: Any) -> None:
    """The one document of a command under ``--json``."""
    text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    with _output():
        out.file.write(text)
        out.file.flush()


def say(text: str) -> None:
    """A line of progress, to stderr."""
    err.print(escape(text))


def error(text: str) -> None:
    """An error message, to stderr, under ``--quiet`` too."""
    err.quiet = False
    first, _, rest = text.partition("\n")
    err.print(f"[bold red]error:[/] {escape(first)}")
    if rest:
        err.print(escape(rest))


CountDown = Callable[[int, int, float], None]
"""A function of (machines there, machines wanted, seconds left)."""


@contextmanager
def countdown() -> Iterator[CountDown]:
    """Waiting for machines: counted down in place on a terminal, elsewhere a line a machine and a minute."""
    told: list[tuple[int, int]] = []
    with err.status("") if err.is_terminal and not err.quiet else nullcontext() as status:

        def update(there: int, wanted: int, left: float) -> None:
            minutes, seconds = divmod(int(left), 60)
            what = (
                f"machines: {there} of {wanted} there" if there < wanted else "a machine that a trial fits on"
            )
            text = f"waiting for {what}, {minutes}:{seconds:02} left"
            if status:
                status.update(text)
            elif (there, minutes) not in told:
                told.append((there, minutes))
                say(text)

        yield update


@contextmanager
def progress(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal, one line at the end elsewhere.

    Yields:
        A function of (done, in all).
    """
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn(unit), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=err.quiet or not err.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        counted = [0, 0]

        def update(done: int, total: int) -> None:
            counted[:] = [done, total]
            bar.update(task, completed=done, total=total)

        yield update
    if counted[0]:
        say(f"{what}: {counted[0]} {unit if counted[0] > 1 else unit.removesuffix('s')}")


@contextmanager
def streams_progress(what: str, unit: str) -> Iterator[Callable[[str, int, int, float | None], None]]:
    """A progress bar for each of several streams on a terminal, one line for each at the end elsewhere.

    Yields:
        A function of (stream, done, in all, seconds left or None where nothing is known yet).
    """
    from serhpo.search.estimate import duration  # not for `serhpo --help`

    columns = (
        TextColumn(what + " {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit + " {task.fields[left]}"),
    )
    counted: dict[str, int] = {}
    with Progress(*columns, console=err, transient=True, disable=err.quiet or not err.is_terminal) as bar:
        tasks: dict[str, TaskID] = {}

        def update(stream: str, done: int, total: int, seconds_left: float | None) -> None:
            if stream not in tasks:
                tasks[stream] = bar.add_task(stream, total=total, left="")
            counted[stream] = done
            left = f"about {duration(seconds_left)} left" if seconds_left else ""
            bar.update(tasks[stream], completed=done, total=total, left=left)

        yield update
    for stream, done in counted.items():
        say(f"{what} {stream}: {done} {unit}")
