"""``serhpo`` with replayed trials some of which go wrong, each in a way of its own: all else is real.

python -m tests.chaos.faulty search --space smoke …
"""

from __future__ import annotations

import dataclasses
import math
import os
import signal
import time

from serhpo.search.optuna_samplers import trial_seed
from serhpo.training.config import TrialConfig
from tests.chaos.replayed import ReplayedContext, ReplayedTraining, run_with

STUDY_SEED = 0
EPOCH = 2
"""At which they go wrong."""

FAULTS = {1: "memory", 2: "not a number", 3: "killed", 4: "hangs", 5: "killed once"}
"""By number of the trial; ``killed`` is what the kernel does to a process when memory runs out."""

_BY_SEED = {trial_seed(STUDY_SEED, number): fault for number, fault in FAULTS.items()}


class FaultyTraining(ReplayedTraining):
    """Goes wrong in its second epoch, before that one's checkpoint."""

    def run_epoch(self) -> None:
        super().run_epoch()
        fault = _BY_SEED.get(self._seed) if self.epoch == EPOCH else None
        died = self._trials / f"died-{self._seed}"
        if fault == "memory":
            raise MemoryError("cannot allocate 1 TiB")
        if fault == "not a number":
            self.history[-1] = dataclasses.replace(self.history[-1], ccc=math.nan)
        if fault == "hangs":
            time.sleep(600)
        if fault == "killed" or (fault == "killed once" and not died.exists()):
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)


class FaultyContext(ReplayedContext):
    """Gives the trials that go wrong their training."""

    def training(self, config: TrialConfig, seed: int, stores: object) -> FaultyTraining:
        return FaultyTraining(config, seed, self.trials)


if __name__ == "__main__":
    from tests.chaos import faulty

    run_with(faulty.FaultyContext)  # as the module that workers can import, not as __main__
