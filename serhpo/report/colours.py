"""The report's colours, each with its twin for a dark screen: one truth for page and figures.

Figures are made in the light colours; the page swaps them for their twins where the reader prefers dark.
Every series colour has a contrast of at least 3:1 to both papers and comes with a marker of its own, so
that hue is never the only thing that tells two series apart.
"""

from __future__ import annotations

from typing import NamedTuple


class Shade(NamedTuple):
    """One role's colour on light and on dark paper, ``#rrggbb``."""

    light: str
    dark: str


PAPER = Shade("#ffffff", "#14171c")
PANEL = Shade("#f6f7f9", "#1d2128")
INK = Shade("#1a1f27", "#e8eaee")
MUTED = Shade("#5b6472", "#a3abb8")
GRID = Shade("#e6e9ed", "#2c323b")
FRONT = Shade("#2563a8", "#82b7f0")
"""The front's line, its area and its marks in tables."""
AREA = Shade("rgba(37,99,168,0.09)", "rgba(130,183,240,0.13)")
"""What the front dominates: its line's colour, thin."""
HALO = Shade("0 0 3px #ffffff, 0 0 3px #ffffff", "0 0 3px #14171c, 0 0 3px #14171c")
"""Shadow of a text that may lie on marks: the paper's colour."""

PAGE = {"paper": PAPER, "panel": PANEL, "ink": INK, "muted": MUTED, "grid": GRID, "front": FRONT}

SERIES = (
    Shade("#2a6fb8", "#79b4f2"),
    Shade("#bf5b04", "#f5a55c"),
    Shade("#23805a", "#66cf9c"),
    Shade("#a83a86", "#ea93cf"),
    Shade("#0f7f8c", "#5cd0dc"),
    Shade("#b93737", "#f58f88"),
    Shade("#6a53c4", "#b5a4fa"),
    Shade("#7d6b00", "#d8c14d"),
)
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "pentagon", "hexagon", "star", "triangle-down")


def series(index: int) -> tuple[Shade, str]:
    """Colour and plotly marker symbol of the ``index``-th series; 64 different pairs, then again."""
    turns, position = divmod(index, len(SERIES))
    return SERIES[position], SYMBOLS[(position + turns) % len(SYMBOLS)]


def twins() -> dict[str, str]:
    """Light colour → dark colour, for everything a figure may contain."""
    return {shade.light: shade.dark for shade in (*PAGE.values(), AREA, HALO, *SERIES)}
