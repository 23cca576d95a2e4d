"""The tables of ``serhpo evaluate``, each with what may be claimed of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serhpo.cli import console
from serhpo.cli.figure_table import FigureTable
from serhpo.evaluate import words

COMPARISONS_SHOWN = 12
"""Rows of a table of paired tests; ``--json`` has them all."""

GROUPS_SHOWN = 24
"""Speakers, genders or styles of a table; the same."""

_MAIN = ("wa", "ua", "ccc")
_FURTHER = ("macro_f1", "ccc_valence", "ccc_arousal", "ccc_dominance")


def print_document(document: Mapping[str, Any]) -> None:
    """Print an evaluation's tables and what may be claimed."""
    tables = [
        _figures(document, _MAIN, f"Test of {document['study']}", published=True),
        _figures(document, _FURTHER, "macro-F1, and CCC of each dimension"),
        _recalls(document),
        _folds_and_seeds(document),
        *(_groups(document, figure) for figure in ("ua", "ccc")),
        _comparisons(document, "between_candidates", "Paired tests between candidates"),
        _comparisons(document, "with_references", "Paired tests with one task alone and with class means"),
    ]
    for table in tables:
        if table is not None:
            table.print(words.level(document))
    for line in (*words.notes(document), f"predictions: {document['predictions']}"):
        console.out.print(console.spelled(line), markup=False)


def _figures(
    document: Mapping[str, Any], figures: Sequence[str], title: str, published: bool = False
) -> FigureTable:
    table = FigureTable(title, *(words.TITLES[name] for name in figures))
    for row in document["rows"]:
        cells = [_cell(row["figures"].get(name), "value", "se") for name in figures]
        table.add_row(row["name"], *cells, style=_style(row))
    if published and (row := document["published"]):
        table.add_row(row["name"], *(f"{row['figures'][name]:.3f}" for name in figures), style="dim")
    return table


def _recalls(document: Mapping[str, Any]) -> FigureTable | None:
    names = dict.fromkeys(n for row in document["rows"] for n in row["figures"] if n.startswith("recall_"))
    if not names:
        return None
    table = FigureTable("Recall of each class", *(name.removeprefix("recall_") for name in names))
    for row in document["rows"]:
        if any(name in row["figures"] for name in names):
            cells = [_cell(row["figures"].get(name), "value", "se") for name in names]
            table.add_row(row["name"], *cells, style=_style(row))
    return table


def _folds_and_seeds(document: Mapping[str, Any]) -> FigureTable:
    """Mean over folds, and how far seeds are apart."""
    seeds = [f"{words.TITLES[name]} seeds" for name in ("ua", "ccc")]
    table = FigureTable(
        "Mean over folds ± its standard error, and standard errors over seeds",
        *(words.TITLES[name] for name in _MAIN),
        *seeds,
    )
    for row in document["rows"]:
        folds = [_cell(row["figures"].get(name), "fold_mean", "se_folds") for name in _MAIN]
        spread = [_number((row["figures"].get(name) or {}).get("se_seeds")) for name in ("ua", "ccc")]
        table.add_row(row["name"], *folds, *spread, style=_style(row))
    return table


def _groups(document: Mapping[str, Any], figure: str) -> FigureTable | None:
    """One figure for every speaker, gender and style; a column for each candidate and what it must beat."""
    baselines = ("class means",) if figure == "ccc" else ()
    kept = [
        row
        for row in document["rows"]
        if figure in row["figures"] and (row["kind"] != "baseline" or row["name"] in baselines)
    ]
    if not kept:
        return None
    table = FigureTable(f"{words.TITLES[figure]} by speaker, gender and style", "n")
    for row in kept:
        table.add_column(row["name"], style=_style(row))
    for grouping, values in kept[0]["groups"].items():
        for value, first in list(values.items())[:GROUPS_SHOWN]:
            cells = [_number(row["groups"][grouping].get(value, {}).get(figure)) for row in kept]
            table.add_row(f"{grouping} {value}", str(first["utterances"]), *cells)
        if len(values) > GROUPS_SHOWN:
            table.add_row(f"and {len(values) - GROUPS_SHOWN} more under --json", style="dim")
        table.end_section()
    return table


def _comparisons(document: Mapping[str, Any], family: str, title: str) -> FigureTable | None:
    found = document["comparisons"][family]
    if not found:
        return None
    table = FigureTable(f"{title} ({words.exchanged(found)})", "difference", "p", "p (Holm)")
    for row in sorted(found, key=lambda row: row["p"])[:COMPARISONS_SHOWN]:
        label = f"{words.TITLES[row['figure']]}: {row['first']} − {row['second']}"
        table.add_row(
            label,
            f"{row['difference']:+.3f} ± {row['se']:.3f}",
            _p(row["p"]),
            _p(row["holm"]),
        )
    if len(found) > COMPARISONS_SHOWN:
        table.add_row(f"and {len(found) - COMPARISONS_SHOWN} more under --json", style="dim")
    return table


def _cell(figure: Mapping[str, float | None] | None, value: str, error: str) -> str:
    if figure is None:
        return _number(None)
    if figure[error] is None:
        return _number(figure[value])
    return f"{_number(figure[value])} ± {_number(figure[error])}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:z.3f}"


def _p(value: float) -> str:
    return f"{value:.4f}" if value < 0.01 else f"{value:.2f}"


def _style(row: Mapping[str, Any]) -> str:
    return "" if row["kind"] == "candidate" else "dim"
