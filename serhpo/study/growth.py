"""How a front grew: its hypervolume after each trial that ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from serhpo import pareto
from serhpo.study.trial import TrialRecord


def growth(ended: Iterable[TrialRecord], objectives: Sequence[pareto.Objective]) -> list[tuple[int, float]]:
    """Number of every ended trial and the front's hypervolume since, in raw units.

    Args:
        ended: Trials in the order they ended, see :meth:`serhpo.study.Study.ended`.
        objectives: What they were optimised for.
    """
    points: list[list[float]] = []
    volume, steps = 0.0, []
    for trial in ended:
        if trial.state == "COMPLETE" and trial.values is not None:
            points.append([trial.values[objective.metric] for objective in objectives])
            volume = pareto.hypervolume(points, objectives)
        steps.append((trial.number, volume))
    return steps
