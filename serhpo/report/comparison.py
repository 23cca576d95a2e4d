"""Two or more studies in one figure: a colour and a mark for each."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from serhpo.report import words
from serhpo.report.canvas import canvas, hover, plain
from serhpo.report.colours import PAPER, series
from serhpo.report.front_figure import stairs
from serhpo.report.numbers import Numbers

_LEGEND = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "itemsizing": "constant"}

Named = Sequence[tuple[str, Numbers]]
"""Studies by name."""


def fronts_figure(studies: Named) -> go.Figure | None:
    """The fronts over each other; None where no study has one."""
    if not any(numbers.front for _, numbers in studies):
        return None
    x, y = studies[0][1].objectives[:2]
    figure = canvas(words.axis(x, "→"), words.axis(y, "↑"))
    for index, (name, numbers) in enumerate(studies):
        shade, symbol = series(index)
        front = numbers.front
        if not front:
            continue
        points = [(trial.values[x.metric], trial.values[y.metric]) for trial in front]
        path = stairs(points, (x, y)) if len(numbers.objectives) == 2 else []
        line = {"color": shade.light, "width": 1.5}
        figure.add_scatter(
            x=[a for a, _ in path],
            y=[b for _, b in path],
            mode="lines",
            line=line,
            hoverinfo="skip",
            showlegend=False,
            legendgroup=plain(name),
        )
        bars = {"type": "data", "color": shade.light, "thickness": 1, "width": 3}
        figure.add_scatter(
            x=[a for a, _ in points],
            y=[b for _, b in points],
            mode="markers",
            name=plain(name),
            legendgroup=plain(name),
            marker={
                "symbol": symbol,
                "size": 13,
                "color": shade.light,
                "line": {"color": PAPER.light, "width": 1.5},
            },
            error_x={**bars, "array": [trial.errors.get(x.metric) for trial in front]},
            error_y={**bars, "array": [trial.errors.get(y.metric) for trial in front]},
            **hover(front, numbers),
        )
    figure.update_layout(showlegend=True, legend=_LEGEND)
    return figure


def hypervolumes_figure(studies: Named) -> go.Figure | None:
    """Hypervolumes over finished trials; None where there is none yet, or of different objectives."""
    if len({tuple(o.metric for o in numbers.objectives) for _, numbers in studies}) > 1:
        return None
    grown = [numbers for _, numbers in studies if numbers.hypervolume and numbers.hypervolume[-1].hypervolume]
    if not grown:
        return None
    figure = canvas("Finished trials, in the order they ended", "Hypervolume · higher is better ↑")
    for index, (name, numbers) in enumerate(studies):
        shade, symbol = series(index)
        figure.add_scatter(
            x=[0, *(step.finished for step in numbers.hypervolume)],
            y=[0.0, *(step.hypervolume for step in numbers.hypervolume)],
            mode="lines+markers",
            name=plain(name),
            line={"shape": "hv", "color": shade.light, "width": 2},
            marker={"symbol": symbol, "size": 5},
            hovertemplate=plain(name) + "<br>%{x} trials: %{y:.4f}<extra></extra>",
        )
    figure.update_layout(showlegend=True, legend=_LEGEND)
    figure.update_yaxes(rangemode="tozero")
    figure.update_xaxes(tickformat="d")
    return figure
