"""``serhpo corpus``, and the classes that every command reads a corpus with."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

Run = Callable[..., Any]


@pytest.fixture
def crowd(tmp_path: Path) -> Path:
    """A manifest of 200 speakers."""
    with (tmp_path / "crowd.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["utt_id", "audio", "speaker", "label"])
        for speaker in range(200):
            soundfile.write(tmp_path / f"s{speaker:03d}.wav", np.zeros(1600), 16_000)
            for turn in range(1 + speaker % 7):
                label = ("happy", "sad", "")[turn % 3]
                rows.writerow([f"s{speaker:03d}_{turn}", f"s{speaker:03d}.wav", f"s{speaker:03d}", label])
    return tmp_path / "crowd.csv"


def test_a_table_of_hundreds_of_speakers_stays_readable(serhpo: Run, crowd: Path) -> None:
    done = serhpo("corpus", "show", crowd)
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) < 45
    assert "176 more, up to 7 each" in done.out
    document = serhpo("corpus", "show", crowd, "--json").json
    assert len(document["speakers"]) == len(document["speaker_labels"]) == 200
    assert document["sample_rates"] == {"16000": 200}


def test_show_counts_and_convert_keeps_them(serhpo: Run, small_corpus: Path, tmp_path: Path) -> None:
    shown = serhpo("corpus", "show", small_corpus, "--classes", "5")
    assert "excited" in shown.out
    assert "16000 Hz" in shown.out
    assert "arousal" in shown.out
    done = serhpo("corpus", "convert", small_corpus, tmp_path / "c.parquet", "--classes", 5, "--json")
    assert done.json["utterances"] == 60
    before = serhpo("corpus", "show", small_corpus, "--classes", "5", "--json").json
    assert serhpo("corpus", "show", tmp_path / "c.parquet", "--json").json == before


def test_classes_nobody_knows(serhpo: Run, small_corpus: Path) -> None:
    done = serhpo("corpus", "show", small_corpus, "--classes", "12")
    assert done.code == 3
    assert "4, 5, or a YAML file" in done.err


def test_like_iemocap_has_its_own_size(serhpo: Run, tmp_path: Path) -> None:
    done = serhpo("corpus", "synth", tmp_path / "x", "--like-iemocap", "--speakers", 4)
    assert done.code == 2
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("asked", ["search.cpus_per_trial=100000", "search.gpus_per_trial=64"])
def test_check_knows_what_this_machine_cannot_hold(serhpo: Run, small_corpus: Path, asked: str) -> None:
    done = serhpo("check", "--corpus", small_corpus, "--space", "smoke", "--set", asked, "--json")
    assert done.code == 5
    assert asked.partition("=")[0] in done.json["error"]["where"]


def test_check_reads_with_the_classes_given(serhpo: Run, small_corpus: Path) -> None:
    assert serhpo("check", "--corpus", small_corpus, "--space", "smoke", "--classes", "5").code == 0
    assert serhpo("check", "--corpus", small_corpus, "--space", "smoke", "--classes", "9").code == 3
