"""The study folder: everything in it, read with no process running, written by one driver at a time."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState

from serhpo import pareto
from serhpo.config import parse, read_yaml
from serhpo.errors import StudyError
from serhpo.study.journal import JournalFile, damaged
from serhpo.study.ledger import cut_torn_tail, read_ledger
from serhpo.study.lock import held_by_one_process, holder_of
from serhpo.study.names import JOURNAL, LEDGER
from serhpo.study.settings import SCHEMA_VERSION, StudySettings
from serhpo.study.trial import STATES, TrialRecord

_LOCK = "driver.lock"
_NOT_OURS = {"duplicate_of", "warm_start"}
"""Attributes of trials in the journal that are there for the sampler and the dashboard only."""

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


class Study:
    """One study folder.

    Args:
        path: The folder; :func:`~serhpo.study.creation.new_study` makes a new one, :func:`open_study`
            goes by name.

    Raises:
        StudyError: The folder is no study, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / "study.yaml").is_file() or not (path / JOURNAL).is_file():
            raise StudyError(
                "This folder is not a study", where=path, allowed="a folder with study.yaml and journal.log"
            )
        self.settings = _read_settings(path / "study.yaml")
        self.objectives = self.settings.objectives

    def __reduce__(self) -> tuple[type[Study], tuple[Path]]:
        return type(self), (self.path,)

    @property
    def name(self) -> str:
        """Name of the study."""
        return self.settings.name

    @cached_property
    def journal(self) -> optuna.Study:
        """The Optuna study behind this folder; re-reads the journal at every question."""
        try:
            return optuna.load_study(study_name=None, storage=JournalStorage(self._file))  # its only one
        except (KeyError, ValueError) as error:
            raise damaged(self.path / JOURNAL, error) from error

    @cached_property
    def _file(self) -> JournalFile:
        return JournalFile(self.path / JOURNAL)

    def one_sync(self) -> AbstractContextManager[None]:
        """Whatever is written into the journal inside is handed to the disk at once, at the end."""
        return self._file.one_sync()

    @property
    def asked(self) -> int:
        """Trials asked for so far."""
        return int(self.journal.user_attrs["asked"])

    @property
    def resumed(self) -> int:
        """Times the study was resumed."""
        return int(self.journal.user_attrs["resumed"])

    @property
    def limits(self) -> dict[str, Any]:
        """Limits of the search that were given anew when it was resumed, by name of the setting."""
        return dict(self.journal.user_attrs.get("limits", {}))

    def count_resume(self, asked: int, limits: Mapping[str, Any]) -> None:
        """Note that the study goes on, to how many trials in all and how far; for its driver only."""
        self.journal.set_user_attr("asked", asked)
        self.journal.set_user_attr("limits", {**self.limits, **limits})
        self.journal.set_user_attr("resumed", self.resumed + 1)

    @property
    def elapsed(self) -> float:
        """Seconds the search had run when it was last left, pauses between its runs left out."""
        return float(self.journal.user_attrs.get("elapsed", 0.0))

    def note_elapsed(self, seconds: float) -> None:
        """Note how long the search has run; for its driver only."""
        self.journal.set_user_attr("elapsed", round(seconds, 3))

    def trials(self) -> list[TrialRecord]:
        """All trials that count, by number: no repeated configuration, no trial of another study."""
        frozen = self.journal.get_trials(deepcopy=False)
        return [self._record(trial) for trial in frozen if _NOT_OURS.isdisjoint(trial.user_attrs)]

    def ended(self) -> list[TrialRecord]:
        """Trials that are at their end, in the order they came to it."""
        frozen = self.journal.get_trials(deepcopy=False)
        # Optuna's own times are those of the clock on the wall, wherever the driver was.
        times = {
            trial.number: trial.user_attrs.get("ended") or trial.datetime_complete.timestamp()
            for trial in frozen
            if trial.datetime_complete
        }
        ended = [trial for trial in self.trials() if trial.number in times]
        return sorted(ended, key=lambda trial: times[trial.number])

    def _record(self, trial: FrozenTrial) -> TrialRecord:
        notes = {key: value for key, value in trial.user_attrs.items() if key != "ended"}
        if trial.state != TrialState.FAIL:
            notes.pop("reason", None)  # of an end that a kill kept from being written
        names = [objective.metric for objective in self.objectives]
        values = dict(zip(names, trial.values, strict=True)) if trial.values else notes.pop("values", None)
        return TrialRecord(
            number=trial.number,
            state=trial.state.name,
            params=dict(trial.params),
            values=values,
            epoch=notes.pop("epoch", None),
            notes=notes,
        )

    def counts(self) -> dict[str, int]:
        """Trials by state, every state present."""
        states = [trial.state for trial in self.trials()]
        return {state: states.count(state) for state in STATES}

    def trial(self, number: int) -> TrialRecord:
        """One trial, whether it counts or not."""
        return self._record(self.journal.get_trials(deepcopy=False)[number])

    def front(self, among: Iterable[int] | None = None) -> list[TrialRecord]:
        """The complete trials that no other complete trial dominates, best first objective first.

        Args:
            among: Numbers of trials that count, without which all that count are looked at.
        """
        if among is None:
            trials = self.trials()
        else:
            frozen = self.journal.get_trials(deepcopy=False)
            trials = [self._record(frozen[number]) for number in sorted(among)]
        complete = [trial for trial in trials if trial.state == "COMPLETE"]
        kept = pareto.front(self._matrix(complete), self.objectives)
        members = [trial for trial, keep in zip(complete, kept, strict=True) if keep]
        first = self.objectives[0]
        sign = -1.0 if first.direction == "maximise" else 1.0
        return sorted(members, key=lambda trial: (sign * (trial.values or {})[first.metric], trial.number))

    def knee(self) -> int | None:
        """Number of the trial at the front's knee, see :func:`serhpo.pareto.knee`."""
        members = self.front()
        index = pareto.knee(self._matrix(members), self.objectives)
        return None if index is None else members[index].number

    def standard_errors(self) -> dict[tuple[int, int | None], dict[str, float]]:
        """Standard error of each objective at every trial and epoch of the ledger."""
        names = [objective.metric for objective in self.objectives]
        return {
            (row["trial"], row["epoch"]): {
                name: row[f"se_{name}"] for name in names if row.get(f"se_{name}") is not None
            }
            for row in self.epochs()
        }

    def folds(self) -> list[dict[str, Any]]:
        """Name and speakers of every fold, as locked when the study was made."""
        folds: list[dict[str, Any]] = self.lock["folds"]
        return folds

    @cached_property
    def lock(self) -> dict[str, Any]:
        """``lock.json``: versions, digests, folds, seed."""
        return read_yaml(self.path / "lock.json")

    def hypervolume(self) -> float:
        """Hypervolume of the front, in raw units above the reference point."""
        return pareto.hypervolume(self._matrix(self.front()), self.objectives)

    def _matrix(self, trials: list[TrialRecord]) -> list[list[float]]:
        return [[(trial.values or {})[o.metric] for o in self.objectives] for trial in trials]

    def epochs(self) -> Iterator[dict[str, Any]]:
        """Rows of the ledger: ``trial``, ``epoch`` and everything in an ``EpochResult``."""
        return read_ledger(self.path / LEDGER)

    def baselines(self) -> dict[str, Any] | None:
        """The mandatory rows to read results beside.

        None before the search measured them; also where the file is damaged, so it measures them again.
        """
        try:
            document = json.loads((self.path / "baselines.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return document if isinstance(document, dict) and "trial" in document else None

    def trial_folder(self, number: int) -> Path:
        """Folder of one trial's configuration and checkpoints."""
        return self.path / "trials" / str(number)

    def driver(self) -> dict[str, Any] | None:
        """``pid``, ``host`` and ``started`` of the process that runs this study now; None where none does."""
        return holder_of(self.path / _LOCK)

    def drop_checkpoint(self, number: int, *names: str) -> None:
        """Delete checkpoints of a trial that no longer matter."""
        for name in names:
            shutil.rmtree(self.trial_folder(number) / name, ignore_errors=True)

    @contextmanager
    def driving(self) -> Iterator[None]:
        """Hold the study as its only writer, journal and ledger cleared of what a kill left torn.

        Raises:
            StudyLockedError: Another process drives this study; names it.
            StorageError: The folder cannot be written.
        """
        with held_by_one_process(self.path / _LOCK, f"study `{self.name}`"):
            cut_torn_tail(self.path / JOURNAL)
            # Ours alone now: a lock file of the journal can only be a dead driver's.
            (self.path / "journal.log.lock").unlink(missing_ok=True)
            yield


def _read_settings(path: Path) -> StudySettings:
    data = read_yaml(path)
    if data.get("schema_version", 0) > SCHEMA_VERSION:
        raise StudyError(
            "The study was made by a newer serhpo",
            where=path,
            got=f"schema_version {data['schema_version']}",
            allowed=f"{SCHEMA_VERSION} or older",
            hint="upgrade serhpo",
        )
    return parse(StudySettings, data, path)
