"""``serhpo space``: what it prints, for people and for programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from serhpo.config import read_yaml_value
from serhpo.search.space import load_space
from tests.conftest import Done

Serhpo = Callable[..., Done]


def test_show_tells_parameters_size_and_cost(serhpo: Serhpo) -> None:
    done = serhpo("space", "show", "smoke")
    assert done.code == 0, done.err
    assert (done.err, "streams of 2 or more" in done.out) == ("", True)
    document = serhpo("space", "show", "smoke", "--json").json
    assert list(document["parameters"]) == list(load_space("smoke").parameters)
    # streams 6 (3 of them pairs, × co_attention 2) × width 3 × pooling 2 × weighting 2
    assert document["size"]["combinations"] == (3 + 3 * 2) * 3 * 2 * 2
    assert document["size"]["continuous"] == [2, 3]
    assert sum(row["share"] for row in document["cost_classes"].values()) == 1


def test_models_that_are_not_here_leave_their_share_unknown(
    serhpo: Serhpo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    document = serhpo("space", "show", "full-ssl", "--json").json
    unknown = document["cost_unknown"]
    assert unknown["streams"].keys() == {"wav2vec2", "hubert"}
    assert 0.5 < unknown["share"] < 1
    assert sum(row["share"] for row in document["cost_classes"].values()) == pytest.approx(
        1 - unknown["share"]
    )
    done = serhpo("space", "show", "paper")
    assert (done.code, done.err) == (0, "")
    assert "those with wav2vec2 or hubert, until their models are here" in done.out


def test_samples_can_be_enqueued(serhpo: Serhpo, tmp_path: Path, small_corpus: Path) -> None:
    done = serhpo("space", "sample", "smoke", "-n", 3, "--seed", 5)
    assert done.err == ""
    drawn = serhpo("space", "sample", "smoke", "-n", 3, "--seed", 5, "--json").json["configurations"]
    file = tmp_path / "first.yaml"
    file.write_text(done.out)
    assert read_yaml_value(done.out) == drawn
    planned = serhpo("search", "--space", "smoke", "--corpus", small_corpus, "--enqueue", file, "--dry-run")
    assert planned.code == 0, planned.err
    assert f"enqueued from {file}: 3" in planned.err


def test_diff_names_what_differs(serhpo: Serhpo) -> None:
    rows = serhpo("space", "diff", "smoke", "quick", "--json").json["differences"]
    assert rows["search.trials"] == {"old": 12, "new": 60}
    assert rows["model.width"]["old"] == "16, 32, 48"
    assert "protocol.name" not in rows
    assert serhpo("space", "diff", "full", "full").out == "full and full search the same\n"


def test_an_unknown_space_names_the_nearest(serhpo: Serhpo) -> None:
    done = serhpo("space", "show", "fulll", "--json")
    assert done.code == 2
    assert "Did you mean `full`?" in done.json["error"]["hint"]
