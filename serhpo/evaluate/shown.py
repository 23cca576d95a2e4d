"""What can stand in one table: rows beside one another are measured on the same folds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from serhpo.evaluate.jobs import Job, Variant
from serhpo.evaluate.record import Record

Repetition: TypeAlias = tuple[int, Variant, int]
"""Trial, what it was trained for, seed."""


def finished(record: Record, jobs: Iterable[Job]) -> dict[Repetition, dict[str, Job]]:
    """The jobs that have a result, by repetition and then by fold."""
    found: dict[Repetition, dict[str, Job]] = {}
    for job in jobs:
        if record.results.get(job.id, {}).get("kind") == "result":
            found.setdefault((job.trial, job.variant, job.seed), {})[job.fold] = job
    return found


def fold_sets(record: Record, jobs: Iterable[Job], order: Iterable[str]) -> list[list[str]]:
    """The sets of folds to make tables of, so that every candidate stands in one with all it was measured on.

    Args:
        record: What is finished.
        jobs: Those of one corpus and protocol.
        order: All folds of the protocol.

    Returns:
        Each set in the protocol's order, the largest first.
    """
    order = list(order)
    measured: dict[int, set[frozenset[str]]] = {}
    for (trial, variant, _), by_fold in finished(record, jobs).items():
        if variant == "joint":
            measured.setdefault(trial, set()).add(frozenset(by_fold))
    # A repetition that has more folds than another one speaks for both.
    wanted = {one for sets in measured.values() for one in sets if not any(one < other for other in sets)}
    found = sorted(sorted(map(order.index, folds)) for folds in wanted)
    return [[order[place] for place in places] for places in sorted(found, key=len, reverse=True)]


def left_out(record: Record, jobs: Iterable[Job], folds: Sequence[str]) -> list[dict[str, Any]]:
    """Repetitions that were measured, but not on all folds of a table: ``trial, variant, seeds, missing``."""
    seeds: dict[tuple[int, Variant, tuple[str, ...]], list[int]] = {}
    for (trial, variant, seed), by_fold in sorted(finished(record, jobs).items()):
        if missing := tuple(fold for fold in folds if fold not in by_fold):
            seeds.setdefault((trial, variant, missing), []).append(seed)
    return [
        {"trial": trial, "variant": variant, "seeds": numbers, "missing": list(missing)}
        for (trial, variant, missing), numbers in seeds.items()
    ]
