"""``study.yaml``: what a study is about."""

from __future__ import annotations

from serhpo import pareto
from serhpo.config import Config
from serhpo.corpus.classes import ReadSettings
from serhpo.corpus.folds import ProtocolConfig

SCHEMA_VERSION = 1
"""Of the study folder and of every document under ``--json``."""


class StudySettings(Config):
    """``study.yaml``.

    Attributes:
        name: Name of the study, and of its folder.
        created: Start of the first run, ISO 8601.
        corpus: Folder or file the corpus was read from.
        reading: How the corpus was read; without it (older studies) in the reader's default way.
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
    reading: ReadSettings = ReadSettings()
    corpus_name: str
    classes: tuple[str, ...]
    space: str
    objectives: tuple[pareto.Objective, ...]
    protocol: ProtocolConfig
    claim: str
    epochs: int
    rungs: tuple[int, ...]
    seed: int
