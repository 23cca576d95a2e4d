"""Six kills at random moments; ``make chaos`` has two hundred."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.run import Chaos


@pytest.mark.slow
def test_nothing_is_lost_by_six_kills(tmp_path: Path) -> None:
    chaos = Chaos(tmp_path, "replayed", seed=2, trials=24, wait=1.0)
    chaos.run(6)
    assert sum(chaos.killed.values()) == 6
    assert len(chaos.killed) > 2
