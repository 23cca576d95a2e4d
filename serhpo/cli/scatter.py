"""A scatter plot in characters: a front at a glance, in any terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.text import Text

MARKS = {  # what it shows: (Unicode, ASCII, style); later ones are drawn over earlier ones
    "pruned": ("×", "x", "dim"),
    "dominated": ("·", ".", ""),
    "tie": ("○", "o", ""),
    "baseline": ("+", "+", "yellow"),
    "front": ("●", "*", "bold cyan"),
}
NARROWEST = 40
"""Columns below which a plot would show nothing."""

_HEIGHT = 14
_GUTTER = 8
"""Columns of the vertical axis: a figure, a space, the line."""


class Point(NamedTuple):
    """One mark; ``label`` stands at its right where there is room."""

    x: float
    y: float
    kind: str
    label: str = ""


class _Glyphs(NamedTuple):
    line: str
    tick: str
    corner: str
    floor: str


_UNICODE, _ASCII = _Glyphs("│", "┤", "└", "─"), _Glyphs("|", "+", "+", "-")


def can_draw(encoding: str) -> bool:
    """Whether an encoding has the plot's characters."""
    try:
        "".join(mark[0] for mark in MARKS.values()).join(_UNICODE).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def scatter(points: Sequence[Point], x_name: str, y_name: str, width: int, *, ascii_only: bool) -> Text:
    """The plot, its axes and the key of its marks.

    Args:
        points: At least one.
        x_name: Of the horizontal axis.
        y_name: Of the vertical one.
        width: Columns there are, at least :data:`NARROWEST`.
        ascii_only: Draw with ASCII characters alone.
    """
    glyphs, columns = _ASCII if ascii_only else _UNICODE, min(width, 84) - _GUTTER - 1
    x_range, y_range = _range([p.x for p in points]), _range([p.y for p in points])
    grid = [[(" ", "")] * columns for _ in range(_HEIGHT)]
    order = list(MARKS)
    for point in sorted(points, key=lambda p: order.index(p.kind)):
        mark, plain, style = MARKS[point.kind]
        row, column = _HEIGHT - 1 - _cell(point.y, y_range, _HEIGHT), _cell(point.x, x_range, columns)
        grid[row][column] = (plain if ascii_only else mark, style)
    for point in points:
        row, column = _HEIGHT - 1 - _cell(point.y, y_range, _HEIGHT), _cell(point.x, x_range, columns)
        _write(grid[row], column, point.label)
    return Text("\n").join(
        [
            Text(y_name.rjust(_GUTTER)),
            *(_line(row, y_range, cells, glyphs) for row, cells in enumerate(grid)),
            Text(" " * (_GUTTER - 1) + glyphs.corner + glyphs.floor * columns),
            Text(_floor(x_range, x_name, columns)),
            _key({point.kind for point in points}, ascii_only),
        ]
    )


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    air = 0.04 * (high - low) or 0.01
    return low - air, high + air


def _cell(value: float, ends: tuple[float, float], cells: int) -> int:
    return min(cells - 1, int((value - ends[0]) / (ends[1] - ends[0]) * cells))


def _write(cells: list[tuple[str, str]], mark: int, label: str) -> None:
    """Write a label at the right of its mark, else at its left, unless something stands in its way."""
    size = len(label)
    for start, gap in ((mark + 1, 0), (mark - size, 1)):
        place = cells[max(0, start - gap) : start + size + 1 - gap]
        if start >= 0 and start + size <= len(cells) and all(text == " " for text, _ in place):
            cells[start : start + size] = [(character, "bold") for character in label]
            return


def _line(row: int, ends: tuple[float, float], cells: Sequence[tuple[str, str]], glyphs: _Glyphs) -> Text:
    value = ends[1] - (row + 0.5) / _HEIGHT * (ends[1] - ends[0])
    ticked = row % 4 == 1
    gutter = f"{value:{_GUTTER - 2}.3f} {glyphs.tick}" if ticked else " " * (_GUTTER - 1) + glyphs.line
    return Text.assemble(gutter, *cells)


def _floor(ends: tuple[float, float], name: str, columns: int) -> str:
    low, high = f"{ends[0]:.3f}", f"{ends[1]:.3f}"
    return " " * _GUTTER + low + name.center(columns - len(low) - len(high)) + high


def _key(kinds: set[str], ascii_only: bool) -> Text:
    marks = [(MARKS[kind][ascii_only], MARKS[kind][2], kind) for kind in reversed(MARKS) if kind in kinds]
    return Text(" " * _GUTTER) + Text("   ").join(
        Text.assemble((mark, style), f" {kind}") for mark, style, kind in marks
    )
