"""A table of names and figures for terminals of any width: none of its figures is ever cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from serhpo.cli import console

_NAMES = 14
"""Columns that names need at least, where there is no room for the longest of them; the others are folded."""

_GAP = 2


@dataclass
class _Row:
    name: str
    figures: tuple[str, ...]
    style: str
    last_of_section: bool = False


class FigureTable:
    """Rows of figures; where a terminal is too narrow for all columns, further ones follow under the first.

    Texts are spelled as standard output can say them, and have no markup.

    Args:
        title: Over the table.
        heads: Of its columns, without that of the names.
    """

    def __init__(self, title: str, *heads: str) -> None:
        self._title = console.spelled(title)
        self._columns: list[tuple[str, str]] = []
        self._rows: list[_Row] = []
        for head in heads:
            self.add_column(head)

    def add_column(self, head: str, style: str = "") -> None:
        """A column more, before the first row."""
        self._columns.append((console.spelled(head), style))

    def add_row(self, name: str, *figures: str, style: str = "") -> None:
        """A row; without figures a remark."""
        self._rows.append(_Row(console.spelled(name), tuple(map(console.spelled, figures)), style))

    def end_section(self) -> None:
        """Draw a line under the last row."""
        self._rows[-1].last_of_section = True

    def print(self, caption: str) -> None:
        """Print it, as wide as the terminal at most if a single column fits there."""
        widths = self._widths()
        longest = max((cell_len(row.name) for row in self._rows), default=0)
        parts = list(_parts(widths, console.out.width - min(longest, _NAMES)))
        for place, part in enumerate(parts):
            figures = sum(widths[index] + _GAP for index in part)
            names = max(min(longest, console.out.width - figures), min(longest, _NAMES))
            table = self._table(part, names, [widths[index] for index in part])
            if place == 0:
                table.title = Text(self._title, "table.title")
            if place == len(parts) - 1:
                table.caption = Text(console.spelled(caption), "table.caption")
            console.out.print(
                table, width=max(console.out.width, names + figures), crop=False, soft_wrap=False
            )
            console.out.print()

    def _widths(self) -> list[int]:
        """Of each column of figures, as its widest cell."""
        cells = [
            [head, *(row.figures[index] for row in self._rows if row.figures)]
            for index, (head, _) in enumerate(self._columns)
        ]
        return [max(map(cell_len, column)) for column in cells]

    def _table(self, part: Sequence[int], names: int, widths: Sequence[int]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
        table.add_column("", width=names, overflow="fold")
        for index, width in zip(part, widths, strict=True):
            head, style = self._columns[index]
            table.add_column(Text(head), width=width, no_wrap=True, style=style)
        for row in self._rows:
            figures = (Text(row.figures[index]) for index in part if row.figures)
            table.add_row(Text(row.name), *figures, style=row.style, end_section=row.last_of_section)
        return table


def _parts(widths: Sequence[int], room: int) -> Iterator[list[int]]:
    """Columns of each table, in order: as many as there is room for beside the names, but one at least."""
    part: list[int] = []
    for index, width in enumerate(widths):
        if part and sum(widths[i] + _GAP for i in part) + width + _GAP > room:
            yield part
            part = []
        part.append(index)
    yield part
