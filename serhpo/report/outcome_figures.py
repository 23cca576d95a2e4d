"""Ratings of utterances against what a trial predicts for them."""

from __future__ import annotations

import plotly.graph_objects as go

from serhpo.report.canvas import canvas
from serhpo.report.colours import MUTED, series
from serhpo.report.outcomes import Outcome

_ASIDE = 0.045
"""How far from its place a dimension's marks stand."""


def ratings_figure(outcome: Outcome) -> go.Figure | None:
    """Rated across, predicted up, one colour a dimension; None where nobody rated anything.

    Ratings are few distinct values, so the dimensions stand side by side at each.
    """
    if not outcome.ratings:
        return None
    figure = canvas("Rated (corpus range −1 to 1)", "Predicted")
    figure.add_shape(
        type="line",
        x0=-1,
        y0=-1,
        x1=1,
        y1=1,
        layer="below",
        line={"color": MUTED.light, "width": 1, "dash": "dash"},
    )
    for index, (dimension, (rated, predicted)) in enumerate(outcome.ratings.items()):
        shade, symbol = series(index)
        figure.add_scatter(
            x=[round(float(value) + _ASIDE * (index - 1), 3) for value in rated],
            y=[round(float(value), 3) for value in predicted],
            mode="markers",
            name=dimension,
            marker={"symbol": symbol, "size": 6, "color": shade.light},
            opacity=0.55,
            customdata=[round(float(value), 3) for value in rated],
            hovertemplate=f"{dimension}<br>rated %{{customdata:.2f}}, predicted %{{y:.2f}}<extra></extra>",
        )
    figure.update_xaxes(range=[-1.08, 1.08])
    figure.update_layout(
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "itemsizing": "constant"},
    )
    return figure
