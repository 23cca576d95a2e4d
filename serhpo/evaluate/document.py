"""What an evaluation says, as one document: for ``--json``, and for everything that draws tables from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

from serhpo.corpus.folds import level_of_test
from serhpo.evaluate.comparison import Comparison, compare, holm
from serhpo.evaluate.jobs import Decision, Job
from serhpo.evaluate.published import published
from serhpo.evaluate.record import FOLDER, Record
from serhpo.evaluate.rows import Row, baseline_rows, candidate_row, control_row
from serhpo.evaluate.summary import by_group, summarise
from serhpo.study import SCHEMA_VERSION, Study
from serhpo.study.baseline_names import BASELINES
from serhpo.training.uncertainty import method

OTHER_LEVEL = "another corpus, of which no part of the search has heard anybody"


def document(study: Study, record: Record, decision: Decision, corpus: str) -> dict[str, Any]:
    """Tables of the jobs of a decision, made from what lies on disk.

    Args:
        study: The study.
        record: Its evaluations.
        decision: Which jobs.
        corpus: Digest of the corpus whose speakers tested.

    Raises:
        StudyError: Predictions are gone or damaged.
    """
    shown, own = decision.shown, corpus == study.lock["corpus_digest"]
    folds = [fold["name"] for fold in study.folds() if any(job.fold == fold["name"] for job in shown)]
    rows = _rows(record, decision, folds)
    candidates = [row for row in rows if row.kind == "candidate"]
    compared = record.compared(corpus)
    readings = [r for r in record.readings if any(job.corpus == corpus for job in r.jobs)]
    tested = rows[0].tested if rows else None
    return {
        "schema_version": SCHEMA_VERSION,
        "study": study.name,
        "corpus": record.corpora[corpus],
        "corpus_digest": corpus,
        "protocol": study.settings.protocol.name,
        "level": level_of_test(study.settings.protocol) if own else OTHER_LEVEL,
        "configuration_selected_on_these_speakers": own and _selected_on_test(study),
        "folds": folds,
        "folds_of_protocol": len(study.folds()),
        "test_speakers": sorted(set(tested.speakers.tolist())) if tested else [],
        "test_utterances": len(set(tested.utterances.tolist())) if tested else 0,
        "configurations_compared": len(compared),
        "configurations_searched": sum(study.counts()[state] for state in ("COMPLETE", "PRUNED", "FAIL")),
        "readings": len(readings),
        "standard_errors": {
            "se": method(len(set(tested.speakers.tolist()))) if tested else None,
            "se_seeds": "over seeds",
            "se_folds": "over folds",
        },
        "rows": [_row(row) for row in rows],
        "published": _published(study, candidates, own, folds),
        "comparisons": {
            "between_candidates": [asdict(c) for c in _between(candidates)],
            "with_references": [asdict(c) for c in _with_references(candidates, rows)],
        },
        "failures": _failures(record, shown),
        "predictions": str(study.path / FOLDER),
    }


def _rows(record: Record, decision: Decision, folds: Sequence[str]) -> list[Row]:
    shown = decision.shown
    trials = dict.fromkeys(job.trial for job in shown if job.variant == "joint")
    rows = [
        candidate_row(record, t, [j for j in shown if (j.trial, j.variant) == (t, "joint")], folds)
        for t in trials
    ]
    for variant in ("classes", "dimensions"):
        jobs = [job for job in shown if job.variant == variant]
        rows.append(control := control_row(record, jobs, folds))
        if control and variant == "classes":
            rows += baseline_rows(record, control, jobs)
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
    found = [compare(a, b, figure) for a, b in combinations(candidates, 2) for figure in ("ua", "ccc")]
    return holm([comparison for comparison in found if comparison])


def _with_references(candidates: Sequence[Row], rows: Sequence[Row]) -> list[Comparison]:
    """Each candidate against what does one of the two tasks only, in that task."""
    class_means = BASELINES["class_mean"].label
    found = [
        compare(candidate, row, figure)
        for candidate in candidates
        for row in rows
        for figure in ("ua", "ccc")
        if (row.kind == "control" and row.tells(figure)) or (row.name == class_means and figure == "ccc")
    ]
    return holm([comparison for comparison in found if comparison])


def _published(
    study: Study, candidates: Sequence[Row], own: bool, folds: Sequence[str]
) -> dict[str, Any] | None:
    if not candidates or not own or len(folds) < len(study.folds()):
        return None
    row = published(study, candidates[0])
    return None if row is None else dict(row)


def _selected_on_test(study: Study) -> bool:
    """Whether a test speaker trained or validated in the search that chose the configurations."""
    folds = study.folds()
    heard = {name for fold in folds for part in ("train", "validation") for name in fold[part]}
    return any(name in heard for fold in folds for name in fold["test"])


def _failures(record: Record, shown: Sequence[Job]) -> list[dict[str, Any]]:
    rows = [record.results[job.id] for job in shown if job.id in record.results]
    names = ("trial", "variant", "seed", "fold", "reason")
    return [{name: row[name] for name in names} for row in rows if row["kind"] == "failure"]
