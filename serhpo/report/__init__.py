"""The report: one HTML file that shows a study, opens from disk and can be passed on."""

from __future__ import annotations

from pathlib import Path

from serhpo.files import replace_file
from serhpo.report.page import render
from serhpo.study import Study

__all__ = ["write_report"]


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
    path = out or study.path / "report.html"
    text = render(study)
    replace_file(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return path
