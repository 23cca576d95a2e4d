"""Standard output that is closed or full, and names that look like markup."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.conftest import environment

Serhpo = Callable[..., Any]


@pytest.mark.parametrize(
    ("command", "redirected", "told"),
    [
        ("space show smoke", ">&-", "Standard output is closed"),
        ("space show smoke", "> /dev/full", "Cannot write the output"),
        ("space show smoke --json", "> /dev/full", "Cannot write the output"),
        ("search --name x", ">&-", "Standard output is closed"),
    ],
)
def test_an_output_that_takes_nothing_is_one_error(
    home: Path, command: str, redirected: str, told: str
) -> None:
    line = f"{sys.executable} -m serhpo {command} {redirected}"
    done = subprocess.run(
        ["sh", "-c", line], stderr=subprocess.PIPE, text=True, env=environment(home), check=False
    )
    assert done.returncode == 5
    assert done.stderr.startswith(f"error: {told}")
    assert "bug" not in done.stderr
    assert not (home / "studies").exists()


def test_square_brackets_in_names_are_shown(serhpo: Serhpo, tmp_path: Path) -> None:
    folder = tmp_path / "c[old]" / "[/old]"
    folder.mkdir(parents=True)
    soundfile.write(folder / "a.wav", np.zeros(1600), 16_000)
    (folder / "c.csv").write_text("audio,speaker,label\na.wav,[anna],[laughter]\n")
    done = serhpo("corpus", "show", folder / "c.csv")
    assert done.code == 0, done.err
    for shown in ("c[old]/[/old]", "[anna]", "[laughter]"):
        assert shown in done.out
