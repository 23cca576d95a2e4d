"""What happened over time: learning curves with rungs, and the hypervolume over finished trials."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go

from serhpo.pareto import Objective
from serhpo.report import words
from serhpo.report.canvas import canvas, cross, reference_line, ring
from serhpo.report.colours import AREA, FRONT, MUTED, PAPER, Shade, series
from serhpo.report.numbers import HypervolumeStep, Numbers, Trial

_BASELINE = {"ua": "majority_class", "ccc": "class_mean"}
"""The row each objective's curves are read beside."""

_FEW = 12
"""Up to here an axis of whole numbers names every one."""

_CROWDED = 0.12
"""Below this part of the axis between the first rungs their labels would overlap on a phone."""


def curve_figure(numbers: Numbers, objective: Objective) -> go.Figure | None:
    """One objective over the epochs of every trial.

    Returns:
        The figure, or None where the ledger holds no epoch.
    """
    trials = [trial for trial in numbers.trials if trial.curve.epochs]
    if not trials:
        return None
    figure = canvas("Epoch", words.axis(objective, "↑", brief=True))
    for index, streams in enumerate(numbers.streams):
        own = [trial for trial in trials if trial.streams == streams]
        figure.add_traces(_curves(own, objective.metric, series(index)[0]))
    for row in numbers.baselines or ():
        if row.name == _BASELINE.get(objective.metric) and objective.metric in row.values:
            reference_line(figure, "y", row.values[objective.metric], words.baseline(row.name), left=True)
    _add_rungs(figure, numbers)
    return figure


def hypervolume_figure(numbers: Numbers) -> go.Figure | None:
    """Hypervolume of the front over finished trials.

    Returns:
        The figure, or None while there is no volume.
    """
    steps = numbers.hypervolume
    places = [float(step.finished) for step in steps]
    figure = _hypervolume(steps, places, "Finished trials, in the order they ended")
    if figure is not None:
        figure.update_xaxes(tickformat="d", dtick=1 if len(steps) <= _FEW else None)
    return figure


def hypervolume_hours_figure(numbers: Numbers, gpus: float) -> go.Figure | None:
    """Hypervolume of the front over hours of searching, or GPU hours where trials had GPUs.

    Args:
        numbers: Of the study.
        gpus: A trial has; 0 for hours of the clock.

    Returns:
        The figure, or None while there is no volume, or where an older ledger does not tell the hours.
    """
    steps = numbers.hypervolume
    hours = [step.trained * gpus if gpus else step.hours for step in steps]
    known = [hour for hour in hours if hour is not None]
    if len(known) < len(hours):
        return None
    return _hypervolume(steps, known, "GPU hours of training" if gpus else "Hours of searching")


def _hypervolume(steps: Sequence[HypervolumeStep], places: Sequence[float], x: str) -> go.Figure | None:
    if not steps or not steps[-1].hypervolume:
        return None
    volumes = [0.0, *(step.hypervolume for step in steps)]
    path = {"x": [0, *places], "y": volumes, "mode": "lines", "hoverinfo": "skip"}
    line = {"shape": "hv", "color": FRONT.light, "width": 2}
    figure = canvas(x, "Hypervolume · higher is better ↑")
    figure.add_scatter(**path, line={**line, "width": 0}, fill="tozeroy", fillcolor=AREA.light)
    figure.add_scatter(**path, line=line)
    grown = [
        (place, step)
        for place, step, before in zip(places, steps, volumes, strict=False)
        if step.hypervolume > before
    ]
    figure.add_scatter(
        x=[place for place, _ in grown],
        y=[step.hypervolume for _, step in grown],
        mode="markers",
        marker=_dot(FRONT),
        customdata=[step.number for _, step in grown],
        hovertemplate="trial %{customdata} moved the front<br>hypervolume %{y:.4f}<extra></extra>",
    )
    figure.update_xaxes(range=[0, max(places) * 1.02])
    figure.update_yaxes(rangemode="tozero")
    return figure


def _curves(trials: Sequence[Trial], metric: str, shade: Shade) -> list[go.Scatter]:
    """All trials of one colour: the front strong, the others faint, the ends marked."""
    front = [trial for trial in trials if trial.on_front]
    complete = [trial for trial in trials if trial.state == "COMPLETE" and not trial.on_front]
    cut_short = [trial for trial in trials if trial.state != "COMPLETE"]
    ends = {
        "PRUNED": cross(shade),
        "RUNNING": ring(shade),
        "FAIL": {**_dot(shade), "symbol": "triangle-down", "size": 11},
    }
    traces = [
        _lines(cut_short, metric, shade, width=1, opacity=0.35),
        _lines(complete, metric, shade, width=1.25, opacity=0.55),
        _lines(front, metric, shade, width=2.5, opacity=1),
    ]
    for state, marker in ends.items():
        own = [(trial, -1) for trial in trials if trial.state == state]
        traces.append(_marks(own, metric, marker, opacity=0.7))
    chosen = [(t, t.curve.epochs.index(t.epoch)) for t in front if t.epoch in t.curve.epochs]
    traces.append(_marks(chosen, metric, _dot(shade), opacity=1))
    return [trace for trace in traces if trace.x]


def _lines(trials: Sequence[Trial], metric: str, shade: Shade, *, width: float, opacity: float) -> go.Scatter:
    """One trace for many curves, a gap between each: thousands of traces would be slow to draw."""
    return go.Scatter(
        x=[epoch for trial in trials for epoch in (*trial.curve.epochs, None)],
        y=[value for trial in trials for value in (*trial.curve.values[metric], None)],
        customdata=[trial.number for trial in trials for _ in range(len(trial.curve.epochs) + 1)],
        mode="lines",
        line={"color": shade.light, "width": width},
        opacity=opacity,
        hovertemplate="trial %{customdata} · epoch %{x}<br>%{y:.3f}<extra></extra>",
    )


def _marks(
    ends: Sequence[tuple[Trial, int]], metric: str, marker: dict[str, Any], *, opacity: float
) -> go.Scatter:
    """Marks on trials at a position of their curves."""
    return go.Scatter(
        x=[trial.curve.epochs[position] for trial, position in ends],
        y=[trial.curve.values[metric][position] for trial, position in ends],
        customdata=[trial.number for trial, _ in ends],
        text=[words.state(trial.state) for trial, _ in ends],
        mode="markers",
        marker=marker,
        opacity=opacity,
        hovertemplate="trial %{customdata}, %{text} · epoch %{x}<br>%{y:.3f}<extra></extra>",
    )


def _dot(shade: Shade) -> dict[str, Any]:
    return {"size": 9, "color": shade.light, "line": {"color": PAPER.light, "width": 1.5}}


def _add_rungs(figure: go.Figure, numbers: Numbers) -> None:
    """Dotted lines where trials were compared, labelled with how many came and how many went on."""
    place = _scale_epochs(figure, numbers)
    for rung in numbers.rungs:
        figure.add_vline(rung.epoch, line={"color": MUTED.light, "width": 1, "dash": "dot"}, layer="below")
        figure.add_annotation(
            x=place(rung.epoch),
            y=1,
            yref="paper",
            yanchor="bottom",
            showarrow=False,
            text=f"rung {rung.epoch}<br>{rung.reached} → {rung.reached - rung.stopped}",
            font={"size": 12, "color": MUTED.light},
        )
    figure.update_layout(margin_t=44)


def _scale_epochs(figure: go.Figure, numbers: Numbers) -> Callable[[int], float]:
    """Lay out the axis of epochs; returns where on it an epoch's annotation goes.

    Rungs grow geometrically, so where the first ones would crowd, a logarithmic axis spreads them evenly.
    """
    rungs, last = [rung.epoch for rung in numbers.rungs], numbers.epochs_of_complete
    crowded = len(rungs) > 1 and (rungs[1] - rungs[0]) / last < _CROWDED
    place: Callable[[int], float] = math.log10 if crowded else float
    air = 0.06 * (place(last) - place(1)) or 0.5
    few = list(range(1, last + 1)) if last <= _FEW else None
    figure.update_xaxes(
        type="log" if crowded else "linear",
        range=[place(1) - air, place(last) + air],
        tickvals=sorted({1, *rungs, last}) if crowded else few,
        title_text="Epoch (logarithmic)" if crowded else "Epoch",
    )
    return place
