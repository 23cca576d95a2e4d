"""A study brought from an object store to a local folder, or moved there from one."""

from __future__ import annotations

import shutil
from pathlib import Path

from serhpo.errors import StudyError
from serhpo.files import write_whole
from serhpo.study.folder import Study
from serhpo.study.names import CHECKPOINT_STATE, CHECKPOINTS, EVALUATIONS, JOURNAL, LEDGER
from serhpo.study.store import StudyStore, half_uploaded

DRIVER = "driver.json"
"""Who has the study, on the store as in a folder."""

_MADE = "study.yaml"


def bring(store: StudyStore, path: Path) -> None:
    """Bring a study to a local folder; one that is there stays where it only continues the store's.

    Raises:
        StudyError: There is none on the store, or another one of this name here.
        StorageError: The store cannot be reached, or the folder cannot be written.
    """
    files = [name for name in store.names() if name != DRIVER and not half_uploaded(name)]
    names = [name for name in files if "/" not in name or name.startswith(f"{EVALUATIONS}/")]
    if not {_MADE, JOURNAL} <= {*names}:
        raise StudyError(
            f"No study named `{path.name}` on the store",
            where=store.shown,
            hint="is the name right, and --storage the one it was made with?",
        )
    # The journal first: the ledger, which is uploaded before it, then has every epoch it speaks of.
    there = {name: store.read(name) or b"" for name in sorted(names, key=lambda name: name != JOURNAL)}
    if (path / _MADE).is_file() and (path / _MADE).read_bytes() != there[_MADE]:
        raise StudyError(
            "Another study of this name lies on this machine",
            where=path,
            hint="rename its folder to bring the one of the store",
        )
    if all(continues(path / name, there.get(name)) for name in (JOURNAL, LEDGER)):
        return
    (path / "trials").mkdir(parents=True, exist_ok=True)
    for name in sorted(there, key=lambda name: name == _MADE):  # which makes it a study
        evaluated = name.startswith(EVALUATIONS) and continues(path / name, there[name])
        if not evaluated:  # on this machine, and not uploaded yet
            (path / name).parent.mkdir(exist_ok=True)
            write_whole(path / name, there[name])


def settle(store: StudyStore, path: Path) -> None:
    """Bring a study that is to go on here, or move one that lies here only to the store.

    Raises:
        StudyError: There is none, neither there nor here; or another one of this name here.
        StorageError: The store cannot be reached, or the folder cannot be written.
    """
    if store.has(JOURNAL) or not (path / _MADE).is_file():
        bring(store, path)
        return
    for folder in sorted((path / "trials").iterdir()):
        for file in folder.iterdir():
            if file.is_file():
                store.upload(file, f"trials/{folder.name}/{file.name}")
        for name in CHECKPOINTS:
            if (folder / name / CHECKPOINT_STATE).is_file():
                store.push(folder, name)


def bring_kept(study: Study, store: StudyStore) -> None:
    """Bring what workers left of trials and is of use when a search is over.

    Raises:
        StorageError: The store cannot be reached, or the folder cannot be written.
    """
    front = {trial.number for trial in study.front()}
    there = {*store.names("trials")}
    for trial in study.trials():
        folder = study.trial_folder(trial.number)
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("config.json", "error.txt"):
            stored = f"trials/{trial.number}/{name}"
            if stored in there and (content := store.read(stored)) is not None:
                write_whole(folder / name, content)
        if trial.number in front:
            store.pull(folder, "best")
        else:
            shutil.rmtree(folder / "best", ignore_errors=True)


def continues(path: Path, start: bytes | None) -> bool:
    """Whether a local file is the store's, or that one and more."""
    if start is None:
        return True
    return path.is_file() and path.read_bytes().startswith(start)
