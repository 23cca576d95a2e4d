"""A study to read from Python: its trials, front and epochs as Arrow tables.

Every table is a :class:`pyarrow.Table`: ``.to_pandas()`` where pandas is installed, ``.to_pylist()``
without. Nothing here changes a study, and one that is still searching can be read too: every call reads its
folder anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from serhpo.errors import NoCompleteTrialError
from serhpo.study import Study, StudySettings, open_study, results_table
from serhpo.study.baseline_names import BASELINES
from serhpo.study.choice import Choice, choose, ties
from serhpo.study.growth import growth
from serhpo.study.results import column


class StudyView:
    """One study, read-only.

    Args:
        study: Its name, or the path of its folder.

    Raises:
        StudyError: There is no such study; lists the newest ones.
    """

    def __init__(self, study: str | Path) -> None:
        self._study: Study = open_study(study)

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {state}" for state, count in self.counts().items() if count)
        return f"<study {self.name}: {counts or 'no trials'}>"

    @property
    def name(self) -> str:
        """Its name."""
        return self._study.name

    @property
    def path(self) -> Path:
        """Its folder."""
        return self._study.path

    @property
    def settings(self) -> StudySettings:
        """What it is about: corpus, classes, protocol and claim, objectives, epochs, rungs, seed."""
        return self._study.settings

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names of what is optimised, columns of every table: ``("ua", "ccc")``."""
        return tuple(objective.metric for objective in self._study.objectives)

    @property
    def lock(self) -> Mapping[str, Any]:
        """Versions, digests, folds and seed it was made with."""
        return self._study.lock

    def counts(self) -> dict[str, int]:
        """Trials by state: ``COMPLETE PRUNED FAIL RUNNING WAITING``."""
        return self._study.counts()

    def trials(self) -> pa.Table:
        """All trials, one row each.

        Columns: ``number, state, epoch`` (the one that counts), ``rung`` (that pruned it), ``reason`` (of a
        failure), the objectives and everything else measured at that epoch (``wa``, ``ccc_valence``,
        ``se_ua``, …), ``params.<parameter>``, ``on_front``, and ``tie``: one standard error would bring
        the trial onto the front.
        """
        table = results_table(self._study)
        numbers = table.column("number").to_pylist()
        front, tied = {trial.number for trial in self._study.front()}, self._ties(table)
        for name, chosen in (("on_front", front), ("tie", tied)):
            table = table.append_column(name, pa.array([n in chosen for n in numbers], pa.bool_()))
        return table

    def front(self) -> pa.Table:
        """The trials no other dominates, columns as in :meth:`trials`, best in the first objective first."""
        table = self.trials()
        places = {number: place for place, number in enumerate(table.column("number").to_pylist())}
        members = [places[trial.number] for trial in self._study.front()]
        return table.take(pa.array(members, pa.int64()))

    def epochs(self) -> pa.Table:
        """The learning curves: one row for every epoch of every trial, ordered by both.

        Columns: ``trial, epoch``, every measure, losses, task weights, ``seconds`` of training, and
        ``elapsed`` seconds of searching until then, as far as the study's version recorded them.
        """
        rows = [
            {name: value for name, value in row.items() if not isinstance(value, dict)}
            for row in sorted(self._study.epochs(), key=lambda row: (row["trial"], row["epoch"]))
        ]
        kinds = {"trial": pa.int64(), "epoch": pa.int64()}
        kinds |= dict.fromkeys(self.objectives, pa.float64())
        return _table(rows, kinds)

    def baselines(self) -> pa.Table:
        """The rows every front is read beside; empty before the search measured them.

        Columns: ``name, label, meaning``, the measures and, where known, their standard errors.
        """
        rows = [
            {"name": name, **BASELINES[name]._asdict(), **row}
            for name, row in (self._study.baselines() or {}).items()
            if name in BASELINES and isinstance(row, dict)
        ]
        kinds = dict.fromkeys(("name", "label", "meaning"), pa.string())
        return _table(rows, {**kinds, **dict.fromkeys(self.objectives, pa.float64())})

    def evaluation(
        self, protocol: str | None = None, folds: Collection[str] | None = None
    ) -> dict[str, Any] | None:
        """What ``serhpo evaluate`` measured on test speakers of the study's own corpus; None before it did.

        The document of ``serhpo evaluate --json``, of all trials measured so far on the same folds: ``rows``
        with their ``figures`` (``wa, ua, ccc``, …: ``value`` and its standard errors), ``level`` (what may be
        claimed), ``configurations_compared``, paired ``comparisons``, the ``published`` row where one may
        stand beside, and ``left_out``: what was measured, but not on all these folds.

        Args:
            protocol: How speakers were divided, where ``serhpo evaluate --protocol`` named it; without it
                as the study itself divides them.
            folds: Names of the folds, where trials were measured on different ones; without it the most
                folds that a trial was measured on.

        Raises:
            StudyError: Predictions are gone or damaged.
        """
        from serhpo.evaluate import documents  # brings torch

        own = self._study.lock["corpus_digest"], protocol or self.settings.protocol.name
        found = [one for one in documents(self._study) if (one["corpus_digest"], one["protocol"]) == own]
        return next((one for one in found if folds is None or set(one["folds"]) == set(folds)), None)

    def hypervolume(self) -> float:
        """Of the front, in raw units above the objectives' reference point."""
        return self._study.hypervolume()

    def growth(self) -> pa.Table:
        """How the front grew: ``finished`` trials, ``number`` of the last of them, ``hypervolume``."""
        steps = growth(self._study.ended(), self._study.objectives)
        rows = [
            {"finished": finished, "number": number, "hypervolume": volume}
            for finished, (number, volume) in enumerate(steps, start=1)
        ]
        return _table(rows, {"finished": pa.int64(), "number": pa.int64(), "hypervolume": pa.float64()})

    def pick(self, wish: str = "knee") -> Choice:
        """One trial of the front: its ``number``, and ``why``.

        Args:
            wish: ``knee``, ``best-ua``, ``best-ccc``, or a bound as ``ua>=0.70``.

        Raises:
            UsageError: The wish cannot be read, or no trial of the front fulfils it.
            NoCompleteTrialError: There is no front yet.
        """
        front = {trial.number: trial.values or {} for trial in self._study.front()}
        if not front:
            raise NoCompleteTrialError(f"`{self.name}` has no complete trial yet", where=self.path)
        return choose(wish, front, self._study.objectives)

    def _ties(self, trials: pa.Table) -> frozenset[int]:
        complete = trials.filter(pc.field("state") == "COMPLETE").to_pylist()
        values = {row["number"]: {name: row[name] for name in self.objectives} for row in complete}
        errors = {
            row["number"]: {
                name: row[f"se_{name}"] for name in self.objectives if row.get(f"se_{name}") is not None
            }
            for row in complete
        }
        return ties(values, errors, self._study.objectives)


def _table(rows: list[dict[str, Any]], kinds: Mapping[str, pa.DataType]) -> pa.Table:
    """Rows as a table that has the columns named in ``kinds`` even where it has no row."""
    names: Iterable[str] = dict.fromkeys([*kinds, *(name for row in rows for name in row)])
    return pa.table({name: column(rows, name, kinds.get(name)) for name in names})
