"""Where models look: weights over the course of utterances, and of the streams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from serhpo.model.attended import Attended
from serhpo.report.canvas import canvas, plain, reference_line
from serhpo.report.colours import AREA, series
from serhpo.report.looks import BINS, Look

LOUDNESS_S = 0.02
"""Seconds of a step of the loudness."""

_DASHES = {"self-attention": "dash", "co-attention": "dot", "pooling": "solid"}
_LEGEND = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
_WEIGHT = "Weight · 1 is an even share"


@dataclass(frozen=True)
class Picture:
    """One recording, what a model says of it, and where it looked.

    Attributes:
        recording: Its name.
        answer: In words.
        attended: Where the model looked.
        loudness: Root mean square of every :data:`LOUDNESS_S` seconds.
    """

    recording: str
    answer: str
    attended: Attended
    loudness: NDArray[np.float64]


def profile_figure(look: Look) -> go.Figure:
    """A trial's weights over the course of an utterance, the mean of many utterances."""
    figure = canvas("Course of an utterance (%)", _WEIGHT)
    middles = [round(100 * (place + 0.5) / BINS, 1) for place in range(BINS)]
    for index, (stream, parts) in enumerate(look.profiles.items()):
        for part, values in parts.items():
            _add_line(figure, index, stream, part, middles, values)
    return _finished(figure)


def course_figure(picture: Picture) -> go.Figure:
    """The weights over the seconds of one recording, above its loudness."""
    figure = canvas("Seconds", _WEIGHT)
    loudness = picture.loudness / max(picture.loudness.max(), 1e-9)
    figure.add_scatter(
        x=_rounded(np.arange(len(loudness)) * LOUDNESS_S),
        y=_rounded(loudness),
        mode="lines",
        name="loudness, highest at 1",
        line={"color": AREA.light, "width": 0},
        fill="tozeroy",
        fillcolor=AREA.light,
        hoverinfo="skip",
    )
    for index, (stream, parts) in enumerate(picture.attended.frames.items()):
        for part, shares in parts.items():
            middles = (np.arange(len(shares)) + 0.5) / len(shares) * picture.attended.seconds[stream]
            _add_line(figure, index, stream, part, _rounded(middles), shares * len(shares))
    return _finished(figure)


def fusion_figure(fusion: Mapping[str, float]) -> go.Figure | None:
    """Bars: the weight of each stream; None where the fusion has none."""
    if not fusion:
        return None
    figure = canvas("Weight in the fusion", "")
    order = list(reversed(list(fusion)))
    shades = {stream: series(index)[0].light for index, stream in enumerate(fusion)}
    figure.add_bar(
        x=[round(fusion[stream], 4) for stream in order],
        y=[plain(stream) for stream in order],
        orientation="h",
        marker={"color": [shades[stream] for stream in order]},
        hovertemplate="%{y} %{x:.2f}<extra></extra>",
    )
    figure.update_xaxes(range=[0, 1])
    figure.update_yaxes(type="category")
    return figure


def loudness(samples: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """Root mean square of every :data:`LOUDNESS_S` seconds of samples; what is left at the end is dropped."""
    step = int(LOUDNESS_S * rate)
    whole = samples[: max(1, len(samples) // step) * step].astype(np.float64)
    return np.asarray(np.sqrt((whole.reshape(-1, min(step, len(whole))) ** 2).mean(axis=1)))


def _add_line(
    figure: go.Figure, index: int, stream: str, part: str, x: list[float], y: NDArray[np.float64]
) -> None:
    figure.add_scatter(
        x=x,
        y=_rounded(y),
        mode="lines",
        name=plain(f"{stream}, {part}"),
        line={"color": series(index)[0].light, "width": 2, "dash": _DASHES[part]},
        hovertemplate=plain(f"{stream}, {part}") + "<br>%{y:.2f}<extra></extra>",
    )


def _finished(figure: go.Figure) -> go.Figure:
    reference_line(figure, "y", 1, "")
    figure.update_yaxes(rangemode="tozero")
    figure.update_layout(showlegend=True, legend=_LEGEND)
    return figure


def _rounded(values: NDArray[Any]) -> list[float]:
    return [round(float(value), 3) for value in values]
