"""Every error a user can cause, one exit code each.

    SerhpoError                 1   a bug of ours when raised as itself
    ├── UsageError              2   the command line asks for something that does not exist
    ├── ConfigError             3   a configuration file or value is wrong
    │   └── SpaceError          3   ... a search space is
    ├── CorpusError             3   labels or audio are wrong
    │   ├── AudioError          3   ... one recording cannot be read
    │   └── LeakageError        3   ... a speaker stands in two parts of one fold
    ├── StudyError              3   a study folder is missing, damaged or of another kind
    ├── NoCompleteTrialError    4   a search ended without one complete trial
    ├── ResourceError           5   machine, disk or cluster cannot do it
    │   ├── RayDiedError        5   ... one of Ray's own processes died
    │   ├── StorageError        5   ... a folder cannot be written, a disk is full
    │   └── StudyLockedError    5   ... another process is running this study
    └── SearchInterruptedError  130   stopped by the user, everything saved

A message answers up to five questions, each on a line of its own: what was wrong, where (file and
key), the value got, what is allowed, what to try next.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Problem:
    """One thing wrong in the user's input: where it stands and what it is."""

    what: str
    file: str | None = None
    line: int | None = None
    key: str | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.file and self.line else self.file
        return ": ".join(part for part in (place, self.key, self.what) if part)


class SerhpoError(Exception):
    """Base of every error that is shown to a user without a traceback.

    Args:
        what: One sentence: what was wrong.
        where: File, key or command the sentence is about.
        got: The offending value.
        allowed: What would have been accepted.
        hint: What to try next.
        problems: All single problems, where one check found several.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        where: object = None,
        got: object = None,
        allowed: object = None,
        hint: str | None = None,
        problems: Sequence[Problem] = (),
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = None if where is None else str(where)
        self.got = None if got is None else str(got)
        self.allowed = None if allowed is None else str(allowed)
        self.hint = hint
        self.problems = tuple(problems)

    def __str__(self) -> str:
        shown = [f"  - {problem}" for problem in self.problems[:20]]
        if len(self.problems) > 20:
            shown.append(f"  - ... and {len(self.problems) - 20} more")
        labelled = (("where", self.where), ("got", self.got), ("allowed", self.allowed))
        lines = [f"  {name}: {text}" for name, text in labelled if text is not None]
        hint = [f"  next: {self.hint}"] if self.hint else []
        return "\n".join([self.what, *shown, *lines, *hint])

    def __reduce__(self) -> tuple[Any, ...]:  # keyword arguments survive a worker process
        return _rebuild, (type(self), self.what, self.where, self.got, self.allowed, self.hint, self.problems)

    def as_problem(self) -> Problem:
        """The error as one line among others."""
        named = (("got", self.got), ("allowed", self.allowed))
        detail = "; ".join(f"{name} {text}" for name, text in named if text)
        what = f"{self.what} ({detail})" if detail else self.what
        return Problem(f"{what}; {self.hint}" if self.hint else what, file=self.where)

    def to_json(self) -> dict[str, Any]:
        """The error as the document printed under ``--json``."""
        body: dict[str, Any] = {"kind": type(self).__name__, "message": self.what}
        for name in ("where", "got", "allowed", "hint"):
            if (value := getattr(self, name)) is not None:
                body[name] = value
        if self.problems:
            body["problems"] = [asdict(problem) for problem in self.problems]
        return {"error": body}


def _rebuild(
    kind: type[SerhpoError],
    what: str,
    where: str | None,
    got: str | None,
    allowed: str | None,
    hint: str | None,
    problems: Sequence[Problem],
) -> SerhpoError:
    return kind(what, where=where, got=got, allowed=allowed, hint=hint, problems=problems)


class UsageError(SerhpoError):
    """The command line names something that does not exist."""

    exit_code = 2


class ConfigError(SerhpoError):
    """A configuration file or value is wrong."""

    exit_code = 3


class SpaceError(ConfigError):
    """A search space is wrong."""


class CorpusError(SerhpoError):
    """The labels or the audio of a corpus are wrong."""

    exit_code = 3


class AudioError(CorpusError):
    """One recording cannot be read."""


class LeakageError(CorpusError):
    """A speaker stands in two parts of one fold."""


class StudyError(SerhpoError):
    """A study folder is missing, damaged, or not what the command needs."""

    exit_code = 3


class NoCompleteTrialError(SerhpoError):
    """A search ended without one complete trial."""

    exit_code = 4


class ResourceError(SerhpoError):
    """The machine, disk or cluster cannot do what was asked."""

    exit_code = 5


class StorageError(ResourceError):
    """A folder cannot be written or a disk is full."""

    @classmethod
    def from_os_error(cls, error: OSError, where: object) -> StorageError:
        """One clear sentence for the errors a disk gives: full, read-only, forbidden."""
        room = "free some space, or go elsewhere: studies and features with SERHPO_HOME"
        elsewhere = "name a folder you can write: for studies and features with SERHPO_HOME"
        known = {
            errno.ENOSPC: ("The disk is full", room),
            errno.EDQUOT: ("The disk quota is used up", room),
            errno.EROFS: ("The file system is read-only", elsewhere),
            errno.EACCES: ("No permission to write here", elsewhere),
            errno.EPERM: ("No permission to write here", elsewhere),
        }
        what, hint = known.get(error.errno or 0, (f"Cannot write: {error.strerror or error}", None))
        return cls(what, where=error.filename or where, hint=hint)


class RayDiedError(ResourceError):
    """One of Ray's own processes died, and the search with it; what was computed is kept."""


class StudyLockedError(ResourceError):
    """Another process is running this study."""


class SearchInterruptedError(SerhpoError):
    """The user stopped a search; everything is saved and can be resumed."""

    exit_code = 130


def nearest(name: str, known: Iterable[str]) -> str:
    """`` Did you mean `x`?`` for the closest of the known names, else an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean `{close[0]}`?" if close else ""


def unknown_name(kind: str, name: str, known: Iterable[str], where: object = None) -> UsageError:
    """The error for a name that is not registered: lists the known ones and the nearest."""
    names = sorted(known)
    hint = nearest(name, names).strip() or None
    return UsageError(f"Unknown {kind} `{name}`", where=where, allowed=", ".join(names), hint=hint)
