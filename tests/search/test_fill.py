"""Filling before a search: what is run where, real Ray tasks, and how long it will still take."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import ray
import soundfile

from serhpo.cache import Made, Shard, build, plan, planning, verify
from serhpo.cluster import connected
from serhpo.corpus.table import Corpus, LabelScheme
from serhpo.errors import AudioError, ResourceError
from serhpo.features import Waveform
from serhpo.search import fill
from serhpo.search.fill import StreamProgress, fill_streams, ray_map


def make_corpus(folder: Path, utterances: int) -> Corpus:
    folder.mkdir()
    rows = []
    for i in range(utterances):
        noise = np.random.default_rng(i).integers(-99, 99, 800 + i).astype(np.int16)
        soundfile.write(folder / f"{i}.wav", noise, 16_000, subtype="PCM_16")
        row = {"utt_id": f"u{i}", "audio": str(folder / f"{i}.wav"), "corpus": "test", "speaker": "1F"}
        rows.append({**row, "group": "1", "source": f"labels.txt:{i + 1}"})
    return Corpus.from_rows("test", folder, rows, LabelScheme())


@pytest.fixture
def shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Shard, ...]:
    """Four shards of two utterances."""
    monkeypatch.setattr(planning, "UTTERANCES_PER_SHARD", 2)
    return plan(make_corpus(tmp_path / "corpus", 8), Waveform(), tmp_path / "cache")


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    with connected(joining=False):
        yield


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_time_left_follows_from_what_was_computed_alone(shards: tuple[Shard, ...]) -> None:
    clock = Clock()
    stream = StreamProgress("waveform", clock, total=8)
    stream.add(Made(shards[0], "found", 9))
    assert stream.seconds_left is None
    clock.now = 100.0  # whatever passed before the first was begun does not count
    stream.begin()
    assert stream.seconds_left is None
    clock.now = 106.0
    stream.add(Made(shards[1], "built", 9))
    assert stream.seconds_left == 12.0  # 2 utterances took 6 s, 4 are missing
    clock.now = 110.0
    stream.begin()
    stream.add(Made(shards[2], "fetched", 9))
    assert stream.seconds_left == 5.0  # 4 took 10 s, 2 are missing
    stream.add(Made(shards[3], "built", 9))
    assert (stream.done, stream.seconds_left) == (8, 0.0)


def test_ray_tasks_build_every_shard_and_find_those_that_are_there(
    shards: tuple[Shard, ...], local_ray: None
) -> None:
    build(shards[2])
    made = list(ray_map(build, iter(shards)))
    assert {item.shard.path: item.how for item in made} == {
        shard.path: "found" if shard is shards[2] else "built" for shard in shards
    }
    assert all(verify(shard.path) is None for shard in shards)


def test_an_error_in_a_task_is_the_error_itself(shards: tuple[Shard, ...], local_ray: None) -> None:
    shards[1].sources[0].path.write_bytes(b"RIFF")
    with pytest.raises(AudioError) as caught:
        list(ray_map(build, shards))
    assert "2.wav" in str(caught.value.where)
    assert "labels.txt:3" in str(caught.value.where)


def test_a_connection_inside_another_leaves_it_open(local_ray: None) -> None:
    with connected(joining=False):
        pass
    assert ray.is_initialized()


@pytest.mark.parametrize(("worth", "in_ray"), [(1e9, False), (0.0, True)])
def test_ray_is_started_only_where_it_is_worth_it(
    worth: float, in_ray: bool, shards: tuple[Shard, ...], local_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill, "WORTH_RAY", worth)
    used: list[bool] = []
    original = fill.ray_map
    monkeypatch.setattr(fill, "ray_map", lambda *args: used.append(True) or original(*args))
    build(shards[0])
    seen: list[tuple[int, str]] = []
    with ExitStack() as session:
        fill_streams(
            {shards[0].extractor: shards},
            1.0,
            session,
            lambda stream, made: seen.append((stream.done, made.how)),
        )
    assert bool(used) == in_ray
    assert seen == [(2, "found"), (4, "built"), (6, "built"), (8, "built")]


def test_the_cost_of_a_fill_is_that_of_its_audio(shards: tuple[Shard, ...]) -> None:
    assert fill.expected_cpu_seconds(shards[:3], 5.0) == pytest.approx(6 * 5.0 * Waveform.cost)


def test_where_ray_is_started_anyway_less_work_is_worth_its_tasks(shards: tuple[Shard, ...]) -> None:
    seconds = 10.0 / (8 * Waveform.cost)  # an utterance, so that all cost 10 CPU seconds
    assert not fill.worth_ray(shards, seconds)
    assert fill.worth_ray(shards, seconds, ray_follows=True)
    assert not fill.worth_ray(shards[:1], seconds, ray_follows=True)


def test_a_worker_that_dies_again_and_again_is_told(shards: tuple[Shard, ...], local_ray: None) -> None:
    with pytest.raises(ResourceError, match="worker died") as caught:
        list(ray_map(lambda shard: os._exit(1), shards[:1]))
    assert "memory" in caught.value.hint
