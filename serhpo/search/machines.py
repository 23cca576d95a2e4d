"""Whether a cluster can run a search: every reason why not, before anything is computed."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

from serhpo.cluster import Capacity, Share, capacity, gather, look_around, other_nodes
from serhpo.cluster.waiting import Show
from serhpo.errors import Problem, ResourceError
from serhpo.search.settings import SearchSettings

_UNSEEN = "what this machine writes to"

LOOK_EVERY_S = 5.0

RECORDINGS = 20
"""Recordings of a corpus that every machine is asked for."""


def share_of(settings: SearchSettings) -> Share:
    """What one trial takes."""
    return Share(settings.cpus_per_trial, settings.gpus_per_trial)


class Room:
    """How many trials may be under way: as many as fit, with the machines that come and go.

    Where a cluster can grow they are more: trials without a place are what makes it grow.

    Args:
        share: What a trial takes.
        limit: Trials at most; None for as many as fit.

    Raises:
        ResourceError: Not even one fits, or ever will.
    """

    def __init__(self, share: Share, limit: int | None, look: Callable[[], Capacity] = capacity) -> None:
        self._share, self._limit, self._look = share, limit, look
        self._there = look()
        self._seen = monotonic()
        self._there.require(share)

    def __str__(self) -> str:
        return self._there.packing(self._share, self._limit)

    @property
    def gpus(self) -> int:
        """GPUs that are there, whether trials ask for them or not."""
        return self._there.gpus

    @property
    def fitting(self) -> int:
        """Trials that fit on the machines that are there."""
        return min(self._limit or sys.maxsize, max(1, self._there.now(self._share)))

    def __call__(self) -> int:
        """Trials that may be under way."""
        if monotonic() - self._seen > LOOK_EVERY_S:
            self._there, self._seen = self._look(), monotonic()
        return min(self._limit or sys.maxsize, self._there.wanted(self._share))


def require_cluster(
    settings: SearchSettings,
    nodes: int | None,
    folders: Sequence[Path],
    recordings: Sequence[str],
    show: Show | None,
) -> Room:
    """Wait for the machines of the cluster, and make sure that they can run a search.

    Args:
        settings: Of the search.
        nodes: So many machines, the head among them; None for those the cluster's file promises.
        folders: All machines must see what is written there.
        recordings: All machines must see them; some of many are asked for.
        show: Told how the waiting stands; None to wait for nobody.

    Raises:
        ResourceError: They cannot; names every reason, machine by machine.
    """
    problems: list[Problem] = []
    try:
        if show:
            gather(share_of(settings), nodes, settings.wait_s, show)
        else:
            capacity().require(share_of(settings))
    except ResourceError as error:
        problems.append(error.as_problem())
    problems += _blind_or_different(folders, recordings)
    if problems:
        raise ResourceError("The cluster cannot run this search", problems=problems, hint=_hint(problems))
    return Room(share_of(settings), settings.concurrent)


def require_shared(folder: Path) -> None:
    """Make sure that every machine of the cluster sees a folder of this one, under the same name.

    Ray tasks that fill the cache, and trials that read it, run on any of them. A machine of its own
    costs nothing here.

    Raises:
        ResourceError: Some do not, or cannot work with this machine at all.
    """
    if problems := _blind_or_different([folder], []):
        raise ResourceError(
            "Not every machine of the cluster sees this one's feature cache",
            where=folder,
            problems=problems,
            hint=_hint(problems),
        )


def _blind_or_different(folders: Iterable[Path], recordings: Sequence[str]) -> list[Problem]:
    if not other_nodes():  # a machine of its own is asked nothing
        return []
    with ExitStack() as stack:
        markers = {}
        for folder in folders:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                file = tempfile.NamedTemporaryFile(dir=folder, prefix=".seen-by-all-")  # noqa: SIM115
                markers[stack.enter_context(file).name] = str(folder)
            except OSError:  # a cache that may only be read: its readers will tell what they miss
                continue
        lines = look_around([*markers, *_some(recordings)])
    for marker, written in markers.items():
        lines = [line.replace(marker, f"{_UNSEEN} {written}") for line in lines]
    return [Problem(line) for line in lines]


def _some(recordings: Sequence[str]) -> list[str]:
    """Spread over all, the first and the last among them."""
    if len(recordings) <= RECORDINGS:
        return list(recordings)
    return [recordings[i * (len(recordings) - 1) // (RECORDINGS - 1)] for i in range(RECORDINGS)]


def _hint(problems: Iterable[Problem]) -> str | None:
    if any(_UNSEEN in problem.what for problem in problems):
        return (
            "studies and features lie where all machines see them: SERHPO_HOME on a folder they mount, or "
            "--cache s3://bucket/folder for the features"
        )
    return None
