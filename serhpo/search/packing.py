"""How many trials share a GPU: measured on real epochs of the largest configurations of a space."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch

from serhpo.search.context import TrialContext
from serhpo.search.settings import SearchSettings
from serhpo.search.space import Space
from serhpo.search.tasks import run_tasks
from serhpo.training.config import TrialConfig

PROBES = 4
"""Configurations that train an epoch: sizes at their largest, what has no size drawn anew for each."""

MARGIN = 1.2
"""On the largest peak: of the configurations not measured one may need more."""

PROCESS_BYTES = 700 << 20
"""What each process takes of a GPU besides PyTorch's own memory: CUDA's context and kernels."""

MOST = 16
"""Trials on one GPU; more only take turns."""


def measured_share(
    space: Space, context: TrialContext, interrupted: Callable[[], bool], run: Callable[..., Any] = run_tasks
) -> float:
    """The part of a GPU that a trial of this space needs.

    Args:
        space: Its search gives each trial a whole GPU.
        context: Corpus, folds and features.
        interrupted: Asked every second whether to stop.
        run: Applies a function to pieces of work on workers, as :func:`~serhpo.search.tasks.run_tasks`.

    Raises:
        ResourceError: A worker died.
        SearchInterruptedError: The user stopped it.
    """
    configs = list(islice(largest(space), PROBES))
    settings: SearchSettings = space.search
    peaks = [peak for _, peak in run(peak_memory, context, configs, settings, 1, interrupted)]
    return share(max(peak for peak, _ in peaks), min(total for _, total in peaks))


def share(peak: int, total: int) -> float:
    """The part of a GPU of so many bytes for trials of such a peak; rounded so that the whole number fits."""
    trials = min(MOST, int(total / (peak * MARGIN + PROCESS_BYTES)))
    return math.floor(10_000 / max(1, trials)) / 10_000


def largest(space: Space) -> Iterator[TrialConfig]:
    """Configurations with every size at its largest; each once, none where all are invalid."""
    seen: list[TrialConfig] = []
    for seed in range(16 * PROBES):
        assignment = space.suggest(_Largest(seed))
        if space.is_valid(assignment) and (config := space.trial_config(assignment)) not in seen:
            seen.append(config)
            yield config


def peak_memory(context: TrialContext, config: TrialConfig) -> tuple[int, int]:
    """Bytes that one epoch takes at its peak, and bytes of the GPU; runs on a worker that has one."""
    _, total = torch.cuda.mem_get_info()
    torch.cuda.reset_peak_memory_stats()
    try:
        context.training(config, 0, {}).run_epoch()
    except torch.OutOfMemoryError:
        return total, total  # one trial a GPU; its own failure will be told
    return torch.cuda.max_memory_reserved(), total


class _Largest:
    """Answers a space as Optuna's trial would, always with the largest."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        return high

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        return high

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        numbers = [choice for choice in choices if isinstance(choice, int | float)]
        if numbers:
            return max(numbers)
        members = max(str(choice).count("+") for choice in choices)
        return self._random.choice([choice for choice in choices if str(choice).count("+") == members])
