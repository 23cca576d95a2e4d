"""A new study's folder, which is there whole or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial

from serhpo.config import write_yaml
from serhpo.errors import StorageError, StudyError
from serhpo.study.folder import Study
from serhpo.study.journal import JournalFile
from serhpo.study.names import JOURNAL
from serhpo.study.settings import StudySettings


def new_study(
    path: Path,
    settings: StudySettings,
    space: Mapping[str, Any],
    lock: Mapping[str, Any],
    asked: int,
    enqueue: Sequence[Mapping[str, Any]] = (),
    warm: Sequence[FrozenTrial] = (),
) -> Study:
    """Make the folder of a new study.

    Args:
        path: The folder.
        settings: ``study.yaml``.
        space: ``space.yaml``.
        lock: ``lock.json``.
        asked: Trials wanted.
        enqueue: Parameters, or some of them, to try first.
        warm: Ended trials of another study, for the sampler alone.

    Raises:
        StudyError: A study of this name exists.
        StorageError: The folder cannot be written.
    """
    require_new(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f".{path.name}.*"):  # by a kill
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as scratch:
            whole = Path(scratch) / path.name
            study = _write(whole, settings, space, lock, asked)
            for trial in warm:
                study.add_trial(trial)
            for params in enqueue:
                study.enqueue_trial(dict(params), user_attrs={"enqueued": True})
            whole.rename(path)  # a kill before leaves no study, a kill after a whole one
    except OSError as error:
        raise StorageError.from_os_error(error, path) from error
    return Study(path)


def require_new(path: Path) -> None:
    """Make sure that a study can be made here.

    Raises:
        StudyError: The name is taken.
    """
    if path.exists():
        raise StudyError(
            f"A study named `{path.name}` exists already",
            where=path,
            hint=f"`serhpo resume {path.name}` continues it; --name gives the new one another name",
        )


def _write(
    folder: Path, settings: StudySettings, space: Mapping[str, Any], lock: Mapping[str, Any], asked: int
) -> optuna.Study:
    (folder / "trials").mkdir(parents=True)
    write_yaml(folder / "study.yaml", settings.model_dump(mode="json"))
    write_yaml(folder / "space.yaml", space)
    (folder / "lock.json").write_text(json.dumps(lock, indent=2) + "\n", encoding="utf-8")
    study = optuna.create_study(
        study_name=settings.name,
        storage=JournalStorage(JournalFile(folder / JOURNAL)),
        directions=[objective.direction.replace("ise", "ize") for objective in settings.objectives],
    )
    study.set_metric_names([objective.metric for objective in settings.objectives])
    study.set_user_attr("asked", asked)
    study.set_user_attr("resumed", 0)
    return study
