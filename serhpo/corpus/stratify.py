"""Parts of many speakers with about equal shares of every class."""

from __future__ import annotations

import numpy as np

from serhpo.corpus.table import Corpus


def stratified_parts(corpus: Corpus, count: int) -> list[list[str]]:
    """Divide the speakers into parts alike in size and in their classes.

    Greedy, as scikit-learn's ``StratifiedGroupKFold``: the speaker with most turns first, each into the
    part where it adds least to the sum of squared shares. A share is a part's fraction of all turns of
    a class; turns without a label count as a class, and all turns together as one more.

    Args:
        corpus: At least ``count`` speakers.
        count: Number of parts.

    Returns:
        Sorted speaker ids of every part, none empty; the same for the same corpus.
    """
    speakers = corpus.speakers
    index = {name: number for number, name in enumerate(speakers)}
    classes = {name: number for number, name in enumerate((*corpus.scheme.classes, None))}
    turns = np.zeros((len(speakers), len(classes) + 1))
    for speaker, label in zip(corpus.column("speaker"), corpus.column("label"), strict=True):
        turns[index[speaker], classes[label]] += 1
    turns[:, -1] = turns.sum(axis=1)
    shares = turns / np.maximum(turns.sum(axis=0), 1)
    filled = np.zeros((count, shares.shape[1]))
    parts: list[list[str]] = [[] for _ in range(count)]
    for speaker in np.argsort(-turns[:, -1], kind="stable"):
        # (p + s)² − p² = 2ps + s²: only the first term depends on the part.
        added = filled @ shares[speaker]
        part = min(range(count), key=lambda number: (added[number], filled[number, -1], number))
        filled[part] += shares[speaker]
        parts[part].append(speakers[speaker])
    return [sorted(part) for part in parts]
