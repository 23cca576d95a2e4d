"""A search in a process of its own, and a parent that has the last word.

When one of Ray's own processes dies, Ray ends the driver from C++: no Python runs any more, nothing is
said but Ray's own words. The parent, which has loaded nothing, then tells what happened and how to go on.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from types import FrameType
from typing import NoReturn

import typer

from serhpo.cli import console
from serhpo.errors import RayDiedError, SearchInterruptedError

STOPS = {signal.SIGINT, signal.SIGTERM}
"""What a user, or who runs machines for them, ends a command with."""

_ENDED = b"\n"
_link: socket.socket | None = None
"""In the child: to the parent. The study's name goes through it, and a line break before a proper end."""


def go_on_in_child() -> None:
    """Return in a child process; the parent waits for it, then raises what the child's end means.

    Call it before threads exist. In the child standard output is for :mod:`serhpo.cli.console` alone.

    Raises:
        typer.Exit: In the parent: the child ended by itself, with this code.
        RayDiedError: In the parent: something ended the child.
    """
    global _link
    if not hasattr(os, "fork") or threading.active_count() > 1:
        return  # the search runs, though its end may go unexplained
    mine, theirs = socket.socketpair()
    if child := os.fork():
        theirs.close()
        _wait(child, mine)
    mine.close()
    _link = theirs
    os.setpgid(0, 0)  # the terminal's signals reach the parent, which passes each on once
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # in the background, yet it may write to the terminal
    threading.Thread(target=_end_with_parent, args=[theirs], daemon=True).start()
    console.own_stdout()


def name_study(name: str) -> None:
    """Tell the parent which study runs, for the message it may have to give."""
    if _link:
        _link.sendall(name.encode())


def leave(code: int) -> NoReturn:
    """End the process with a code: a child tells its parent that it means to, and skips Ray's exit hooks."""
    if not _link:
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    with suppress(OSError):
        _link.sendall(_ENDED)
    os._exit(code)


def _end_with_parent(link: socket.socket) -> None:
    """Nobody would hear of a search whose parent was killed, nor could stop it with Ctrl-C."""
    with suppress(OSError):
        link.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


def _wait(child: int, link: socket.socket) -> NoReturn:
    asked: set[int] = set()

    def pass_on(number: int, frame: FrameType | None) -> None:
        asked.add(number)
        with suppress(ProcessLookupError):
            os.kill(child, number)

    def suspend(number: int, frame: FrameType | None) -> None:
        pass_on(signal.SIGSTOP, frame)
        os.kill(os.getpid(), signal.SIGSTOP)
        pass_on(signal.SIGCONT, frame)

    for kind in (*STOPS, signal.SIGHUP):
        if signal.getsignal(kind) != signal.SIG_IGN:  # as under nohup
            signal.signal(kind, pass_on)
    signal.signal(signal.SIGTSTP, suspend)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    name, ended, _ = _received(link).partition(_ENDED)
    if ended:
        raise typer.Exit(code)
    again = f"serhpo resume {name.decode()}" if name else "run the command again"
    # While Ray starts, handlers of its own end the child with an exit code.
    if -code in STOPS or (code > 0 and asked & STOPS):
        raise SearchInterruptedError("Stopped at once", hint=again)
    raise RayDiedError(
        "The search was killed" if code < 0 else "Ray ended the search: one of its own processes died",
        got=f"signal {-code}, {signal.Signals(-code).name}" if code < 0 else f"exit code {code}",
        hint=f"{again}; if this happens again, look whether memory runs out",
    )


def _received(link: socket.socket) -> bytes:
    """All that the child said; what it left running may hold its end of the link open."""
    link.setblocking(False)
    said = b""
    with suppress(BlockingIOError):
        while part := link.recv(4096):
            said += part
    return said
