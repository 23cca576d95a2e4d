"""The report: one HTML file that shows a study, opens from disk and can be passed on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from serhpo.files import replace_file
from serhpo.report.page import render, render_comparison
from serhpo.study import Study

__all__ = ["write_comparison", "write_report"]


def write_report(study: Study, out: Path | None = None) -> Path:
    """Write the report of a study, finished or still running.

    Args:
        study: The study.
        out: File to write; without it ``report.html`` in the study's folder. One that is there already is
            replaced as a whole or, where writing fails, left as it was.

    Returns:
        Where it was written.

    Raises:
        StudyError: Journal or ledger is damaged.
        StorageError: The file cannot be written.
    """
    return _write(out or study.path / "report.html", render(study))


def write_comparison(studies: Sequence[Study], out: Path | None = None) -> Path:
    """Write a report that lays two or more studies over each other.

    Args:
        studies: The studies.
        out: File to write; without it ``comparison.html`` in the first study's folder.

    Raises:
        StudyError: Journal or ledger is damaged.
        StorageError: The file cannot be written.
    """
    return _write(out or studies[0].path / "comparison.html", render_comparison(studies))


def _write(path: Path, text: str) -> Path:
    replace_file(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return path
