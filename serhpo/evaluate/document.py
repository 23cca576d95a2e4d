"""What an evaluation says, as one document: for ``--json``, and for everything that draws tables from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any, Literal

from serhpo.evaluate.comparison import Comparison, compare, holm
from serhpo.evaluate.held_out import HeldOut
from serhpo.evaluate.jobs import Decision, Job
from serhpo.evaluate.published import published
from serhpo.evaluate.record import Record
from serhpo.evaluate.rows import Row, baseline_rows, candidate_row, control_row
from serhpo.evaluate.shown import fold_sets, left_out
from serhpo.evaluate.summary import by_group, summarise
from serhpo.study import SCHEMA_VERSION, Study
from serhpo.study.baseline_names import BASELINES
from serhpo.study.names import EVALUATIONS
from serhpo.training.uncertainty import method

_COMPARED: tuple[Literal["ua", "ccc"], ...] = ("ua", "ccc")


def document(study: Study, record: Record, decision: Decision, tested: HeldOut) -> dict[str, Any]:
    """Tables of the jobs of a decision, made from what lies on disk.

    Args:
        study: The study.
        record: Its evaluations.
        decision: Which jobs.
        tested: Whose speakers tested.

    Raises:
        StudyError: Predictions are gone or damaged.
    """
    folds = [fold for fold in tested.speakers if any(job.fold == fold for job in decision.shown)]
    return _document(study, record, decision.shown, folds, tested)


def documents(study: Study) -> list[dict[str, Any]]:
    """Everything that was measured: by corpus and protocol, a document for each set of folds.

    Every candidate stands in one with all the folds it was measured on, and beside it all others that have
    these folds, too. Of each corpus and protocol the document of the most folds comes first.

    Raises:
        StudyError: The record or its predictions are gone or damaged.
    """
    record = Record(study)
    found = []
    for tested in {reading.tested.key: reading.tested for reading in record.readings}.values():
        jobs = [j for reading in record.readings for j in reading.jobs if j.tested == tested.key]
        shown = [job for job in jobs if job.id in record.results]
        sets = fold_sets(record, shown, tested.speakers)
        found += [_document(study, record, shown, folds, tested) for folds in sets]
    return found


def _document(
    study: Study, record: Record, shown: Sequence[Job], folds: Sequence[str], tested: HeldOut
) -> dict[str, Any]:
    rows = _rows(record, shown, folds)
    candidates = [row for row in rows if row.kind == "candidate"]
    readings = record.sharing(tested)
    compared = {job.trial for reading in readings for job in reading.jobs if job.variant == "joint"}
    utterances = rows[0].tested if rows else None
    speakers = sorted(set(utterances.speakers.tolist())) if utterances else []
    return {
        "schema_version": SCHEMA_VERSION,
        "study": study.name,
        "corpus": tested.corpus,
        "corpus_digest": tested.corpus_digest,
        "protocol": tested.protocol,
        "level": tested.level,
        "configuration_selected_on_these_speakers": tested.selected,
        "folds": list(folds),
        "folds_of_protocol": len(tested.speakers),
        "test_speakers": speakers,
        "test_utterances": len(set(utterances.utterances.tolist())) if utterances else 0,
        "configurations_compared": len(compared),
        "configurations_searched": sum(study.counts()[state] for state in ("COMPLETE", "PRUNED", "FAIL")),
        "readings": len(readings),
        "standard_errors": {
            "se": method(len(speakers)),
            "se_seeds": "over seeds",
            "se_folds": "over folds",
        },
        "rows": [_row(row) for row in rows],
        "published": _published(tested, candidates, folds),
        "comparisons": {
            "between_candidates": [asdict(c) for c in _between(candidates)],
            "with_references": [asdict(c) for c in _with_references(candidates, rows)],
        },
        "left_out": left_out(record, shown, folds),
        "failures": _failures(record, shown),
        "predictions": str(study.path / EVALUATIONS),
    }


def _rows(record: Record, shown: Sequence[Job], folds: Sequence[str]) -> list[Row]:
    trials = dict.fromkeys(job.trial for job in shown if job.variant == "joint")
    rows = [
        candidate_row(record, t, [j for j in shown if (j.trial, j.variant) == (t, "joint")], folds)
        for t in trials
    ]
    classes, dimensions = ([job for job in shown if job.variant == v] for v in ("classes", "dimensions"))
    rows += [control := control_row(record, classes, folds), control_row(record, dimensions, folds)]
    rows += baseline_rows(record, control, classes) if control else []
    return [row for row in rows if row]


def _row(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "trial": row.trial,
        "seeds": list(row.seeds),
        "figures": {name: asdict(figure) for name, figure in summarise(row).items()},
        "groups": by_group(row),
    }


def _between(candidates: Sequence[Row]) -> list[Comparison]:
    found = [compare(a, b, figure) for a, b in combinations(candidates, 2) for figure in _COMPARED]
    return holm([comparison for comparison in found if comparison])


def _with_references(candidates: Sequence[Row], rows: Sequence[Row]) -> list[Comparison]:
    """Each candidate against what does one of the two tasks only, in that task."""
    class_means = BASELINES["class_mean"].label
    found = [
        compare(candidate, row, figure)
        for candidate in candidates
        for row in rows
        for figure in _COMPARED
        if (row.kind == "control" and row.tells(figure)) or (row.name == class_means and figure == "ccc")
    ]
    return holm([comparison for comparison in found if comparison])


def _published(tested: HeldOut, candidates: Sequence[Row], folds: Sequence[str]) -> dict[str, Any] | None:
    if not candidates or len(folds) < len(tested.speakers):
        return None
    row = published(tested, candidates[0])
    return None if row is None else dict(row)


def _failures(record: Record, shown: Sequence[Job]) -> list[dict[str, Any]]:
    rows = [record.results[job.id] for job in shown if job.id in record.results]
    names = ("trial", "variant", "seed", "fold", "reason")
    return [{name: row[name] for name in names} for row in rows if row["kind"] == "failure"]
