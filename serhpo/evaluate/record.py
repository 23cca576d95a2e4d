"""What was read of test speakers, in the study's folder: ``evaluations.jsonl`` and a table for each job.

A reading is written down before its first job starts, a result as soon as its predictions lie on disk. A
kill therefore loses the jobs under way, and nobody reads test speakers without a trace.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from serhpo import __version__
from serhpo.corpus.table import DIMENSIONS, Corpus
from serhpo.errors import StorageError, StudyError
from serhpo.evaluate.held_out import HeldOut
from serhpo.evaluate.jobs import Job, Reading
from serhpo.evaluate.training import Failure, Outcome
from serhpo.files import replace_file
from serhpo.study import Study
from serhpo.study.ledger import Ledger, read_ledger
from serhpo.study.lock import held_by_one_process
from serhpo.study.names import EVALUATIONS
from serhpo.training.baselines import Knowledge
from serhpo.training.data import in_range

KEY = ("kind", "id")
FILE = "evaluations.jsonl"
_LOCK = "evaluations.lock"
KEPT = ("utt_id", "speaker", "gender", "style", "label", *DIMENSIONS)
"""Columns of the corpus that stand in a job's table."""


class Record:
    """The evaluations of a study.

    Args:
        study: The study.

    Raises:
        StudyError: The file is damaged.

    Attributes:
        readings: Decisions to read test speakers, in order.
        results: Lines of finished jobs by the job's id: ``result``, or ``failure`` with its reason.
    """

    def __init__(self, study: Study) -> None:
        self._path, self._folder = study.path / FILE, study.path / EVALUATIONS
        self._ledger: Ledger | None = None
        self.readings: list[Reading] = []
        self.results: dict[str, dict[str, Any]] = {}
        for row in read_ledger(self._path, KEY):
            try:
                self._take(row)
            except (KeyError, TypeError) as error:
                raise StudyError(
                    f"{FILE} holds a line that this version of serhpo does not understand",
                    where=self._path,
                    got=f"{row['kind']} {row['id']}",
                    hint="use the version that wrote it",
                ) from error

    @classmethod
    @contextmanager
    def writing(cls, study: Study) -> Iterator[Record]:
        """The record as its only writer.

        Raises:
            StudyLockedError: Another process evaluates this study; names it.
            StorageError: The folder cannot be written.
        """
        with held_by_one_process(study.path / _LOCK, f"an evaluation of `{study.name}`"):
            record = cls(study)
            record._ledger = Ledger(record._path, KEY)
            try:
                yield record
            finally:
                record._ledger.close()

    def _take(self, row: dict[str, Any]) -> None:
        if row["kind"] == "reading":
            told = row["tested"]
            speakers = {fold: tuple(names) for fold, names in told["speakers"].items()}
            tested = HeldOut(**{**told, "speakers": speakers})
            self.readings.append(Reading(row["id"], tuple(Job(**job) for job in row["jobs"]), tested))
        else:
            self.results[row["id"]] = row

    def missing(self, jobs: tuple[Job, ...]) -> list[Job]:
        """Those that have no result yet."""
        return [job for job in jobs if job.id not in self.results]

    def sharing(self, tested: HeldOut) -> list[Reading]:
        """Readings that some of these test speakers were heard in, under any protocol."""
        names = {name for speakers in tested.speakers.values() for name in speakers}
        return [
            reading
            for reading in self.readings
            if reading.tested.corpus_digest == tested.corpus_digest
            and any(names.intersection(reading.tested.speakers[job.fold]) for job in reading.jobs)
        ]

    def begin(self, reading: Reading) -> None:
        """Write down that test speakers are going to be read.

        Raises:
            StorageError: It cannot be written.
        """
        self._append(
            {
                "kind": "reading",
                "id": reading.number,
                "started": datetime.now(UTC).isoformat(timespec="seconds"),
                "serhpo": __version__,
                "trials": sorted({job.trial for job in reading.jobs if job.variant == "joint"}),
                "tested": asdict(reading.tested),
                "jobs": [asdict(job) for job in reading.jobs],
            }
        )

    def add(self, job: Job, outcome: Outcome | Failure, corpus: Corpus) -> None:
        """Write down what a job came to: its predictions first, then the line that counts.

        Raises:
            StorageError: It cannot be written; the job will be done again.
        """
        head = {"id": job.id, **asdict(job)}
        if isinstance(outcome, Failure):
            self._append({"kind": "failure", **head, "reason": outcome.reason})
            return
        path = self._folder / f"{job.id}.parquet"
        try:
            self._folder.mkdir(exist_ok=True)
        except OSError as error:
            raise StorageError.from_os_error(error, self._folder) from error
        table = _table(outcome, corpus)
        replace_file(path, lambda temporary: pq.write_table(table, temporary))
        low, high = corpus.scheme.dimensions or (-1.0, 1.0)
        self._append(
            {
                "kind": "result",
                **head,
                "epoch": outcome.epoch,
                "validation": dict(outcome.validation),
                "weights": outcome.weights,
                "seconds": round(outcome.seconds, 3),
                "utterances": len(outcome.rows),
                "predictions": f"{EVALUATIONS}/{path.name}",
                "majority": outcome.knowledge.majority,
                "mean": in_range(outcome.knowledge.mean, low, high).tolist(),
                "class_means": in_range(outcome.knowledge.class_means, low, high).tolist(),
            }
        )

    def predictions(self, job: Job) -> pa.Table:
        """The test utterances of a finished job, as :func:`_table` lays them out.

        Raises:
            StudyError: The file is gone or damaged.
        """
        path = self._folder / f"{job.id}.parquet"
        try:
            return pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise StudyError(
                "The predictions of an evaluation cannot be read",
                where=path,
                hint=f"bring it back, or remove the line of {job.id} from {FILE} and evaluate again",
            ) from error

    def knowledge(self, job: Job) -> Knowledge:
        """What the baselines know of a finished job's training speakers, ratings in corpus units."""
        row = self.results[job.id]
        return Knowledge(row["majority"], np.array(row["mean"]), np.array(row["class_means"]))

    def _append(self, row: dict[str, Any]) -> None:
        if self._ledger is None:
            raise RuntimeError("only a record opened by `writing` can be added to")
        self._ledger.append(row)
        self._take(row)


def _table(outcome: Outcome, corpus: Corpus) -> pa.Table:
    """One row a test utterance: what the corpus says of it, then ``p_<class>`` and ``predicted_<dimension>``.

    Ratings are in corpus units; probabilities sum to one.
    """
    columns = {name: corpus.table[name].take(pa.array(outcome.rows)) for name in KEPT}
    low, high = corpus.scheme.dimensions or (-1.0, 1.0)
    probabilities = np.exp(outcome.log_probabilities.astype(np.float64))
    ratings = in_range(outcome.dimensions.astype(np.float64), low, high)
    said = {f"p_{name}": p for name, p in zip(corpus.scheme.classes, probabilities.T, strict=True)}
    guessed = {f"predicted_{name}": x for name, x in zip(DIMENSIONS, ratings.T, strict=True)}
    return pa.table({**columns, **said, **guessed})
