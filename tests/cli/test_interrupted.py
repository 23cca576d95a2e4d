"""Ctrl-C where no search runs that would handle it."""

from __future__ import annotations

import json

import pytest

from serhpo.cli import app
from serhpo.search import space


def test_ctrl_c_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def press(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(space, "load_space", press)
    assert app._run(["space", "show", "smoke", "--json"], as_json=True, debug=False) == 130
    told = json.loads(capsys.readouterr().out)["error"]
    assert told["message"] == "Interrupted"
    assert "goes on" in told["hint"]
