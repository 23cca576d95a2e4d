"""How many trials share a GPU: arithmetic and choice of configurations; the real probe needs a GPU."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from serhpo.search import packing
from serhpo.search.space import load_space
from tests.search.conftest import make_space

GIB = 1 << 30


@pytest.mark.parametrize(
    ("peak", "total", "trials"),
    [
        (10 * GIB, 80 * GIB, 6),  # 10 × 1.2 + 0.68 = 12.68
        (2 * GIB, 80 * GIB, 16),  # 25 would fit
        (7 * GIB, 10 * GIB, 1),
        (10 * GIB, 10 * GIB, 1),
        (3 * GIB, 24 * GIB, 5),
    ],
)
def test_as_many_trials_as_fit_with_a_margin(peak: int, total: int, trials: int) -> None:
    share = packing.share(peak, total)
    assert share == pytest.approx(1 / trials, abs=1e-4)
    assert share * trials <= 1


def test_the_largest_configurations_are_measured() -> None:
    configs = list(packing.largest(make_space()))
    assert len(configs) == 2  # the two weightings have no size
    assert {config.model.width for config in configs} == {32}
    assert {config.streams for config in configs} == {("mfcc", "mel")}
    assert {config.weighting.name for config in configs} == {"fixed", "dwa"}


@pytest.mark.parametrize("name", ["smoke", "quick", "full"])
def test_every_shipped_space_has_some(name: str) -> None:
    assert next(packing.largest(load_space(name)))


def test_the_largest_peak_and_the_smallest_gpu_count() -> None:
    peaks = iter([(3 * GIB, 80 * GIB), (10 * GIB, 40 * GIB)])

    def run(function: Any, context: Any, configs: Any, settings: Any, at_once: int, interrupted: Any) -> Any:
        assert function is packing.peak_memory
        return [(config, next(peaks)) for config in configs]

    space: Any = make_space(gpus_per_trial=1)
    context: Any = None
    assert packing.measured_share(space, context, lambda: False, run) == 0.3333


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_an_epoch_is_measured_on_a_gpu() -> None:
    class Context:
        def training(self, config: Any, seed: int, stores: Any) -> Context:
            return self

        def run_epoch(self) -> None:
            torch.empty(GIB // 4, device="cuda")

    context: Any = Context()
    config: Any = None
    peak, total = packing.peak_memory(context, config)
    assert GIB <= peak <= 2 * GIB < total
