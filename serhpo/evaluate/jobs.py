"""What an evaluation has to train, and whether it may: test speakers are read once, or knowingly again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from serhpo.config import digest
from serhpo.errors import UsageError

Variant = Literal["joint", "classes", "dimensions"]
"""A trial's own configuration, or it trained for one task alone: λ = 1 or λ = 0."""


SEEDS = 3
"""Trainings of every candidate on every fold, unless told otherwise."""


@dataclass(frozen=True)
class Job:
    """One training and the one reading of test speakers that follows it.

    Attributes:
        trial: Whose configuration.
        variant: What it is trained for.
        seed: Number of the repetition, from 0.
        fold: Name of the fold.
        corpus: Digest of the corpus whose speakers test.
    """

    trial: int
    variant: Variant
    seed: int
    fold: str
    corpus: str

    @property
    def id(self) -> str:
        """Tells it from any other job of the study."""
        return digest(asdict(self))[:16]


@dataclass(frozen=True)
class Request:
    """What a user asks for.

    Attributes:
        trials: Candidates, by number.
        controls: The trials that are also trained for one task alone, unless an earlier reading chose.
        folds: Names of the folds wanted.
        seeds: Trainings of every candidate on every fold; None = those there are, else :data:`SEEDS`.
        again: Read the test speakers again where they were read before.
        corpus: Digest of the corpus whose speakers test.
    """

    trials: tuple[int, ...]
    controls: Mapping[Variant, int]
    folds: tuple[str, ...]
    seeds: int | None
    again: bool
    corpus: str


@dataclass(frozen=True)
class Reading:
    """One decision to read test speakers, written down before the first of its jobs starts.

    Attributes:
        number: Counted from 1.
        jobs: All that it takes.
    """

    number: int
    jobs: tuple[Job, ...]


@dataclass(frozen=True)
class Decision:
    """What a request comes to.

    Attributes:
        shown: The jobs whose results make the tables: those of earlier readings, too.
        reading: The new one, None where earlier ones planned all of it.
        controls: The trials that are also trained for one task alone.
    """

    shown: tuple[Job, ...]
    reading: Reading | None
    controls: Mapping[Variant, int]


def decide(
    request: Request,
    readings: Sequence[Reading],
    done: Iterable[str],
    test_speakers: Mapping[str, frozenset[str]],
) -> Decision:
    """Which jobs a request comes to.

    Args:
        request: What is asked for.
        readings: Those that were begun, in order.
        done: Ids of the jobs that have a result.
        test_speakers: Of every fold.

    Raises:
        UsageError: It would read test speakers for a trial a second time without being told to.
    """
    finished = set(done)
    earlier = [job for reading in readings for job in reading.jobs if job.corpus == request.corpus]
    controls: dict[Variant, int] = {j.variant: j.trial for j in reversed(earlier) if j.variant != "joint"}
    controls = {**request.controls, **controls}
    wanted: list[Job] = []
    for trial in request.trials:
        wanted += _of_trial(request, trial, earlier, finished, test_speakers)
    seeds = sorted({job.seed for job in wanted})
    for variant, trial in controls.items():
        wanted += [
            Job(trial, variant, seed, fold, request.corpus) for seed in seeds for fold in request.folds
        ]
    known = set(earlier)
    new = tuple(job for job in wanted if job not in known)
    reading = Reading(1 + max((r.number for r in readings), default=0), new) if new else None
    return Decision(tuple(wanted), reading, controls)


def _of_trial(
    request: Request,
    trial: int,
    earlier: Sequence[Job],
    finished: set[str],
    test_speakers: Mapping[str, frozenset[str]],
) -> list[Job]:
    """The jobs of one candidate, fold by fold."""
    mine = [job for job in earlier if job.trial == trial and job.variant == "joint"]
    under_way = any(job.fold in request.folds and job.id not in finished for job in mine)
    further = 1 + max((job.seed for job in mine), default=-1)
    wanted: list[Job] = []
    for fold in request.folds:
        here = [job for job in mine if job.fold == fold]
        heard = {name for job in mine for name in test_speakers[job.fold] & test_speakers[fold]}
        asked = _jobs(request, trial, fold, 0)
        if not heard:
            wanted += asked
        elif request.again:
            wanted += here if under_way else [*here, *_jobs(request, trial, fold, further)]
        elif here and (request.seeds is None or set(asked) <= set(here)):
            wanted += here
        else:
            raise _refusal(trial, mine, sorted(heard))
    return wanted


def _jobs(request: Request, trial: int, fold: str, first: int) -> list[Job]:
    seeds = range(first, first + (request.seeds or SEEDS))
    return [Job(trial, "joint", seed, fold, request.corpus) for seed in seeds]


def _refusal(trial: int, mine: Sequence[Job], heard: Sequence[str]) -> UsageError:
    seeds, folds = len({job.seed for job in mine}), sorted({job.fold for job in mine})
    return UsageError(
        f"Trial {trial} has been measured on these test speakers already",
        where=f"speakers {', '.join(heard[:10])}" + (" …" if len(heard) > 10 else ""),
        got=f"{seeds} {'seed' if seeds == 1 else 'seeds'} on {', '.join(folds)}, in evaluations.jsonl",
        allowed=f"what was measured, from disk: --seeds {seeds} or fewer, the same folds",
        hint="--again reads them once more, with further seeds; every table will say so",
    )
