"""The benchmark of whole searches: it runs, goes on where it stopped, and reads its figures rightly."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from serhpo.corpus import read_corpus
from serhpo.corpus.audio import read_audio
from serhpo.features import EXTRACTORS

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def trial(at: float, ua: float, ccc: float) -> dict[str, float]:
    return {"at": at, "ua": ua, "ccc": ccc}


def test_two_contestants_run_and_are_not_run_again(tmp_path):
    out = tmp_path / "runs.jsonl"
    command = [sys.executable, BENCHMARKS / "search_end_to_end.py", "--quick", "--out", out]
    environment = {**os.environ, "PYTHONPATH": str(BENCHMARKS.parent)}

    def table() -> str:
        done = subprocess.run(
            [*map(str, command)], capture_output=True, text=True, check=False, env=environment
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    first = table()
    assert "| serhpo | " in first
    assert "| optuna-nsga2 | " in first
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert all(0 < row["finished"][0]["at"] <= 360 for row in rows)
    assert table() == first
    assert len(out.read_text().splitlines()) == 2


def test_a_peer_is_caught_up_with_when_the_hypervolume_is_as_large():
    from end_to_end_table import share_of_time

    # Above (0.25, 0): 0.25 * 0.4 = 0.1 for the other in the end.
    other = [trial(60, 0.35, 0.2), trial(300, 0.5, 0.4)]
    # 0.05, and with the third 0.05 + 0.25 * 0.2 = 0.1 together.
    ours = [trial(10, 0.5, 0.2), trial(30, 0.4, 0.2), trial(90, 0.5, 0.4)]
    assert share_of_time(ours, other, minutes=6) == pytest.approx(90 / 360)
    assert share_of_time(ours[:2], other, minutes=6) == np.inf
    assert share_of_time(ours, [*other, trial(361, 0.9, 0.9)], minutes=6) == pytest.approx(90 / 360)


def test_the_best_peer_is_the_one_with_the_highest_mean_in_the_end():
    from end_to_end_table import table, verdict

    runs = [
        {"contestant": name, "seed": seed, "finished": [trial(at, 0.25 + gain, 1.0)]}
        for name, at, gains in (
            ("ray-tune", 100, (0.2, 0.2)),
            ("optuna-nsga2", 50, (0.3, 0.0)),
            ("serhpo", 72, (0.2, 0.1)),
        )
        for seed, gain in enumerate(gains)
    ]
    said = list(verdict(runs, minutes=6))
    assert said[0].startswith("reaches ray-tune's")
    assert said[0].endswith(": 0.20, never")
    assert "MISSED" in said[1]
    rows = list(table(runs, minutes=6))
    assert "| serhpo | 1.0 | 72 s | 150.0 ± 50.0 | 150.0 ± 50.0 | 150.0 ± 50.0 |" in rows[2]
    assert list(verdict(runs[:4], minutes=6)) == []


def test_a_peer_hears_what_serhpo_hears(tmp_path):
    from end_to_end_trial import batches_in_order, extracted, random_batches

    from serhpo.corpus.synthetic import synthesise

    corpus = read_corpus(synthesise(tmp_path / "corpus", 2, 4, 0))
    features = extracted(EXTRACTORS["mfcc"](), corpus)
    audio = [read_audio(Path(path)) for path in corpus.column("audio")[:2]]
    expected = [EXTRACTORS["mfcc"]().extract(samples) for samples in audio]
    assert features.lengths[:2].tolist() == [len(frames) for frames in expected]
    out = np.full((2, 7, 40), np.nan, np.float32)
    features.read(np.array([1, 0]), np.array([2, 0]), np.array([9, 3]), out)
    np.testing.assert_array_equal(out[0], expected[1][2:9])
    np.testing.assert_array_equal(out[1], np.concatenate([expected[0][:3], np.zeros((4, 40))]))
    rows = np.arange(10, 27)
    batches = random_batches(rows, np.ones(17), 5, np.random.default_rng(0))
    assert [len(batch) for batch in batches] == [5, 5, 5]  # two are left over: too few
    assert len(np.unique(np.concatenate(batches))) == 15
    np.testing.assert_array_equal(np.concatenate(batches_in_order(rows, np.ones(17), 5)), rows)
