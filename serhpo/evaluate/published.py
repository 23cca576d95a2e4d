"""A published result, shown only beside a row it may be compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serhpo.corpus.classes import FOUR_CLASSES
from serhpo.corpus.iemocap import NAME
from serhpo.evaluate.held_out import HeldOut
from serhpo.evaluate.rows import Row

BAUTISTA_SHIN: Mapping[str, Any] = {
    "name": "Bautista & Shin 2025",
    "source": "Applied Sciences 15(2), 623: IEMOCAP, leave one subject out; whom it validated on is unknown",
    "figures": {"wa": 0.7266, "ua": 0.7322, "ccc": 0.3717},
}

_LABELLED = 5531
"""Turns of IEMOCAP with one of the four classes: another number is another corpus, or a part of it."""


def published(tested: HeldOut, row: Row) -> Mapping[str, Any] | None:
    """The published row, where every speaker of IEMOCAP was tested, left out one by one.

    Args:
        tested: Whose speakers test.
        row: Any row of the table it would stand in.
    """
    labelled = len(set(row.tested.utterances[row.tested.labels >= 0].tolist()))
    same = (
        (tested.corpus, tested.protocol) == (NAME, "leave_one_speaker_out")
        and row.classes == FOUR_CLASSES
        and labelled == _LABELLED
    )
    return BAUTISTA_SHIN if same else None
