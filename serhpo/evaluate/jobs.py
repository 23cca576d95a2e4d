"""What an evaluation has to train, and whether it may: test speakers are read once, or knowingly again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from serhpo.config import digest
from serhpo.errors import UsageError
from serhpo.evaluate.held_out import HeldOut
from serhpo.text import counted

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
        tested: Key of the test speakers, see :class:`~serhpo.evaluate.held_out.HeldOut`.
    """

    trial: int
    variant: Variant
    seed: int
    fold: str
    tested: str

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
        tested: Whose speakers test.
    """

    trials: tuple[int, ...]
    controls: Mapping[Variant, int]
    folds: tuple[str, ...]
    seeds: int | None
    again: bool
    tested: HeldOut


@dataclass(frozen=True)
class Reading:
    """One decision to read test speakers, written down before the first of its jobs starts.

    Attributes:
        number: Counted from 1.
        jobs: All that it takes.
        tested: Whose speakers test.
    """

    number: int
    jobs: tuple[Job, ...]
    tested: HeldOut

    def heard(self, trial: int) -> frozenset[str]:
        """Test speakers that the trial itself is measured on."""
        folds = {job.fold for job in self.jobs if (job.trial, job.variant) == (trial, "joint")}
        return frozenset(name for fold in folds for name in self.tested.speakers[fold])


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


def decide(request: Request, readings: Sequence[Reading], done: Iterable[str]) -> Decision:
    """Which jobs a request comes to.

    Args:
        request: What is asked for.
        readings: Those that were begun, in order.
        done: Ids of the jobs that have a result.

    Raises:
        UsageError: It would read test speakers for a trial a second time without being told to.
    """
    finished, key = set(done), request.tested.key
    earlier = [job for reading in readings for job in reading.jobs if job.tested == key]
    controls: dict[Variant, int] = {j.variant: j.trial for j in reversed(earlier) if j.variant != "joint"}
    controls = {**request.controls, **controls}
    wanted: list[Job] = []
    for trial in request.trials:
        wanted += _of_trial(request, trial, readings, earlier, finished)
    seeds = sorted({job.seed for job in wanted})
    for variant, trial in controls.items():
        wanted += [Job(trial, variant, seed, fold, key) for seed in seeds for fold in request.folds]
    known = set(earlier)
    new = tuple(job for job in wanted if job not in known)
    number = 1 + max((reading.number for reading in readings), default=0)
    reading = Reading(number, new, request.tested) if new else None
    return Decision(tuple(wanted), reading, controls)


def _of_trial(
    request: Request, trial: int, readings: Sequence[Reading], earlier: Sequence[Job], finished: set[str]
) -> list[Job]:
    """The jobs of one candidate, fold by fold."""
    mine = [job for job in earlier if job.trial == trial and job.variant == "joint"]
    under_way = any(job.fold in request.folds and job.id not in finished for job in mine)
    further = 1 + max((job.seed for job in mine), default=-1)
    of_corpus = [r for r in readings if r.tested.corpus_digest == request.tested.corpus_digest]
    heard_before = frozenset[str]().union(*(reading.heard(trial) for reading in of_corpus))
    wanted: list[Job] = []
    for fold in request.folds:
        here = [job for job in mine if job.fold == fold]
        heard = heard_before.intersection(request.tested.speakers[fold])
        asked = _jobs(request, trial, fold, 0)
        if not heard:
            wanted += asked
        elif request.again:
            wanted += here if under_way else [*here, *_jobs(request, trial, fold, further)]
        elif here and (request.seeds is None or set(asked) <= set(here)):
            # What was planned and not begun can still be left out.
            wanted += [job for job in here if request.seeds is None or job in asked or job.id in finished]
        else:
            raise _refusal(trial, [r for r in of_corpus if r.heard(trial) & heard], sorted(heard))
    return wanted


def _jobs(request: Request, trial: int, fold: str, first: int) -> list[Job]:
    seeds = range(first, first + (request.seeds or SEEDS))
    return [Job(trial, "joint", seed, fold, request.tested.key) for seed in seeds]


def _refusal(trial: int, readings: Sequence[Reading], heard: Sequence[str]) -> UsageError:
    jobs = [j for reading in readings for j in reading.jobs if (j.trial, j.variant) == (trial, "joint")]
    seeds, folds = len({job.seed for job in jobs}), sorted({job.fold for job in jobs})
    protocols = " and ".join(sorted({reading.tested.protocol for reading in readings}))
    return UsageError(
        f"Trial {trial} has been measured on these test speakers already",
        where=f"speakers {', '.join(heard[:10])}" + (" …" if len(heard) > 10 else ""),
        got=f"{counted(seeds, 'seed')}, {protocols}: {', '.join(folds)}",
        allowed="what was measured, from disk: the same protocol and folds, no more seeds",
        hint="--again reads them once more, with further seeds; every table will say so",
    )
