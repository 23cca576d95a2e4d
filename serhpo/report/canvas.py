"""What all figures share: an empty frame, dashed reference lines, a trial's mark and hover card.

Plotly reads a subset of HTML in every text, so whatever comes from a study is escaped here.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from serhpo.report import words
from serhpo.report.colours import GRID, HALO, INK, MUTED, PANEL, Shade
from serhpo.report.numbers import Numbers, Trial

FONT = '-apple-system, "Segoe UI", Roboto, "Liberation Sans", "Helvetica Neue", Arial, sans-serif'
"""Fonts every system has one of: a report loads none."""


def canvas(x: str, y: str) -> go.Figure:
    """An empty figure with named axes on transparent ground, so that it takes the page's colour."""
    axis = {
        "gridcolor": GRID.light,
        "linecolor": GRID.light,
        "zeroline": False,
        "automargin": True,
        "title_standoff": 14,
        "title_font": {"size": 13, "color": MUTED.light},
    }
    font = {"family": FONT, "size": 13, "color": INK.light}
    return go.Figure(
        layout={
            "template": go.layout.Template(),
            "autosize": True,
            "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": font,
            "hoverlabel": {
                "bgcolor": PANEL.light,
                "bordercolor": MUTED.light,
                "font": font,
                "align": "left",
            },
            "hovermode": "closest",
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": MUTED.light, "activecolor": INK.light},
            "showlegend": False,
            "xaxis": {**axis, "title_text": x},
            "yaxis": {**axis, "title_text": y},
        }
    )


def plain(text: str) -> str:
    """Text of a study as plotly shows it unchanged: it reads tags, but knows no entity for a quote."""
    return escape(text, quote=False)


def reference_line(figure: go.Figure, axis: str, value: float, label: str, *, left: bool = False) -> None:
    """Draw a dashed line across the figure at one value of an axis, labelled at its right end or left."""
    other = "y" if axis == "x" else "x"
    figure.add_shape(
        type="line",
        layer="below",
        line={"color": MUTED.light, "width": 1, "dash": "dash"},
        **{f"{axis}0": value, f"{axis}1": value, f"{other}0": 0, f"{other}1": 1, f"{other}ref": "paper"},
    )
    place: dict[str, Any] = (
        {"x": value, "y": 0.5, "yref": "paper", "textangle": -90, "xanchor": "left", "yanchor": "middle"}
        if axis == "x"
        else {"y": value, "x": 0 if left else 1, "xref": "paper", "xanchor": "auto", "yanchor": "bottom"}
    )
    figure.add_annotation(text=plain(label), showarrow=False, font=label_font(MUTED), **place)


def label_font(shade: Shade) -> dict[str, Any]:
    """Font of a text among marks, set off from them."""
    return {"size": 12, "color": shade.light, "shadow": HALO.light}


def cross(shade: Shade) -> dict[str, Any]:
    """The mark of a pruned trial, the same in every figure."""
    return {"symbol": "x-thin", "size": 7, "line": {"color": shade.light, "width": 1.5}}


def ring(shade: Shade) -> dict[str, Any]:
    """The mark of a trial still running."""
    return {"symbol": "circle-open", "size": 8, "color": shade.light}


def streams_name(streams: str | None) -> str:
    """A combination of encoders as legends and cards name it."""
    return plain(words.streams(streams)) if streams else "trials"


def hover(trials: Sequence[Trial], numbers: Numbers) -> dict[str, Any]:
    """Trace properties that show a trial's card and let the page find its row of the table."""
    return {
        "customdata": [trial.number for trial in trials],
        "hovertext": [_card(trial, numbers) for trial in trials],
        "hovertemplate": "%{hovertext}<extra></extra>",
    }


def _card(trial: Trial, numbers: Numbers) -> str:
    head = f"<b>trial {trial.number}</b> · {words.state(trial.state)} · epoch {trial.epoch}"
    values = [
        f"{words.short(o.metric)} {words.measured(trial.values, trial.errors, o.metric)}"
        for o in numbers.objectives
    ]
    streams = [f"<b>{streams_name(trial.streams)}</b>"] if trial.streams else []
    folds = [f"{plain(name)}: UA {ua:.3f}, CCC {ccc:.3f}" for name, (ua, ccc) in trial.folds.items()]
    params = [plain(f"{name}: {words.setting(value)}") for name, value in trial.params.items()]
    return "<br>".join([head, *values, *folds, *streams, *params])
