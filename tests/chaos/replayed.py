"""``serhpo`` with trials that replay made-up learning curves instead of training: all else is real.

    python -m tests.chaos.replayed search --space smoke …

The curves follow from configuration, seed and epoch alone, so whoever reads a study can say what must
stand in it. Every epoch "trained" leaves a line in ``trained.log`` of its trial.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import time
from pathlib import Path
from typing import Any

import torch

from serhpo.cli import app
from serhpo.config import canonical_json
from serhpo.search import prepare
from serhpo.search.context import TrialContext
from serhpo.training.checkpoint import UnusableCheckpointError, read_checkpoint, write_checkpoint
from serhpo.training.config import TrialConfig
from serhpo.training.results import EpochResult

SECONDS = 0.03
"""An epoch takes."""


def replay(config: TrialConfig, seed: int, epoch: int) -> EpochResult:
    """What epoch ``epoch`` of this trial yields."""
    ua, ccc, noise = (_unit(config, seed, what) for what in ("ua", "ccc", epoch))
    grown = 1 - math.exp(-epoch / 3)
    ua, ccc = 0.25 + 0.4 * ua * grown + 0.02 * noise, 0.5 * ccc * grown - 0.02 * noise
    figures = {field.name: 0.5 for field in dataclasses.fields(EpochResult)}
    return EpochResult(**{**figures, "epoch": epoch, "ua": ua, "ccc": ccc, "seconds": SECONDS})


def _unit(config: TrialConfig, seed: int, what: object) -> float:
    text = f"{canonical_json(config)}:{seed}:{what}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=6).digest(), "big") / 2**48


class ReplayedTraining:
    """The part of a ``TrialTraining`` that a trial in its worker uses."""

    def __init__(self, config: TrialConfig, seed: int, trials: Path) -> None:
        self.epoch = 0
        self.history: list[EpochResult] = []
        self._config, self._seed, self._trials = config, seed, trials

    @property
    def best_epoch(self) -> int:
        return max(self.history, key=lambda result: result.score).epoch

    def run_epoch(self) -> None:
        time.sleep(SECONDS)
        self.epoch += 1
        self.history.append(replay(self._config, self._seed, self.epoch))
        with (self._trials / "trained.log").open("a") as file:
            file.write(f"{self._seed} {self.epoch}\n")

    def save(self, folder: Path) -> None:
        history = [result.to_json() for result in self.history]
        state = {"epoch": self.epoch, "history": history, "of": self._of()}
        write_checkpoint(folder, state, {"weights": torch.full((1000,), float(self.epoch))})

    def _of(self) -> list[object]:
        return [self._config.model_dump(mode="json"), self._seed]

    def load(self, folder: Path) -> None:
        state, tensors = read_checkpoint(folder)
        if state["of"] != self._of():
            raise UnusableCheckpointError("The checkpoint is of another trial", where=folder)
        self.epoch = state["epoch"]
        self.history = [EpochResult.from_json(result) for result in state["history"]]
        assert tensors["weights"][0] == self.epoch


@dataclasses.dataclass(frozen=True)
class ReplayedContext(TrialContext):
    """Replays where the real one trains."""

    def training(self, config: TrialConfig, seed: int, stores: object) -> Any:
        return ReplayedTraining(config, seed, self.trials)

    def data(self, config: object, stores: object) -> Any:
        raise NotImplementedError("replayed trials have no baseline")


def run_with(context: type[ReplayedContext]) -> None:
    """The command line, with another context for the trials."""
    make_context = prepare.make_context

    def make_replayed(*arguments: Any) -> ReplayedContext:
        return context(**vars(make_context(*arguments)))

    prepare.make_context = make_replayed
    app.main()


if __name__ == "__main__":
    from tests.chaos import replayed

    replayed.run_with(replayed.ReplayedContext)  # as the module that workers can import, not as __main__
