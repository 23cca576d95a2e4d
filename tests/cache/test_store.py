"""Reading: exact values, in corpus order, never a view of the file."""

import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from serhpo.cache import FeatureStore, fill, open_store, plan
from serhpo.corpus.table import Corpus
from serhpo.errors import StorageError
from serhpo.features import Extractor, LogMel, Wav2Vec2, Waveform

CorpusMaker = Callable[..., Corpus]

pytestmark = pytest.mark.usefixtures("small_shards")


def cached(corpus: Corpus, extractor: Extractor, root: Path) -> FeatureStore:
    return open_store(fill(plan(corpus, extractor, root)))


def recorded(corpus: Corpus) -> list[np.ndarray]:
    return [soundfile.read(path, dtype="int16")[0] for path in corpus.column("audio")]


def test_the_waveform_comes_back_exactly_and_in_order(make_corpus: CorpusMaker, tmp_path: Path) -> None:
    corpus = make_corpus(5)
    store = cached(corpus, Waveform(), tmp_path)
    out = np.zeros((2000, 1), np.float32)
    assert (len(store), store.channels) == (5, 1)
    for index, samples in enumerate(recorded(corpus)):
        assert store.copy(index, out) == store.lengths[index] == len(samples)
        np.testing.assert_array_equal(out[: len(samples), 0], samples / 2**15)


def test_half_precision_is_the_extractors_output_rounded(make_corpus: CorpusMaker, tmp_path: Path) -> None:
    corpus = make_corpus(3)
    store = cached(corpus, LogMel(), tmp_path)
    out = np.zeros((20, 64), np.float32)
    for index, samples in enumerate(recorded(corpus)):
        frames = LogMel().extract((samples / 2**15).astype(np.float32))
        assert store.copy(index, out) == len(frames)
        np.testing.assert_array_equal(out[: len(frames)], frames.astype(np.float16).astype(np.float32))


def test_segments_of_one_recording(make_corpus: CorpusMaker, tmp_path: Path) -> None:
    rows = make_corpus(1).table.to_pylist()
    rows = [{**rows[0], "start": start, "end": end} for start, end in ((None, 0.01), (0.01, 0.05))]
    corpus = Corpus.from_rows("test", tmp_path, rows, make_corpus(1).scheme)
    store = cached(corpus, Waveform(), tmp_path)
    out = np.zeros((2000, 1), np.float32)
    assert store.lengths.tolist() == [160, 640]
    store.copy(1, out)
    np.testing.assert_array_equal(out[:640, 0], recorded(corpus)[0][160:800] / 2**15)


@pytest.mark.parametrize(
    ("start", "stop"), [(0, 100), (100, None), (300, 200), (900, 5000), (5000, None), (-50, None), (0, 0)]
)
def test_a_part_is_what_a_slice_would_be(
    start: int, stop: int | None, make_corpus: CorpusMaker, tmp_path: Path
) -> None:
    corpus = make_corpus(3)
    expected = recorded(corpus)[2][start:stop] / 2**15
    out = np.full((2000, 1), 7.0, np.float32)
    assert cached(corpus, Waveform(), tmp_path).copy(2, out, start, stop) == len(expected)
    np.testing.assert_array_equal(out[: len(expected), 0], expected)
    assert (out[len(expected) :] == 7.0).all()


@pytest.mark.parametrize(
    "out",
    [
        np.zeros((999, 1), np.float32),
        np.zeros((1000, 2), np.float32),
        np.zeros(1000, np.float32),
        np.zeros((1000, 1), np.float64),
    ],
)
def test_a_buffer_that_does_not_fit_is_refused(
    out: np.ndarray, make_corpus: CorpusMaker, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="need float32"):
        cached(make_corpus(1), Waveform(), tmp_path).copy(0, out)


def test_writing_into_what_was_copied_leaves_the_file_alone(make_corpus: CorpusMaker, tmp_path: Path) -> None:
    store = cached(make_corpus(1), Waveform(), tmp_path)
    before = store.paths[0].read_bytes()
    out = np.zeros((1000, 1), np.float32)
    store.copy(0, out)
    first = out.copy()
    out *= 3
    store.copy(0, out)
    np.testing.assert_array_equal(out, first)
    assert store.paths[0].read_bytes() == before


def test_lengths_cannot_be_written(make_corpus: CorpusMaker, tmp_path: Path) -> None:
    store = cached(make_corpus(1), Waveform(), tmp_path)
    assert store.lengths.dtype == np.int64
    with pytest.raises(ValueError, match="read-only"):
        store.lengths[0] = 1


def test_another_process_gets_paths_only_and_reads_the_same(make_corpus: CorpusMaker, tmp_path: Path) -> None:
    corpus = make_corpus(4)
    store = cached(corpus, Waveform(), tmp_path)
    store.copy(0, np.zeros((1000, 1), np.float32))
    sent = pickle.dumps(store)
    assert len(sent) < 1000
    code = """
import pickle, sys
import numpy as np
store = pickle.load(sys.stdin.buffer)
out = np.zeros((2000, 1), np.float32)
frames = store.copy(3, out)
print(frames, float(out.sum()))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], input=sent, capture_output=True, check=True, timeout=120
    )
    out = np.zeros((2000, 1), np.float32)
    assert done.stdout.split() == [str(store.copy(3, out)).encode(), str(float(out.sum())).encode()]


def test_unpickling_opens_nothing(make_corpus: CorpusMaker, tmp_path: Path) -> None:
    store = cached(make_corpus(1), Waveform(), tmp_path)
    sent = pickle.dumps(store)
    store.paths[0].unlink()
    received = pickle.loads(sent)
    with pytest.raises(StorageError, match="does not exist"):
        len(received)


def test_a_missing_or_broken_file_is_one_clear_error(make_corpus: CorpusMaker, tmp_path: Path) -> None:
    paths = fill(plan(make_corpus(4), Waveform(), tmp_path))
    paths[1].write_bytes(paths[1].read_bytes()[:1000])
    with pytest.raises(StorageError) as caught:
        open_store(paths)
    assert caught.value.where == str(paths[1])
    assert "made anew" in str(caught.value.hint)


@pytest.mark.parametrize("other", [LogMel(n_mels=40), Waveform()])
def test_shards_of_two_extractors_are_no_store(
    other: Extractor, make_corpus: CorpusMaker, tmp_path: Path
) -> None:
    corpus = make_corpus(1)
    paths = [*fill(plan(corpus, LogMel(), tmp_path)), *fill(plan(corpus, other, tmp_path))]
    with pytest.raises(StorageError, match="different extractors"):
        open_store(paths)


@pytest.mark.parametrize(
    ("first", "second"),
    [({"layer": 3}, {"layer": -1}), ({"fine_tune": 1, "layer": 3}, {"fine_tune": 2, "layer": -1})],
)
def test_a_fill_may_be_finished_under_another_spelling_of_the_same_extractor(
    first: dict[str, Any],
    second: dict[str, Any],
    checkpoint: Callable[[str], Path],
    make_corpus: CorpusMaker,
    tmp_path: Path,
) -> None:
    corpus = make_corpus(3)
    copy = shutil.copytree(checkpoint("Wav2Vec2"), tmp_path / "copy")
    begun = plan(corpus, Wav2Vec2(model=str(checkpoint("Wav2Vec2")), **first), tmp_path)
    fill(begun[:1])
    paths = fill(plan(corpus, Wav2Vec2(model=str(copy), **second), tmp_path))
    assert paths == tuple(shard.path for shard in begun)
    assert len(open_store(paths)) == 3


def spans(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_a_batch_is_the_stored_values_with_zeros_behind(make_corpus: CorpusMaker, tmp_path: Path) -> None:
    corpus = make_corpus(5)
    store = cached(corpus, Waveform(), tmp_path)
    out = np.full((3, 1050, 1), 7, store.dtype)
    store.read(spans(4, 0, 2), spans(0, 100, 1020), spans(1040, 300, 1020), out)
    samples = recorded(corpus)
    expected = np.zeros((3, 1050), np.int16)
    expected[0, :1040], expected[1, :200] = samples[4], samples[0][100:300]
    np.testing.assert_array_equal(out[..., 0], expected)
    assert store.scale == 2.0**-15


def test_a_batch_in_half_precision_equals_single_copies(make_corpus: CorpusMaker, tmp_path: Path) -> None:
    store = cached(make_corpus(4), LogMel(), tmp_path)
    rows = spans(3, 1)
    out = np.ones((2, int(store.lengths[rows].max()), store.channels), np.float16)
    store.read(rows, spans(0, 2), store.lengths[rows], out)
    single = np.zeros(out.shape, np.float32)
    store.copy(3, single[0])
    store.copy(1, single[1], 2)
    np.testing.assert_array_equal(out.astype(np.float32), single)


@pytest.mark.parametrize(
    ("stop", "out"),
    [
        ((1011,), np.zeros((1, 2000, 1), np.int16)),
        ((-1,), np.zeros((1, 2000, 1), np.int16)),
        ((1000,), np.zeros((1, 999, 1), np.int16)),
        ((1000,), np.zeros((2, 1000, 1), np.int16)),
        ((1000,), np.zeros((1, 1000, 2), np.int16)),
        ((1000,), np.zeros((1, 1000, 1), np.float32)),
        ((1000,), np.zeros((1, 2000, 1), np.int16)[:, ::2]),
    ],
)
def test_a_batch_that_does_not_fit_is_refused(
    stop: tuple[int], out: np.ndarray, make_corpus: CorpusMaker, tmp_path: Path
) -> None:
    store = cached(make_corpus(2), Waveform(), tmp_path)
    with pytest.raises(ValueError, match=r"need contiguous|outside"):
        store.read(spans(1), spans(0), spans(*stop), out)
