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


def is_utf8(text: str) -> bool:
    """Whether a text can be written as UTF-8: no lone surrogate, which a file name of other bytes becomes."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def printable(text: str) -> str:
    r"""What is not UTF-8 as ``\udce9``, so that every terminal and table can show it."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
