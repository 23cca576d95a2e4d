"""New studies to test with."""

from __future__ import annotations

from pathlib import Path

from serhpo.corpus.folds import ProtocolConfig
from serhpo.pareto import standard_objectives
from serhpo.study import Study, StudySettings, new_study

SPACE = {"parameters": {"model.width": {"choice": [16, 32]}}}
LOCK = {
    "seed": 0,
    "git": None,
    "folds": [{"name": "1", "train": ["1F"], "validation": ["2F"], "test": ["3F"]}],
}


def settings(name: str, **changed) -> StudySettings:
    return StudySettings(
        **{
            "name": name,
            "created": "2026-03-01T12:00:00+00:00",
            "corpus": "/data/é",
            "corpus_name": "data",
            "classes": ("angry", "happy", "neutral", "sad"),
            "space": "smoke",
            "objectives": standard_objectives(4),
            "protocol": ProtocolConfig(),
            "claim": "held-out session: the search never saw the test speakers",
            "epochs": 9,
            "rungs": (1, 3),
            "seed": 0,
            **changed,
        }
    )


def make(path: Path, name: str = "s", **changed) -> Study:
    return new_study(path / name, settings(name, **changed), SPACE, LOCK, 6)
