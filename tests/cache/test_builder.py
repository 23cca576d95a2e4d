"""Planning and filling: what is made, what is made anew, and what an error leaves behind."""

import errno
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import soundfile

from serhpo.cache import Shard, build, builder, fill, open_store, plan, planning, verify
from serhpo.corpus.table import Corpus
from serhpo.errors import AudioError, StorageError
from serhpo.features import Extractor, Waveform

CorpusMaker = Callable[..., Corpus]


def files(root: Path) -> dict[str, bytes]:
    """Everything in a cache but its locks."""
    return {p.name: p.read_bytes() for p in root.rglob("*") if p.is_file() and p.suffix != ".lock"}


def names(shards: tuple[Shard, ...]) -> list[str]:
    return [shard.path.name for shard in shards]


def rewrite(corpus: Corpus, index: int) -> None:
    """Other samples of the same number, so that the file's size stays."""
    path = Path(corpus.column("audio")[index])
    samples, rate = soundfile.read(path, dtype="int16")
    soundfile.write(path, samples[::-1], rate, subtype="PCM_16")


def test_consecutive_utterances_share_a_shard(make_corpus: CorpusMaker, pairs: Any, tmp_path: Path) -> None:
    shards = plan(make_corpus(planning.UTTERANCES_PER_SHARD + 3), pairs, tmp_path)
    assert [len(shard.sources) for shard in shards] == [planning.UTTERANCES_PER_SHARD, 3]
    assert planning.UTTERANCES_PER_SHARD <= 512
    assert all(shard.path.parent == tmp_path / "pairs" for shard in shards)


def test_planning_writes_nothing(make_corpus: CorpusMaker, pairs: Any, tmp_path: Path) -> None:
    plan(make_corpus(1), pairs, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_second_fill_computes_nothing(
    make_corpus: CorpusMaker, pairs: Any, tmp_path: Path, small_shards: int
) -> None:
    shards = plan(make_corpus(5), pairs, tmp_path)
    fill(shards)
    assert len(pairs.calls) == 5
    before = {shard.path: shard.path.stat().st_mtime_ns for shard in shards}
    fill(shards)
    assert len(pairs.calls) == 5
    assert {shard.path: shard.path.stat().st_mtime_ns for shard in shards} == before


def test_a_changed_recording_makes_only_its_own_shard_anew(
    make_corpus: CorpusMaker, pairs: Any, tmp_path: Path, small_shards: int
) -> None:
    corpus = make_corpus(6)
    before = plan(corpus, pairs, tmp_path)
    fill(before)
    rewrite(corpus, 3)
    pairs.calls.clear()
    after = plan(corpus, pairs, tmp_path)
    fill(after)
    assert len(pairs.calls) == small_shards
    assert [old == new for old, new in zip(names(before), names(after), strict=True)] == [True, False, True]


def test_a_recording_that_has_rested_is_hashed_once_a_process(
    make_corpus: CorpusMaker, pairs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = make_corpus(1)
    path, then = Path(corpus.column("audio")[0]), time.time() - 60
    os.utime(path, (then, then))
    hashed: list[Path] = []
    original = planning._hash
    monkeypatch.setattr(planning, "_hash", lambda path: hashed.append(path) or original(path))
    first = names(plan(corpus, pairs, tmp_path))
    assert names(plan(corpus, pairs, tmp_path)) == first
    assert hashed == [path]
    rewrite(corpus, 0)
    assert names(plan(corpus, pairs, tmp_path)) != first


def test_a_second_change_within_one_tick_of_the_clock_is_seen(
    make_corpus: CorpusMaker, pairs: Any, tmp_path: Path
) -> None:
    corpus = make_corpus(1)
    path, now = Path(corpus.column("audio")[0]), time.time_ns()
    os.utime(path, ns=(now, now))
    first = names(plan(corpus, pairs, tmp_path))
    rewrite(corpus, 0)
    os.utime(path, ns=(now, now))
    assert names(plan(corpus, pairs, tmp_path)) != first


def test_a_moved_corpus_is_still_cached(make_corpus: CorpusMaker, pairs: Any, tmp_path: Path) -> None:
    first = plan(make_corpus(3), pairs, tmp_path)
    assert names(plan(make_corpus(3, tmp_path / "moved"), pairs, tmp_path)) == names(first)


def test_settings_version_order_and_segment_are_part_of_the_name(
    make_corpus: CorpusMaker, pairs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = make_corpus(2)
    rows = corpus.table.to_pylist()
    cut = Corpus.from_rows("test", tmp_path, [{**rows[0], "end": 0.05}, rows[1]], corpus.scheme)
    variants = [
        plan(corpus, pairs, tmp_path),
        plan(corpus, type(pairs)(scale=2.0), tmp_path),
        plan(corpus.select([1, 0]), pairs, tmp_path),
        plan(cut, pairs, tmp_path),
    ]
    monkeypatch.setattr(type(pairs), "version", 2)
    variants.append(plan(corpus, pairs, tmp_path))
    assert len({shards[0].path for shards in variants}) == len(variants)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2] + b"?" + content[len(content) // 2 + 1 :],
        lambda content: content[:-100],
        lambda content: b"",
        lambda content: b"something else altogether",
    ],
    ids=["flipped", "truncated", "empty", "foreign"],
)
def test_a_damaged_shard_is_made_anew_and_the_others_kept(
    damage: Callable[[bytes], bytes], make_corpus: CorpusMaker, pairs: Any, tmp_path: Path, small_shards: int
) -> None:
    shards = plan(make_corpus(6), pairs, tmp_path)
    paths = fill(shards)
    whole = files(tmp_path / "pairs")
    paths[1].write_bytes(damage(paths[1].read_bytes()))
    pairs.calls.clear()
    fill(shards)
    assert len(pairs.calls) == small_shards
    assert files(tmp_path / "pairs") == whole


def test_progress_is_told_of_every_shard_and_where_it_came_from(
    make_corpus: CorpusMaker, pairs: Any, tmp_path: Path, small_shards: int
) -> None:
    shards = plan(make_corpus(5), pairs, tmp_path)
    build(shards[1])
    seen: list[tuple[int, str]] = []
    fill(shards, progress=lambda made: seen.append((len(made.shard.sources), made.how)))
    assert seen == [(2, "built"), (2, "found"), (1, "built")]


def test_a_shard_that_is_used_again_tells_when(make_corpus: CorpusMaker, pairs: Any, tmp_path: Path) -> None:
    (path,) = fill(plan(make_corpus(1), pairs, tmp_path))
    os.utime(path, (1000, 2000))
    fill(plan(make_corpus(1), pairs, tmp_path))
    assert path.stat().st_atime > 1e9
    assert path.stat().st_mtime == 2000


def test_filling_in_other_processes(make_corpus: CorpusMaker, tmp_path: Path, small_shards: int) -> None:
    shards = plan(make_corpus(4), Waveform(), tmp_path)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        paths = fill(shards, run=executor.map)
    assert open_store(paths).lengths.tolist() == [1000, 1010, 1020, 1030]


class Broken(Extractor):
    """Gives one value that is not a number, or too large for float16."""

    name = "broken"
    version = 1
    value: float | None = None

    @property
    def channels(self) -> int:
        return 1

    @property
    def frames_per_second(self) -> float:
        return 16_000.0

    def extract(self, audio: np.ndarray) -> np.ndarray:
        value = np.nan if self.value is None else self.value
        return np.where(np.arange(len(audio)) == 17, np.float32(value), audio)[:, np.newaxis]


@pytest.mark.parametrize("value", [None, 1e6])
def test_features_that_are_not_finite_name_the_recording(
    value: float | None, make_corpus: CorpusMaker, tmp_path: Path
) -> None:
    with pytest.raises(AudioError) as caught:
        fill(plan(make_corpus(1), Broken(value=value), tmp_path / "cache"))
    assert "broken features are not finite" in caught.value.what
    assert "0.wav" in str(caught.value.where)
    assert "labels.txt:1" in str(caught.value.where)
    assert files(tmp_path / "cache") == {}


def test_audio_that_is_not_finite_names_the_recording(
    make_corpus: CorpusMaker, pairs: Any, tmp_path: Path
) -> None:
    corpus = make_corpus(2)
    samples = np.array([0.1, np.nan, 0.2], np.float32)
    soundfile.write(corpus.column("audio")[1], samples, 16_000, subtype="FLOAT")
    with pytest.raises(AudioError, match="finite") as caught:
        fill(plan(corpus, pairs, tmp_path / "cache"))
    assert "1.wav" in str(caught.value.where)
    assert "labels.txt:2" in str(caught.value.where)


def test_a_missing_recording_names_the_label(make_corpus: CorpusMaker, pairs: Any, tmp_path: Path) -> None:
    corpus = make_corpus(2)
    Path(corpus.column("audio")[1]).unlink()
    with pytest.raises(AudioError) as caught:
        plan(corpus, pairs, tmp_path)
    assert "1.wav" in str(caught.value.where)
    assert "labels.txt:2" in str(caught.value.where)


def test_a_recording_changed_after_planning_is_refused(
    make_corpus: CorpusMaker, pairs: Any, tmp_path: Path
) -> None:
    corpus = make_corpus(2)
    shards = plan(corpus, pairs, tmp_path / "cache")
    rewrite(corpus, 1)
    with pytest.raises(AudioError, match="was changed"):
        fill(shards)
    assert files(tmp_path / "cache") == {}


def full(*_: Any, **__: Any) -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full_half_way(file: Any, *_: Any) -> NoReturn:
    file.write(b"half of it")
    full()


@pytest.mark.parametrize(
    ("target", "name", "fails"),
    [(builder, "write_shard", full_half_way), (os, "fsync", full), (Path, "replace", full)],
    ids=["write", "fsync", "rename"],
)
def test_a_full_disk_is_one_error_and_leaves_the_cache_as_it_was(
    target: Any,
    name: str,
    fails: Callable[..., NoReturn],
    make_corpus: CorpusMaker,
    pairs: Any,
    tmp_path: Path,
    small_shards: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shards = plan(make_corpus(6), pairs, tmp_path / "cache")
    build(shards[0])
    shards[1].path.write_bytes(b"damaged")
    before = files(tmp_path / "cache")
    with monkeypatch.context() as patch:
        patch.setattr(target, name, fails)
        with pytest.raises(StorageError, match="disk is full") as caught:
            fill(shards)
    assert caught.value.exit_code == 5
    assert files(tmp_path / "cache") == before
    fill(shards)  # once there is room, it continues
    assert all(verify(shard.path) is None for shard in shards)


def test_a_file_where_the_folder_should_be(make_corpus: CorpusMaker, pairs: Any, tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(StorageError):
        fill(plan(make_corpus(1), pairs, tmp_path / "cache"))


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, which pytest's own is not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Root may write anywhere: be nobody for the time of a test."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield
    os.seteuid(before)


def test_a_read_only_folder_is_one_error(
    make_corpus: CorpusMaker, pairs: Any, open_folder: Path, request: pytest.FixtureRequest
) -> None:
    corpus = make_corpus(1, open_folder / "corpus")
    (open_folder / "cache").mkdir(mode=0o555)
    shards = plan(corpus, pairs, open_folder / "cache")
    request.getfixturevalue("unprivileged")
    with pytest.raises(StorageError, match="No permission") as caught:
        fill(shards)
    assert str(open_folder) in str(caught.value.where)
    assert "SERHPO_HOME" in str(caught.value.hint)


def test_a_read_only_cache_that_is_complete_can_be_used(
    make_corpus: CorpusMaker, pairs: Any, open_folder: Path, request: pytest.FixtureRequest
) -> None:
    shards = plan(make_corpus(1, open_folder / "corpus"), pairs, open_folder / "cache")
    fill(shards)
    (open_folder / "cache" / "pairs").chmod(0o555)
    request.getfixturevalue("unprivileged")
    assert open_store(fill(shards)).lengths.tolist() == [500]
