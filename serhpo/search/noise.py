"""How sure the difference of two trials at a rung is: the standard error of their paired difference.

A worker leaves, beside its checkpoint and before it reports, what each speaker or utterance has to do
with the trial's figures (:func:`serhpo.training.uncertainty.influence`); the driver takes the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from serhpo.errors import StorageError
from serhpo.files import write_whole
from serhpo.study import Study
from serhpo.study.store import StudyStore
from serhpo.training.uncertainty import paired_error

Influences = Mapping[str, NDArray[Any]]


def write_influences(folder: Path, epoch: int, influences: Influences) -> None:
    """Keep a trial's influences at a rung in its folder.

    Raises:
        StorageError: They cannot be written.
    """
    content = save({name: values.astype(np.float32) for name, values in influences.items()})
    write_whole(noise_file(folder, epoch), content)


class PairedErrors:
    """Standard errors of differences between two trials of a study.

    Args:
        study: The study.
        say: Told, once, when there are trials whose noise is not known.
        store: Where workers leave it, if the study lies on one.
    """

    def __init__(self, study: Study, say: Callable[[str], None], store: StudyStore | None = None) -> None:
        self._study = study
        self._say = say
        self._store = store
        self._said = False
        self._influences = lru_cache(maxsize=1024)(self._read)

    def __call__(self, trial: int, other: int, rung: int) -> list[float] | None:
        """One per objective, 0 where one has no noise; None where a trial's influences are not known."""
        one, two = (self._influences(number, rung) for number in (trial, other))
        if one is None or two is None:
            if not self._said:
                self._say("search.noise: some trials left no noise at their rungs; they are cut without it")
                self._said = True
            return None
        metrics = [objective.metric for objective in self._study.objectives]
        return [paired_error(one[metric], two[metric]) if metric in one else 0.0 for metric in metrics]

    def _read(self, number: int, rung: int) -> Influences | None:
        try:
            file = noise_file(self._study.trial_folder(number), rung)
            if self._store:
                return load(self._store.read(f"trials/{number}/{file.name}") or b"")
            return load(file.read_bytes())
        except (OSError, StorageError, SafetensorError, ValueError):
            return None  # of an older version, or damaged: a decision without it is no catastrophe


def noise_file(folder: Path, epoch: int) -> Path:
    """Where a trial's influences at a rung lie."""
    return folder / f"rung-{epoch}.safetensors"
