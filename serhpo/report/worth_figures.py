"""What parameters are worth: importance, marginal effects, λ, and the weights of adaptive schemes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from serhpo.report import words
from serhpo.report.canvas import canvas, hover, plain
from serhpo.report.colours import MUTED, PAPER, series
from serhpo.report.marginals import Effect
from serhpo.report.numbers import Numbers, Trial

FEWEST_LAMBDAS = 5
"""Complete trials with a λ of their own below which there is no sweep to show."""

_LEGEND = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "itemsizing": "constant"}
_WEIGHTING, _LAMBDA = "weighting.name", "weighting.lambda"


def importance_figure(importances: Mapping[str, Mapping[str, float]]) -> go.Figure | None:
    """Bars: a parameter's share for each objective; None where there were too few trials."""
    if not importances:
        return None
    names = sorted(
        {name for shares in importances.values() for name in shares},
        key=lambda name: sum(shares.get(name, 0.0) for shares in importances.values()),
    )
    figure = canvas("Share in reaching the best quarter of the trials", "")
    for index, (metric, shares) in enumerate(importances.items()):
        shade, _ = series(index)
        figure.add_bar(
            x=[shares.get(name, 0.0) for name in names],
            y=[plain(name) for name in names],
            orientation="h",
            name=words.short(metric),
            marker={"color": shade.light},
            hovertemplate="%{y}<br>" + words.short(metric) + " %{x:.2f}<extra></extra>",
        )
    figure.update_layout(showlegend=True, legend={**_LEGEND, "traceorder": "normal"}, barmode="group")
    figure.update_yaxes(type="category")
    return figure


def effects_figure(effects: Sequence[Effect], numbers: Numbers) -> go.Figure | None:
    """Dots with intervals: how much better trials with a setting did; None where nothing can be said."""
    if not effects:
        return None
    figure = canvas("With − without", "")
    rows = list(reversed(effects))
    names = [plain(effect.setting) for effect in rows]
    for index, objective in enumerate(numbers.measured):
        shade, symbol = series(index)
        triples = [effect.differences[objective.metric] for effect in rows]
        place = [position + (0.16 if index == 0 else -0.16) for position in range(len(rows))]
        figure.add_scatter(
            x=[middle for middle, _, _ in triples],
            y=place,
            mode="markers",
            name=words.short(objective.metric),
            marker={"symbol": symbol, "size": 9, "color": shade.light},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [high - middle for middle, _, high in triples],
                "arrayminus": [middle - low for middle, low, _ in triples],
                "color": shade.light,
                "thickness": 1.5,
                "width": 0,
            },
            text=[
                f"{n}: {e.having} trials with, {e.others} without" for n, e in zip(names, rows, strict=True)
            ],
            hovertemplate="%{text}<br>" + words.short(objective.metric) + " %{x:+.3f}<extra></extra>",
        )
    figure.add_vline(0, line={"color": MUTED.light, "width": 1}, layer="below")
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=names, range=[-0.6, len(rows) - 0.4])
    figure.update_xaxes(nticks=5, tickangle=0)
    figure.update_layout(showlegend=True, legend=_LEGEND)
    return figure


def lambda_figure(numbers: Numbers) -> go.Figure | None:
    """Both objectives over λ, every complete trial that has one; None where they are few."""
    trials = [t for t in numbers.trials if t.state == "COMPLETE" and _LAMBDA in t.params]
    if len(trials) < FEWEST_LAMBDAS:
        return None
    outline = {"color": PAPER.light, "width": 1}
    figure = canvas("λ: 0 trains the dimensions alone, 1 the classes alone", "UA and CCC")
    for index, objective in enumerate(numbers.measured):
        shade, symbol = series(index)
        metric = objective.metric
        figure.add_scatter(
            x=[float(trial.params[_LAMBDA]) for trial in trials],
            y=[trial.values[metric] for trial in trials],
            mode="markers",
            name=words.short(metric),
            marker={"symbol": symbol, "size": 9, "color": shade.light, "line": outline},
            error_y={
                "type": "data",
                "array": [trial.errors.get(metric) for trial in trials],
                "color": shade.light,
                "thickness": 1,
                "width": 0,
            },
            **hover(trials, numbers),
        )
    figure.update_layout(showlegend=True, legend=_LEGEND)
    figure.update_xaxes(range=[-0.03, 1.03])
    return figure


def weights_figure(numbers: Numbers) -> go.Figure | None:
    """Share of the classification loss over epochs under the adaptive schemes; None where none was used."""
    trials = [t for t in numbers.trials if t.curve.weights and _adaptive(t)]
    if not trials:
        return None
    figure = canvas("Epoch", "Share of the classification loss in the weights")
    for index, scheme in enumerate(sorted({str(trial.params[_WEIGHTING]) for trial in trials})):
        own = [trial for trial in trials if trial.params[_WEIGHTING] == scheme]
        shade, symbol = series(index)
        figure.add_scatter(
            x=[epoch for trial in own for epoch in (*trial.curve.epochs, None)],
            y=[share for trial in own for share in (*trial.curve.weights, None)],
            customdata=[trial.number for trial in own for _ in range(len(trial.curve.epochs) + 1)],
            mode="lines+markers",
            name=plain(scheme),
            line={"color": shade.light, "width": 1.5},
            marker={"symbol": symbol, "size": 5},
            opacity=0.8,
            hovertemplate="trial %{customdata} · epoch %{x}<br>%{y:.2f}<extra></extra>",
        )
    figure.update_layout(showlegend=True, legend=_LEGEND)
    figure.update_yaxes(range=[-0.03, 1.03])
    figure.update_xaxes(tickformat="d")
    return figure


def _adaptive(trial: Trial) -> bool:
    return str(trial.params.get(_WEIGHTING, "fixed")) != "fixed"
