"""The report's figures on paper: the same traces, drawn by matplotlib as PDF or PNG."""

from __future__ import annotations

from collections.abc import Sequence
from html import unescape
from pathlib import Path
from re import sub
from typing import TYPE_CHECKING, Any, Literal

import plotly.graph_objects as go

from serhpo.errors import ConfigError, StorageError
from serhpo.report.content import collect
from serhpo.report.look_figures import Picture, course_figure, fusion_figure
from serhpo.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = ("pdf", "png")
_MARKS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "triangle-down": "v",
    "pentagon": "p",
    "hexagon": "h",
    "star": "*",
    "x-thin": "x",
    "cross-thin": "+",
}
_DASHES = {"dash": (0, (5, 4)), "dot": (0, (1, 2))}
_SETTINGS = {"font.size": 8, "pdf.fonttype": 42, "svg.fonttype": "none"}
_ROW_INCHES = 0.24
"""Height of a line of a figure whose vertical axis has names."""


def save_figures(study: Study, folder: Path, kind: str) -> list[Path]:
    """Write every figure of a study's report as a file for a paper.

    Args:
        study: The study.
        folder: Made if missing.
        kind: ``pdf`` or ``png``.

    Returns:
        The files, named after the figures.

    Raises:
        ConfigError: matplotlib is not installed.
        StorageError: The folder cannot be written.
    """
    rc_context, Figure = _matplotlib()
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in collect(study).figures.items():
            if figure is None:
                continue
            with rc_context(_SETTINGS):
                page = Figure(figsize=_size(figure), layout="constrained")
                _draw(page.subplots(), figure)
                path = folder / f"{name}.{kind}"
                page.savefig(path, dpi=300)
            paths.append(path)
    except OSError as error:
        raise StorageError.from_os_error(error, folder) from error
    return paths


def save_picture(picture: Picture, path: Path) -> Path:
    """Draw where a model looked in one recording, as a PNG or PDF.

    Raises:
        ConfigError: matplotlib is not installed.
        StorageError: The file cannot be written.
    """
    rc_context, Figure = _matplotlib()
    figures = [course_figure(picture), fusion_figure(picture.attended.fusion)]
    drawn = [figure for figure in figures if figure is not None]
    with rc_context(_SETTINGS):
        page = Figure(figsize=(5.5, 3.2 + 1.2 * (len(drawn) - 1)), layout="constrained")
        places = page.subplots(len(drawn), height_ratios=[4, 1][: len(drawn)], squeeze=False)
        for axes, figure in zip(places[:, 0], drawn, strict=True):
            _draw(axes, figure)
        page.suptitle(_plain(f"{picture.recording}\n{picture.answer}"), fontsize=7)
        try:
            page.savefig(path, dpi=300)
        except OSError as error:
            raise StorageError.from_os_error(error, path) from error
    return path


def _matplotlib() -> tuple[Any, Any]:
    """What draws on paper.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("Figures on paper need matplotlib", hint="pip install 'serhpo[figures]'") from error
    return rc_context, Figure


def _size(figure: go.Figure) -> tuple[float, float]:
    names = _names(figure)
    return 5.5, max(2.0, 1.0 + _ROW_INCHES * len(names)) if names else 3.6


def _names(figure: go.Figure) -> Sequence[str]:
    """Names along the vertical axis, where it has some."""
    if figure.layout.yaxis.ticktext:
        return list(figure.layout.yaxis.ticktext)
    bars = [trace for trace in figure.data if trace.type == "bar"]
    return list(bars[0].y) if bars else []


def _draw(axes: Axes, figure: go.Figure) -> None:
    bars = [trace for trace in figure.data if trace.type == "bar"]
    for index, trace in enumerate(bars):
        thick = 0.8 / len(bars)
        places = [row + (index - (len(bars) - 1) / 2) * thick for row in range(len(trace.y))]
        axes.barh(places, trace.x, thick, color=trace.marker.color, label=_plain(trace.name or ""))
    for trace in figure.data:
        if trace.type == "scatter":
            _scatter(axes, trace)
    for shape in figure.layout.shapes:
        _line(axes, shape)
    _write(axes, figure)
    layout = figure.layout
    axes.set_xlabel(_plain(layout.xaxis.title.text or ""))
    axes.set_ylabel(_plain(layout.yaxis.title.text or ""))
    for axis, set_scale, set_limits in (
        (layout.xaxis, axes.set_xscale, axes.set_xlim),
        (layout.yaxis, axes.set_yscale, axes.set_ylim),
    ):
        if axis.type == "log":
            set_scale("log")
        if axis.range:
            low, high = (10**end if axis.type == "log" else end for end in axis.range)
            set_limits((low, high))
    if layout.xaxis.tickvals:
        axes.set_xticks(layout.xaxis.tickvals, [f"{value:g}" for value in layout.xaxis.tickvals])
        axes.minorticks_off()
    if names := _names(figure):
        rows = list(layout.yaxis.tickvals or range(len(names)))
        axes.set_yticks(rows, [_plain(name) for name in names])
    axes.spines[["top", "right"]].set_visible(False)
    if layout.showlegend:
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, fontsize=6.5, columnspacing=1
        )


def _scatter(axes: Axes, trace: Any) -> None:
    x, y = _numbers(trace.x), _numbers(trace.y)
    label = _plain(trace.name or "") if trace.showlegend is not False and trace.name else None
    alpha = 1.0 if trace.opacity is None else trace.opacity
    mode = trace.mode or "lines"
    if trace.fill:
        if trace.fill == "tozeroy":
            step: Literal["post"] | None = "post" if trace.line.shape == "hv" else None
            axes.fill_between(x, y, step=step, color=_rgba(trace.fillcolor), lw=0, label=label)
        else:
            axes.fill(x, y, color=_rgba(trace.fillcolor), lw=0, label=label)
        return
    if "lines" in mode and trace.line.width:
        style = "steps-post" if trace.line.shape == "hv" else "default"
        own = label if "markers" not in mode else None
        look = {"color": trace.line.color, "lw": trace.line.width * 0.6, "alpha": alpha}
        look["ls"] = _DASHES.get(trace.line.dash, "-")
        axes.plot(x, y, drawstyle=style, label=own, **look)
    if "markers" in mode:
        _marks(axes, trace, x, y, alpha, label)
    if "text" in mode and trace.text:
        sides = trace.textposition
        sides = [sides] * len(x) if isinstance(sides, str) else sides
        for place, text, side in zip(zip(x, y, strict=True), trace.text, sides, strict=True):
            _name(axes, place, _plain(text), side)


def _name(axes: Axes, place: tuple[float, float], text: str, side: str) -> None:
    """Write at a mark, on the side that plotly calls ``bottom left``."""
    across, up = (-4 if "left" in side else 4), (-8 if "bottom" in side else 3)
    align = "right" if across < 0 else "left"
    axes.annotate(text, place, xytext=(across, up), textcoords="offset points", fontsize=7, ha=align)


def _marks(axes: Axes, trace: Any, x: list[float], y: list[float], alpha: float, label: str | None) -> None:
    symbol = str(trace.marker.symbol or "circle")
    hollow, thin = symbol.endswith("-open"), symbol.endswith("-thin")
    outline = trace.marker.line.color if thin else trace.marker.color or trace.line.color
    axes.errorbar(
        x,
        y,
        xerr=_errors(trace.error_x),
        yerr=_errors(trace.error_y),
        fmt=_MARKS.get(symbol.removesuffix("-open"), "o"),
        ms=(trace.marker.size or 6) * 0.5,
        mfc="none" if hollow else outline,
        mec=outline,
        ecolor=outline,
        elinewidth=0.7,
        alpha=alpha,
        label=label,
    )


def _errors(bars: Any) -> Any:
    if bars.array is None or not len(bars.array):
        return None
    above = _numbers(bars.array)
    return [_numbers(bars.arrayminus), above] if bars.arrayminus is not None else above


def _line(axes: Axes, shape: Any) -> None:
    look: dict[str, Any] = {
        "color": shape.line.color,
        "lw": (shape.line.width or 1) * 0.6,
        "ls": _DASHES.get(shape.line.dash, "-"),
        "zorder": 0,
    }
    if shape.x0 == shape.x1:
        axes.axvline(shape.x0, **look)
    elif shape.y0 == shape.y1:
        axes.axhline(shape.y0, **look)
    else:
        axes.plot([shape.x0, shape.x1], [shape.y0, shape.y1], **look)


def _write(axes: Axes, figure: go.Figure) -> None:
    """Texts at reference lines; rungs stand above the figure."""
    logarithmic = figure.layout.xaxis.type == "log"
    for text in figure.layout.annotations:
        across = "x domain" if text.xref == "paper" else "x"
        x = 10**text.x if logarithmic and text.xref != "paper" else text.x
        up = text.yref == "paper"
        axes.text(
            x,
            text.y,
            _plain(text.text),
            transform=_transform(axes, across == "x domain", up),
            fontsize=6.5,
            color=text.font.color,
            rotation=90 if text.textangle == -90 else 0,
            ha="center" if up and text.y == 1 else "right" if text.x == 1 and across != "x" else "left",
            va="bottom",
        )


def _transform(axes: Axes, across: bool, up: bool) -> Any:
    if across:
        return axes.get_yaxis_transform()
    return axes.get_xaxis_transform() if up else axes.transData


def _numbers(values: Any) -> list[float]:
    return [float("nan") if value is None else float(value) for value in (() if values is None else values)]


def _rgba(colour: str) -> tuple[float, ...]:
    """``rgba(r,g,b,a)`` as matplotlib takes it."""
    *parts, strength = (float(part) for part in colour.removeprefix("rgba(").rstrip(")").split(","))
    return (*(part / 255 for part in parts), strength)


def _plain(text: str) -> str:
    """A figure's text without plotly's tags and entities, and without meaning for matplotlib."""
    return unescape(sub(r"<br>", "\n", text)).replace("$", r"\$")
