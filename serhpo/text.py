"""Words that every table and message has in common."""

from __future__ import annotations

import unicodedata


def counted(amount: int, noun: str) -> str:
    """``1 trial``, ``2 trials``."""
    return f"{amount} {noun}" if amount == 1 else f"{amount} {noun}s"


def tidy(text: str) -> str:
    """A name as it is compared: without spaces around it, letters composed (Unicode NFC).

    ``anna`` and ``anna `` look the same in every table, and so do é written as one letter or as two.
    """
    return unicodedata.normalize("NFC", text.strip())
