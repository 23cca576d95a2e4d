"""``serhpo search --dry-run``: what a search would do, where everything would lie; starts nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from rich.markup import escape
from rich.table import Table

from serhpo.cli import console
from serhpo.config import home

if TYPE_CHECKING:
    from serhpo.search.prepare import Plan
    from serhpo.study.store import StudyStore


def print_plan(plan: Plan, name: str, store: StudyStore | None, as_json: bool) -> None:
    """Print the resolved search, as tables or as JSON."""
    document = plan_document(plan, name)
    if store is not None:
        document["places"]["store"] = store.shown
    if as_json:
        console.print_json(document)
        return
    print_ = console.out.print
    corpus = document["corpus"]
    print_(f"Study {name}, corpus {corpus['name']} at {corpus['root']}\n", markup=False, style="bold")
    sections = {key: document[key] for key in ("search", "protocol", "defaults")}
    print_(yaml.safe_dump(sections, sort_keys=False), markup=False)
    table = Table("parameter", "values", "only when", title=f"{len(document['parameters'])} parameters")
    for key, row in document["parameters"].items():
        table.add_row(*map(escape, (key, row["values"], row["when"])))
    print_(table)
    for fold in document["folds"]:
        parts = (f"{key} {_speakers(value) if key != 'name' else value}" for key, value in fold.items())
        print_(", ".join(parts), markup=False)
    budget = document["epochs"]
    print_(f"\n{plan.space.protocol.name}: {document['claim']}", markup=False)
    rungs = ", ".join(map(str, budget["rungs"])) or "none"
    print_(
        f"Epochs: about {budget['expected']} with rungs at {rungs}, {budget['unpruned']} without pruning; "
        f"each trains {len(plan.folds)} folds"
    )
    if budget["early"]:
        print_(budget["early"], markup=False)
    for what, path in document["places"].items():
        print_(f"{what}: {path}", markup=False)
    print_("Nothing was started.")


def _speakers(names: list[str]) -> str:
    """All names where a line can hold them."""
    return " ".join(names) if len(names) <= 16 else f"{len(names)} speakers"


def plan_document(plan: Plan, name: str) -> dict[str, Any]:
    """What ``--dry-run --json`` prints."""
    from dataclasses import asdict

    from serhpo.corpus.folds import level
    from serhpo.search.rungs import early_rungs, expected_epochs, rung_levels
    from serhpo.study import studies_folder

    s = plan.space.search
    shape = (s.epochs, s.grace_period, s.reduction_factor)
    data = plan.space.model_dump(mode="json", by_alias=True)
    return {
        "schema_version": 1,
        "study": name,
        "space": plan.space_name,
        "corpus": {"name": plan.corpus.name, "root": str(plan.corpus.root), "utterances": len(plan.corpus)},
        "search": data["search"],
        "protocol": data["protocol"],
        "claim": level(plan.space.protocol),
        "defaults": data["defaults"],
        "parameters": {
            key: {"values": str(parameter), "when": parameter.conditions()}
            for key, parameter in plan.space.parameters.items()
        },
        "folds": [
            {key: list(v) if key != "name" else v for key, v in asdict(fold).items()} for fold in plan.folds
        ],
        "epochs": {
            "rungs": (levels := rung_levels(*shape)),
            "early": early_rungs(levels, plan.space.peak_epoch(), s.epochs),
            "expected": expected_epochs(s.trials, *shape, s.ranking, len(s.objectives)),
            "unpruned": s.trials * s.epochs,
        },
        "places": {
            "study": str(studies_folder() / name),
            "features": str(home() / "cache"),
            "report": str(studies_folder() / name / "report.html"),
        },
    }
