"""The Pareto front as a figure: first objective across, second up."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import plotly.graph_objects as go

from serhpo.pareto import Objective
from serhpo.report import words
from serhpo.report.canvas import canvas, cross, hover, label_font, plain, reference_line, ring, streams_name
from serhpo.report.colours import AREA, FRONT, INK, MUTED, PAPER, Shade, series
from serhpo.report.numbers import Baseline, Numbers, Trial

Point: TypeAlias = tuple[float, float]

_NUMBERED = 12
"""Fronts up to this size show trial numbers beside the points; in larger ones they would overlap."""

_PAIR = ("class_mean", "class_mean_posterior")
"""Baselines that stand close together: the lower one's name goes below it."""

_LABEL = (0.06, 0.08)
"""Width and height a number needs, as parts of the axes."""


def front_figure(numbers: Numbers) -> go.Figure | None:
    """All trials at the epoch that stands for them, the front among them.

    Returns:
        The figure, or None where no trial has a value yet.
    """
    if not any(trial.values for trial in numbers.trials):
        return None
    x, y = numbers.objectives[:2]
    figure = canvas(words.axis(x, "→"), words.axis(y, "↑"))
    figure.add_traces([*_area(numbers), *_clouds(numbers), *_members(numbers)])
    _add_baselines(figure, numbers)
    views = _views(numbers)
    figure.update_layout(
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "itemsizing": "constant"},
        xaxis_range=views["whole"][0],
        yaxis_range=views["whole"][1],
        meta={"views": views},
    )
    return figure


def stairs(points: Sequence[Point], objectives: Sequence[Objective]) -> list[Point]:
    """The step line through a front: between neighbours the best corner that both of them dominate.

    Args:
        points: Members of the front, by the first objective.
        objectives: Of the two coordinates.
    """
    worse_x, worse_y = (min if o.direction == "maximise" else max for o in objectives)
    path = list(points[:1])
    for a, b in pairwise(points):
        path += [(worse_x(a[0], b[0]), worse_y(a[1], b[1])), b]
    return path


def _area(numbers: Numbers) -> list[go.Scatter]:
    """The area whose size is the hypervolume, and the step line that bounds it; for two objectives alone."""
    axes = numbers.objectives
    if len(axes) != 2:
        return []
    points = [(trial.values[axes[0].metric], trial.values[axes[1].metric]) for trial in numbers.front]
    corner = (axes[0].reference, axes[1].reference)
    inside = [point for point in points if stairs([corner, point], axes)[1] == corner]
    traces = []
    if inside:
        ends = [corner, (corner[0], inside[0][1])], [(inside[-1][0], corner[1])]
        outline = [*ends[0], *stairs(inside, axes), *ends[1]]
        traces.append(_path(outline, "hypervolume", fill="toself", fillcolor=AREA.light))
        traces[0].line.width = 0
    if len(points) > 1:
        traces.append(_path(stairs(points, axes), "front"))
    return traces


def _path(points: Sequence[Point], name: str, **look: Any) -> go.Scatter:
    return go.Scatter(
        x=[point[0] for point in points],
        y=[point[1] for point in points],
        name=name,
        mode="lines",
        line={"color": FRONT.light, "width": 2},
        hoverinfo="skip",
        **look,
    )


def _clouds(numbers: Numbers) -> list[go.Scatter]:
    """Everything off the front, faint: complete, pruned and running trials."""
    traces = []
    for index, streams in enumerate(numbers.streams):
        shade, symbol = series(index)
        hollow = {"symbol": f"{symbol}-open", "size": 12, "color": shade.light, "line": {"width": 2}}
        looks = {
            "COMPLETE": ({"symbol": symbol, "size": 9, "color": shade.light}, 0.5),
            "TIE": (hollow, 1.0),
            "PRUNED": (cross(shade), 0.45),
            "RUNNING": (ring(shade), 0.8),
        }
        off_front = [t for t in numbers.trials if t.streams == streams and t.values and not t.on_front]
        for state, (marker, opacity) in looks.items():
            own = [trial for trial in off_front if ("TIE" if trial.tie else trial.state) == state]
            if own:
                traces.append(
                    _points(own, numbers, streams, marker=marker, opacity=opacity, showlegend=False)
                )
    return traces


def _members(numbers: Numbers) -> list[go.Scatter]:
    """The front with its error bars; also the legend's key of every combination of encoders."""
    traces = []
    sides = _sides(numbers)
    for index, streams in enumerate(numbers.streams):
        shade, symbol = series(index)
        own = [trial for trial in numbers.front if trial.streams == streams]
        outline = {"color": PAPER.light, "width": 1.5}
        trace = _points(
            own,
            numbers,
            streams,
            marker={"symbol": symbol, "size": 14, "color": shade.light, "line": outline},
            error_x=_bars(own, numbers.objectives[0], shade),
            error_y=_bars(own, numbers.objectives[1], shade),
        )
        if not own:
            trace.update(x=[None], y=[None])  # plotly keeps no legend entry for an empty trace
        elif len(numbers.front) <= _NUMBERED:
            trace.update(
                mode="markers+text",
                text=[f"{t.number} knee" if t.number == numbers.knee else str(t.number) for t in own],
                textposition=[sides[trial.number] for trial in own],
                textfont=label_font(INK),
            )
        traces.append(trace)
    return traces


def _sides(numbers: Numbers) -> dict[int, str]:
    """Where each front member's number stands: above, or below where it would hide its upper neighbour's."""
    axes = list(zip(numbers.objectives, _views(numbers)["whole"], _LABEL, strict=False))
    sides: dict[int, str] = {}
    for before, trial in zip((None, *numbers.front), numbers.front, strict=False):
        near = before is not None and all(
            abs(trial.values[o.metric] - before.values[o.metric]) < part * (high - low)
            for o, (low, high), part in axes
        )
        below = before is not None and near and sides[before.number] == "top right"
        sides[trial.number] = "bottom left" if below else "top right"
    return sides


def _points(trials: Sequence[Trial], numbers: Numbers, streams: str | None, **look: Any) -> go.Scatter:
    x, y = numbers.objectives[:2]
    return go.Scatter(
        x=[trial.values[x.metric] for trial in trials],
        y=[trial.values[y.metric] for trial in trials],
        name=streams_name(streams),
        legendgroup=streams_name(streams),
        mode="markers",
        **look,
        **hover(trials, numbers),
    )


def _bars(trials: Sequence[Trial], objective: Objective, shade: Shade) -> dict[str, Any]:
    errors = [trial.errors.get(objective.metric) for trial in trials]
    return {"type": "data", "array": errors, "color": shade.light, "thickness": 1, "width": 3}


def _add_baselines(figure: go.Figure, numbers: Numbers) -> None:
    """Lines for the rows that fix one objective only, crosses for those that stand at a point."""
    x, y = (objective.metric for objective in numbers.objectives[:2])
    heights = [row.values[y] for row in numbers.baselines or () if row.name in _PAIR and y in row.values]
    for row in numbers.baselines or ():
        if row.name == "majority_class" and x in row.values:
            reference_line(figure, "x", row.values[x], words.baseline(row.name))
        elif row.name == "class_mean_oracle" and y in row.values:
            reference_line(figure, "y", row.values[y], words.baseline(row.name))
        elif x in row.values and y in row.values:
            _add_baseline_point(
                figure, row, row.values[x], row.values[y], below=row.values[y] < max(heights, default=0.0)
            )


def _add_baseline_point(figure: go.Figure, row: Baseline, x: float, y: float, *, below: bool) -> None:
    name = plain(words.baseline(row.name))
    figure.add_scatter(
        x=[x],
        y=[y],
        mode="markers+text",
        text=[name],
        textposition=f"{'bottom' if below else 'top'} left",
        textfont=label_font(MUTED),
        marker={"symbol": "cross-thin", "size": 11, "line": {"color": MUTED.light, "width": 2}},
        showlegend=False,
        hovertemplate=f"{name}<br>%{{x:.3f}}, %{{y:.3f}}<extra></extra>",
    )


def _views(numbers: Numbers) -> dict[str, list[list[float]]]:
    """Axis ranges the page offers: everything, or the front alone once it has an extent."""
    x, y = numbers.objectives[:2]
    views = {"whole": [_range(numbers, x, "majority_class"), _range(numbers, y, "class_mean_oracle")]}
    if len(numbers.front) > 1:
        views["front"] = [_around(_reach(numbers.front, objective.metric)) for objective in (x, y)]
    return views


def _range(numbers: Numbers, objective: Objective, line: str) -> list[float]:
    """From the hypervolume's reference to the outermost point, error bar or baseline."""
    drawn = (line, "class_mean", "class_mean_posterior")
    rows = [row for row in numbers.baselines or () if row.name in drawn and objective.metric in row.values]
    off_front = [t.values[objective.metric] for t in numbers.trials if t.values and not t.on_front]
    extent = [objective.reference, *off_front, *(row.values[objective.metric] for row in rows)]
    return _around([*extent, *_reach(numbers.front, objective.metric)])


def _reach(trials: Sequence[Trial], metric: str) -> list[float]:
    """The ends of all error bars."""
    return [t.values[metric] + side * t.errors.get(metric, 0.0) for t in trials for side in (-1, 1)]


def _around(values: Sequence[float]) -> list[float]:
    """A range with some air around the values."""
    low, high = min(values), max(values)
    air = 0.08 * (high - low) or 0.05
    return [low - air, high + air]
