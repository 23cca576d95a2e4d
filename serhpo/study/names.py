"""What the files in a study's folder are called, here and on a store."""

from __future__ import annotations

JOURNAL = "journal.log"
"""Optuna's: every trial and its states."""

LEDGER = "epochs.jsonl"
"""Every epoch of every trial."""

EVALUATIONS = "evaluations"
"""Folder of what evaluations predicted, a table a job; their ledger's name begins so, too."""

CHECKPOINTS = ("last", "best")
"""Folders in a trial's folder."""

CHECKPOINT_STATE = "checkpoint.json"
"""In a checkpoint's folder; written last, so that without it there is none."""
