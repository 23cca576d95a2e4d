"""The rows of ``serhpo front``: a table, or on a narrow terminal a list, settings under each trial."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from textwrap import fill
from typing import Any, NamedTuple

from rich.cells import cell_len
from rich.table import Column, Table
from rich.text import Text

from serhpo.cli import console

TIES_SHOWN = 5
"""Rows of ties; ``--json`` has them all."""

_SETTINGS_WIDTH = 16
"""Columns that settings need at least beside the figures, of which none is cut."""


_INDENT = "    "
_HELD = "\u00a0"
"""Stands for a space at which no line ends."""


class _Row(NamedTuple):
    trial: str
    epoch: str
    figures: list[str]
    what: str
    style: str


def print_rows(name: str, document: Mapping[str, Any]) -> None:
    """Print front, ties and baselines of a study.

    Args:
        name: Of the study.
        document: Of ``serhpo front --json``.
    """
    heads = ["trial", "epoch", *(metric.upper() for metric in document["objectives"])]
    rows = list(_rows(document))
    cells = zip(heads, *((row.trial, row.epoch, *row.figures) for row in rows), strict=True)
    widths = [max(map(cell_len, column)) for column in cells]
    lines = 3 * len(widths) + 4  # left, right and between
    if sum(widths) + _SETTINGS_WIDTH + lines <= console.out.width:
        settings = Column("settings", overflow="fold")  # a value cut short says nothing
        table = Table(*(Column(head, no_wrap=True) for head in heads), settings, title=_title(name))
        for row in rows:
            table.add_row(row.trial, row.epoch, *row.figures, Text(row.what), style=row.style)
        console.out.print(table)
    else:
        _print_list(name, heads, rows)


def _print_list(name: str, heads: list[str], rows: list[_Row]) -> None:
    console.out.print(_title(name), soft_wrap=False)
    for row in rows:
        named = (f"{head} {x}" for head, x in zip(heads[2:], row.figures, strict=True) if x)
        figures = ", ".join(text.replace(" ", _HELD) for text in named)
        if row.epoch:
            lines = (f"trial {row.trial}, epoch {row.epoch}: {figures}", row.what)
        else:
            lines = (row.trial or row.what, figures)
        for indent, line in zip(("", _INDENT), lines, strict=True):
            folded = fill(line, console.out.width, initial_indent=indent, subsequent_indent=_INDENT)
            console.out.print(Text(folded.replace(_HELD, " "), row.style), end="\n" if line else "")


def _title(name: str) -> Text:
    return Text(f"Pareto front of {name}", "table.title")


def _rows(document: Mapping[str, Any]) -> Iterator[_Row]:
    from serhpo.study.baseline_names import BASELINES

    objectives = document["objectives"]
    for row in document["front"]:
        yield _of_trial(row, objectives, " (knee)" if row["number"] == document["knee"] else "", "")
    for row in document["ties"][:TIES_SHOWN]:
        yield _of_trial(row, objectives, " (tie)", "dim")
    if (more := len(document["ties"]) - TIES_SHOWN) > 0:
        yield _Row(f"+{more} ties", "", [""] * len(objectives), "", "dim")
    for name, baseline in BASELINES.items():
        if row := (document["baselines"] or {}).get(name):
            figures = [_figure(m, row.get(m), row.get(f"se_{m}")) for m in objectives]
            yield _Row("", "", figures, console.spelled(f"{baseline.label}: {baseline.meaning}"), "dim")


def _of_trial(row: Mapping[str, Any], objectives: Iterable[str], note: str, style: str) -> _Row:
    values, errors = row["values"], row["standard_errors"]
    names = brief(row["params"])
    params = ", ".join(f"{names[key]}={_short(value)}" for key, value in row["params"].items())
    figures = [_figure(metric, values[metric], errors.get(metric)) for metric in objectives]
    return _Row(f"{row['number']}{note}", str(row["epoch"]), figures, params, style)


def _figure(metric: str, value: float | None, error: float | None = None) -> str:
    from serhpo.pareto import figure

    if value is None:
        return console.spelled("–")
    return figure(metric, value) if error is None else console.spelled(f"{value:.3f} ± {error:.3f}")


def brief(keys: Iterable[str]) -> dict[str, str]:
    """Names of parameters without their group, ``weighting`` for ``weighting.name``, where that is enough."""
    shown = {key: key.removesuffix(".name").rpartition(".")[2] for key in keys}
    many = Counter(shown.values())
    return {key: name if many[name] == 1 else key for key, name in shown.items()}


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
