"""CSV label files as lines of cells; what is not whole is an error, never read past."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from serhpo.errors import CorpusError


def csv_lines(file: Path, check: Callable[[Sequence[str]], None]) -> Iterator[tuple[int, dict[Any, Any]]]:
    """Lines of a CSV file and their cells by column name; None names the cells beyond the last column.

    Args:
        file: UTF-8, with a header.
        check: Told the names in the header, to refuse them.

    Raises:
        CorpusError: A quote is not closed or closed amid a cell, or the header names a column twice.
        OSError: The file cannot be read.
        UnicodeDecodeError: It is not UTF-8.
    """
    with file.open(encoding="utf-8-sig", newline="") as opened:
        rows, last = csv.DictReader(opened, strict=True), 0
        try:
            names = rows.fieldnames or ()
            if twice := [name for name, times in Counter(names).items() if times > 1]:
                raise CorpusError(
                    f"The column `{twice[0]}` stands twice", where=f"{file}:1", got=", ".join(names)
                )
            check(names)
            last = rows.line_num
            for cells in rows:
                last = rows.line_num
                yield last, cells
        except csv.Error as error:
            raise CorpusError(
                f"Not valid CSV: {error}",
                where=f"{file}:{last + 1}",  # where the broken line begins
                hint="a quote that opens a cell must close it, and one inside it is written twice",
            ) from error
