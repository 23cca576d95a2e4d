"""A study's folder: readable with no process running, written by one driver at a time.

What lies in it::

    study.yaml      what is searched, on what, and what may be claimed
    space.yaml      the resolved search space
    lock.json       versions, digests, folds, seed
    journal.log     Optuna's journal: proposals, states, values
    epochs.jsonl    every epoch of every trial
    baselines.json  the rows every front is read beside
    results.parquet one row a trial, derived from journal and ledger
    trials/N/       configuration and checkpoints of one trial
    report.html     the picture
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna
import pyarrow as pa
import pyarrow.parquet as pq
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial

from serhpo import pareto
from serhpo.config import Config, home, parse, read_yaml, write_yaml
from serhpo.corpus.folds import ProtocolConfig
from serhpo.errors import StorageError, StudyError, nearest
from serhpo.ledger import cut_torn_tail, read_ledger
from serhpo.locks import held_by_one_process

SCHEMA_VERSION = 1
STATES = ("COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING")
JOURNAL_NAME = "serhpo"

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


class StudySettings(Config):
    """``study.yaml``.

    Attributes:
        name: Name of the study, and of its folder.
        created: Start of the first run, ISO 8601.
        corpus: Folder or file the corpus was read from.
        corpus_name: What the corpus calls itself.
        classes: Emotion classes, in the order of the model's outputs.
        space: Name or path of the search space.
        objectives: What is optimised, with hypervolume references.
        protocol: How speakers are divided.
        claim: What may be claimed of figures under this protocol.
        epochs: Epochs of a complete trial.
        rungs: Epochs at which trials were compared.
        seed: Seed of the study.
    """

    schema_version: int = SCHEMA_VERSION
    name: str
    created: str
    corpus: str
    corpus_name: str
    classes: tuple[str, ...]
    space: str
    objectives: tuple[pareto.Objective, ...]
    protocol: ProtocolConfig
    claim: str
    epochs: int
    rungs: tuple[int, ...]
    seed: int


@dataclass(frozen=True)
class TrialRecord:
    """One trial as the journal tells it.

    Attributes:
        number: Trial number.
        state: One of ``COMPLETE PRUNED FAIL RUNNING WAITING``.
        params: Values of the space's parameters.
        values: Objectives at :attr:`epoch`; for a pruned trial the last ones it reached.
        epoch: The epoch the values belong to.
        notes: What else the search wrote down: rung, reason of a failure, seed.
    """

    number: int
    state: str
    params: dict[str, Any]
    values: dict[str, float] | None
    epoch: int | None
    notes: dict[str, Any]


class Study:
    """One study folder.

    Args:
        path: The folder; use :meth:`create` for a new one, :func:`open_study` to go by name.

    Raises:
        StudyError: The folder is no study, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / "study.yaml").is_file() or not (path / "journal.log").is_file():
            raise StudyError(
                "This folder is not a study", where=path, allowed="a folder with study.yaml and journal.log"
            )
        self.settings = parse(StudySettings, read_yaml(path / "study.yaml"), path / "study.yaml")
        self.objectives = self.settings.objectives

    def __reduce__(self) -> tuple[type[Study], tuple[Path]]:
        return type(self), (self.path,)

    @classmethod
    def create(
        cls,
        path: Path,
        settings: StudySettings,
        space: Mapping[str, Any],
        lock: Mapping[str, Any],
        asked: int,
    ) -> Study:
        """Make the folder of a new study.

        Raises:
            StudyError: A study of this name exists.
            StorageError: The folder cannot be written.
        """
        try:
            path.mkdir(parents=True)
        except FileExistsError as error:
            raise StudyError(
                f"A study named `{path.name}` exists already",
                where=path,
                hint=f"`serhpo resume {path.name}` continues it; --name gives the new one another name",
            ) from error
        except OSError as error:
            raise StorageError.from_os_error(error, path) from error
        try:
            (path / "trials").mkdir()
            write_yaml(path / "space.yaml", space)
            (path / "lock.json").write_text(json.dumps(lock, indent=2) + "\n", encoding="utf-8")
            study = optuna.create_study(
                study_name=JOURNAL_NAME,
                storage=_journal(path),
                directions=[objective.direction.replace("ise", "ize") for objective in settings.objectives],
            )
            study.set_metric_names([objective.metric for objective in settings.objectives])
            study.set_user_attr("asked", asked)
            study.set_user_attr("resumed", 0)
            # Last, because its presence says that the folder is whole.
            write_yaml(path / "study.yaml", settings.model_dump(mode="json"))
        except OSError as error:
            shutil.rmtree(path, ignore_errors=True)
            raise StorageError.from_os_error(error, path) from error
        return cls(path)

    @property
    def name(self) -> str:
        """Name of the study."""
        return self.settings.name

    @cached_property
    def journal(self) -> optuna.Study:
        """The Optuna study behind this folder; re-reads the journal at every question."""
        try:
            return optuna.load_study(study_name=JOURNAL_NAME, storage=_journal(self.path))
        except (KeyError, ValueError) as error:
            raise StudyError(f"The journal is damaged: {error}", where=self.path / "journal.log") from error

    @property
    def asked(self) -> int:
        """Trials asked for so far."""
        return int(self.journal.user_attrs["asked"])

    @property
    def resumed(self) -> int:
        """Times the study was resumed."""
        return int(self.journal.user_attrs["resumed"])

    def trials(self) -> list[TrialRecord]:
        """All trials that count, by number. A repeated configuration does not count."""
        frozen = self.journal.get_trials(deepcopy=False)
        return [self._record(trial) for trial in frozen if "duplicate_of" not in trial.user_attrs]

    def _record(self, trial: FrozenTrial) -> TrialRecord:
        notes = dict(trial.user_attrs)
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

    def front(self) -> list[TrialRecord]:
        """The complete trials that no other complete trial dominates, best first objective first."""
        complete = [trial for trial in self.trials() if trial.state == "COMPLETE"]
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

    def standard_errors(self, trial: TrialRecord) -> dict[str, float]:
        """Standard error of each objective at the trial's epoch; empty where the ledger has none."""
        row = self._epoch_rows.get((trial.number, trial.epoch), {})
        names = [objective.metric for objective in self.objectives]
        return {name: row[f"se_{name}"] for name in names if row.get(f"se_{name}") is not None}

    @property
    def _epoch_rows(self) -> dict[tuple[int, int | None], dict[str, Any]]:
        return {(row["trial"], row["epoch"]): row for row in self.epochs()}

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
        return read_ledger(self.path / "epochs.jsonl")

    def baselines(self) -> dict[str, Any] | None:
        """The mandatory rows to read results beside, or None before the search measured them."""
        path = self.path / "baselines.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def trial_folder(self, number: int) -> Path:
        """Folder of one trial's configuration and checkpoints."""
        return self.path / "trials" / str(number)

    def drop_checkpoint(self, number: int, *names: str) -> None:
        """Delete checkpoints of a trial that no longer matter."""
        for name in names:
            shutil.rmtree(self.trial_folder(number) / name, ignore_errors=True)

    def write_results(self) -> Path:
        """Derive ``results.parquet`` from journal and ledger: one row a trial, parameters as columns."""
        at_epoch = {(row["trial"], row["epoch"]): row for row in self.epochs()}
        rows = [_flat(trial, at_epoch.get((trial.number, trial.epoch), {})) for trial in self.trials()]
        columns = dict.fromkeys(name for row in rows for name in row)
        path = self.path / "results.parquet"
        pq.write_table(pa.table({name: _column(rows, name) for name in columns}), path)
        return path

    @contextmanager
    def driving(self) -> Iterator[None]:
        """Hold the study as its only writer, journal and ledger cleared of what a kill left torn.

        Raises:
            StudyLockedError: Another process drives this study; names it.
            StorageError: The folder cannot be written.
        """
        with held_by_one_process(self.path / "driver.lock", f"study `{self.name}`"):
            cut_torn_tail(self.path / "journal.log")
            # Ours alone now: a lock file of the journal can only be a dead driver's.
            (self.path / "journal.log.lock").unlink(missing_ok=True)
            yield


def _journal(path: Path) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(path / "journal.log")))


def _flat(trial: TrialRecord, row: Mapping[str, Any]) -> dict[str, Any]:
    measured = {name: value for name, value in row.items() if name not in ("trial", "epoch")}
    head = {"number": trial.number, "state": trial.state, "epoch": trial.epoch}
    return {**head, **measured, **(trial.values or {}), **{f"params.{k}": v for k, v in trial.params.items()}}


def _column(rows: list[dict[str, Any]], name: str) -> pa.Array:
    values = [row.get(name) for row in rows]
    kinds = {type(value) for value in values if value is not None}
    return pa.array(
        values if len(kinds) < 2 or kinds == {int, float} else [None if v is None else str(v) for v in values]
    )


def studies_folder() -> Path:
    """Where studies lie unless a path is given."""
    return home() / "studies"


def known_studies() -> list[str]:
    """Names of all studies, newest first."""
    found = [path.parent for path in studies_folder().glob("*/study.yaml")]
    return [path.name for path in sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)]


def open_study(name: str | Path) -> Study:
    """Open a study by name, or by the path of its folder.

    Raises:
        StudyError: There is no such study; lists the newest ones.
    """
    path = Path(name)
    if (path / "study.yaml").is_file():
        return Study(path.resolve())
    path = studies_folder() / name
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
