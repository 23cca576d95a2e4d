"""A study's folder: readable with no process running, written by one driver at a time.

What lies in it::

    study.yaml      what is searched, on what, and what may be claimed
    space.yaml      the resolved search space
    lock.json       versions, digests, folds, seed
    journal.log     Optuna's journal: proposals, states, values
    epochs.jsonl    every epoch of every trial
    baselines.json  the rows every front is read beside
    results.parquet one row a trial, derived from journal and ledger
    evaluations.jsonl, evaluations/   what was read of test speakers, see serhpo.evaluate
    trials/N/       configuration, checkpoints, and noise at its rungs, of one trial
    report.html     the picture
"""

from __future__ import annotations

from pathlib import Path

from serhpo.config import home
from serhpo.errors import StudyError, nearest
from serhpo.study.creation import new_study, require_new
from serhpo.study.fidelity import Agreement, agreement, agreement_sentence, kendall_tau
from serhpo.study.folder import Study
from serhpo.study.results import results_table, write_results
from serhpo.study.settings import SCHEMA_VERSION, StudySettings
from serhpo.study.trial import STATES, TrialRecord

__all__ = [
    "SCHEMA_VERSION",
    "STATES",
    "Agreement",
    "Study",
    "StudySettings",
    "TrialRecord",
    "agreement",
    "agreement_sentence",
    "kendall_tau",
    "known_studies",
    "new_study",
    "open_study",
    "place_of",
    "require_new",
    "results_table",
    "studies_folder",
    "write_results",
]


def studies_folder() -> Path:
    """Where studies lie unless a path is given."""
    return home() / "studies"


def known_studies() -> list[str]:
    """Names of all studies, newest first."""
    found = [path.parent for path in studies_folder().glob("*/study.yaml")]
    return [path.name for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)]


def place_of(name: str | Path) -> Path:
    """Folder of a study, which need not be there: a path with a separator is one, else it is a name."""
    path = Path(name)
    given = path.name != str(name) or (path / "study.yaml").is_file()
    return path.resolve() if given else studies_folder() / name


def open_study(name: str | Path) -> Study:
    """Open a study by name, or by the path of its folder.

    Raises:
        StudyError: There is no such study; lists the newest ones.
    """
    path = place_of(name)
    if not path.is_dir():
        known = known_studies()
        hint = nearest(str(name), known).strip() or "`serhpo search` makes one"
        raise StudyError(
            f"No study named `{name}`",
            where=studies_folder(),
            allowed=", ".join(known[:10]) or "(none yet)",
            hint=hint,
        )
    return Study(path)
