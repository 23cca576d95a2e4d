"""What the runs of ``search_end_to_end.py`` say: a table, a verdict, a picture."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from end_to_end_peers import PEERS

from serhpo import pareto

OURS = "serhpo"
GOAL = 1 / 3
OBJECTIVES = pareto.standard_objectives(4)
STEPS = 60

Run = dict[str, Any]
"""``contestant``, ``seed``, ``finished`` and the settings of the run."""

Finished = list[dict[str, float]]
"""Fully trained trials by time: ``at`` (seconds since the start), ``ua``, ``ccc``."""


def hypervolumes(done: Finished, times: Sequence[float]) -> np.ndarray:
    """Hypervolume of what was fully trained at each of these times."""
    sofar = [[(trial["ua"], trial["ccc"]) for trial in done if trial["at"] <= at] for at in times]
    return np.array([pareto.hypervolume(values, OBJECTIVES) if values else 0.0 for values in sofar])


def curves(runs: list[Run], minutes: float) -> dict[str, np.ndarray]:
    """``[seeds, STEPS]`` hypervolume of each contestant, in the order of the contestants."""
    times = np.linspace(0, 60 * minutes, STEPS + 1)[1:]
    names = [name for name in (OURS, *PEERS) if any(run["contestant"] == name for run in runs)]
    return {
        name: np.array([hypervolumes(run["finished"], times) for run in runs if run["contestant"] == name])
        for name in names
    }


def table(runs: list[Run], minutes: float) -> Iterator[str]:
    """Markdown: hypervolume × 1000, mean ± standard error over the seeds, and its course."""
    yield f"| in {minutes:g} minutes | fully trained | first after | a third | two thirds | all | course |"
    yield "|---|---|---|---|---|---|---|"
    drawn = curves(runs, minutes)
    highest = max((traces.mean(axis=0).max() for traces in drawn.values()), default=0.0)
    for name, traces in drawn.items():
        mine = [run["finished"] for run in runs if run["contestant"] == name]
        first = [done[0]["at"] for done in mine if done]
        cells = [in_words(1000 * traces[:, int(STEPS * share) - 1]) for share in (1 / 3, 2 / 3, 1)]
        yield (
            f"| {name} | {statistics.mean(map(len, mine)):.1f} | "
            f"{f'{statistics.mean(first):.0f} s' if first else 'never'} | {' | '.join(cells)} | "
            f"{course(traces.mean(axis=0), highest)} |"
        )


def in_words(values: np.ndarray) -> str:
    """Mean ± standard error; of one value no error is known."""
    error = f" ± {values.std(ddof=1) / np.sqrt(len(values)):.1f}" if len(values) > 1 else ""
    return f"{values.mean():.1f}{error}"


def course(trace: np.ndarray, highest: float) -> str:
    """A curve in thirty characters, on a scale that all rows share."""
    return "".join("·▁▂▃▄▅▆▇█"[int(np.ceil(8 * value / highest)) if highest else 0] for value in trace[1::2])


def verdict(runs: list[Run], minutes: float) -> Iterator[str]:
    """How soon ours is where the best of the others is in the end, seed by seed."""
    finals = {name: traces[:, -1].mean() for name, traces in curves(runs, minutes).items() if name != OURS}
    best = max(finals, key=lambda name: finals[name], default=OURS)
    done = {(run["contestant"], run["seed"]): run["finished"] for run in runs}
    seeds = [seed for name, seed in sorted(done) if name == OURS and (best, seed) in done]
    if not seeds or not finals.get(best):
        return
    shares = [share_of_time(done[OURS, seed], done[best, seed], minutes) for seed in seeds]
    said = ", ".join("never" if share > 1 else f"{share:.2f}" for share in shares)
    met = "met" if statistics.median(shares) <= GOAL else "MISSED"
    yield f"reaches {best}'s final hypervolume in this share of its time, seed by seed: {said}"
    yield f"goal {GOAL:.2f}: {met} by the median"


def share_of_time(ours: Finished, other: Finished, minutes: float) -> float:
    """When ours is as good as the other in the end, as a share of the time; infinite if never."""
    target = hypervolumes(other, [60 * minutes])[0]
    times = [trial["at"] for trial in ours]
    reached = (at for at, value in zip(times, hypervolumes(ours, times), strict=True) if value >= target)
    return next(reached, float("inf")) / (60 * minutes)


def draw(runs: list[Run], minutes: float, path: Path) -> None:
    """The curves: mean over the seeds, and their range."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 3.6), layout="constrained")
    times = np.linspace(0, minutes, STEPS + 1)[1:]
    for name, traces in curves(runs, minutes).items():
        (line,) = axes.step(
            times, traces.mean(axis=0), where="post", label=name, linewidth=2.5 if name == OURS else 1.2
        )
        axes.fill_between(
            times, traces.min(axis=0), traces.max(axis=0), step="post", alpha=0.12, color=line.get_color()
        )
    axes.set(
        xlabel="minutes since the command", ylabel="hypervolume of fully trained trials", xlim=(0, minutes)
    )
    axes.set_ylim(bottom=0)
    axes.legend(loc="lower right", fontsize=8, frameon=False)
    figure.savefig(path, dpi=150)
