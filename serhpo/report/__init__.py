"""The report: one HTML file that shows a study, opens from disk and can be passed on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from serhpo.errors import UsageError
from serhpo.files import replace_file
from serhpo.report.look_figures import Picture, loudness
from serhpo.report.page import render, render_comparison, render_pictures
from serhpo.report.paper import FORMATS, save_picture
from serhpo.study import Study

__all__ = ["Picture", "check_pictures", "loudness", "write_comparison", "write_pictures", "write_report"]


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


def check_pictures(path: Path, count: int) -> None:
    """Make sure that pictures of so many recordings can go into this file, before anything is computed.

    Raises:
        UsageError: They cannot.
    """
    kinds = ("html", *FORMATS)
    if path.suffix.lower().removeprefix(".") not in kinds:
        allowed = ", ".join(f".{kind}" for kind in kinds)
        raise UsageError("Unknown kind of picture", where="--explain", got=path, allowed=allowed)
    if path.suffix.lower() != ".html" and count != 1:
        hint = f"{path.with_suffix('.html')} holds any number"
        raise UsageError(f"A {path.suffix} shows one recording", where="--explain", got=count, hint=hint)


def write_pictures(model: str, pictures: Sequence[Picture], path: Path) -> Path:
    """Draw where a model looked in recordings: one self-contained HTML file, or a PNG or PDF of one.

    Args:
        model: Name of the model.
        pictures: What is shown.
        path: File to write; its ending says which kind.

    Raises:
        UsageError: Another ending, or several recordings for one that shows one.
        ConfigError: matplotlib is not installed, for PNG and PDF.
        StorageError: The file cannot be written.
    """
    check_pictures(path, len(pictures))
    if path.suffix.lower() == ".html":
        return _write(path, render_pictures(model, pictures))
    return save_picture(pictures[0], path)


def _write(path: Path, text: str) -> Path:
    replace_file(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return path
