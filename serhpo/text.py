"""Words that every table and message has in common."""

from __future__ import annotations


def counted(amount: int, noun: str) -> str:
    """``1 trial``, ``2 trials``."""
    return f"{amount} {noun}" if amount == 1 else f"{amount} {noun}s"
