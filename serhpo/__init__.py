"""serhpo: multi-objective hyperparameter search for joint speech-emotion models.

import serhpo

study = serhpo.open_study("smoke-20260301-120000")   # or the path of its folder
study.front().to_pandas()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from serhpo.api import StudyView

__all__ = ["__version__", "open_study"]

__version__ = "0.1.0"


def open_study(study: str | Path) -> StudyView:
    """Open a study to read it, finished or still running.

    Args:
        study: Its name, or the path of its folder.

    Returns:
        Tables of its trials, front, epochs and baselines, see :class:`serhpo.api.StudyView`.

    Raises:
        StudyError: There is no such study; lists the newest ones.
    """
    from serhpo.api import StudyView  # brings Optuna and Arrow: not for `serhpo --help`

    return StudyView(study)
