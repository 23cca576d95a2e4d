"""One trial of a study, as anybody reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

STATES = ("COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING")
"""Optuna's trial states."""


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
