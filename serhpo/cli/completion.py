"""What the shell offers after Tab: names of studies and numbers of trials, from folder names alone."""

from __future__ import annotations

from pathlib import Path

import typer


def study_names(incomplete: str) -> list[str]:
    """Studies whose names begin like this, newest first."""
    found = [file.parent for file in _studies().glob("*/study.yaml")]
    found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return [path.name for path in found if path.name.startswith(incomplete)]


def kept_trials(ctx: typer.Context, incomplete: str) -> list[str]:
    """Numbers of the named study's trials that still have a model, as those of its front do."""
    words = ctx.parent.args if ctx.parent else []  # an option without its value ends the parsing: no params
    numbers = [path.parent.name for word in words for path in _folder(word).glob("trials/*/best")]
    return sorted({number for number in numbers if number.startswith(incomplete)}, key=int)


def _folder(study: str) -> Path:
    by_path = Path(study)
    return by_path if (by_path / "study.yaml").is_file() else _studies() / study


def _studies() -> Path:
    from serhpo.config import home  # not serhpo.study, which brings Optuna

    return home() / "studies"
