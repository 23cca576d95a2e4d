import numpy as np
import pytest
import torch

from serhpo.training.batches import BatchReader, evaluation_batches, training_batches
from serhpo.training.resident import Resident


def lengths(size, seed=0):
    return np.clip(np.random.default_rng(seed).lognormal(np.log(3.56), 0.65, size), 0.6, 31)


@pytest.mark.parametrize(("size", "batch"), [(1, 16), (15, 16), (33, 16), (100, 16), (5531, 32)])
def test_every_row_once_and_no_batch_too_small(size, batch):
    rows = np.arange(size) * 3
    batches = training_batches(rows, lengths(size), batch, np.random.default_rng(1))
    assert sorted(np.concatenate(batches)) == rows.tolist()
    sizes = [len(one) for one in batches]
    assert len(batches) == 1 or min(sizes) >= 4
    assert max(sizes) < batch + 4


def test_padding_is_small_and_batches_change_every_epoch():
    seconds = lengths(5531)
    rows = np.arange(5531)
    first, second = (training_batches(rows, seconds, 32, np.random.default_rng(seed)) for seed in (1, 2))
    padded = sum(len(batch) * seconds[batch].max() for batch in first)
    assert padded / seconds.sum() <= 1.15
    assert {tuple(sorted(batch)) for batch in first}.isdisjoint({tuple(sorted(batch)) for batch in second})


def test_the_generator_decides_everything():
    rows, seconds = np.arange(200), lengths(200)
    first, again = (training_batches(rows, seconds, 16, np.random.default_rng(5)) for _ in range(2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))


def test_evaluation_batches_hold_every_row_within_the_budget():
    rows, seconds = np.arange(100, 400), lengths(300)
    batches = evaluation_batches(rows, seconds, budget=30)
    assert sorted(np.concatenate(batches)) == rows.tolist()
    for batch in batches:
        assert len(batch) == 1 or len(batch) * seconds[batch - 100].max() <= 30


def reader(memory_store, seconds=(0.5, 2.0, 1.25)):
    """Every frame holds its own time, so that an excerpt shows where it was taken."""
    rates = {"mfcc": 100.0, "waveform": 16_000.0}
    stores = {
        stream: memory_store([np.arange(t * rate, dtype=np.float32)[:, None] / rate for t in seconds])
        for stream, rate in rates.items()
    }
    return BatchReader(stores, rates, torch.device("cpu"))


def test_whole_utterances_are_padded_with_zeros(memory_store):
    source = reader(memory_store)
    source_batches = source.whole([np.array([1, 0]), np.array([2, 0])])
    next(source_batches)  # leaves its values in the buffers
    batch = next(source_batches)
    assert batch.lengths["mfcc"].tolist() == [125, 50]
    assert batch.features["waveform"].shape == (2, 20_000, 1)
    assert batch.features["mfcc"][0, -1, 0] == pytest.approx(1.24)
    assert (batch.features["mfcc"][1, 50:] == 0).all()
    assert (batch.features["waveform"][1, 8000:] == 0).all()


def test_excerpts_are_the_same_stretch_of_time_in_every_stream(memory_store):
    source = reader(memory_store)
    starts = []
    for seed in range(20):
        (batch,) = source.excerpts([np.arange(3)], 0.75, np.random.default_rng(seed))
        assert batch.lengths["mfcc"].tolist() == [50, 75, 75]
        assert batch.lengths["waveform"].tolist() == [8000, 12_000, 12_000]
        first = batch.features["mfcc"][:, 0, 0], batch.features["waveform"][:, 0, 0]
        torch.testing.assert_close(*first, atol=0.0101, rtol=0)
        starts.append(first[0].tolist())
    assert np.ptp(starts, axis=0)[0] == 0  # shorter than the excerpt: always whole
    assert np.ptp(starts, axis=0)[1] > 0.7
    assert np.max(starts, axis=0)[1] <= 1.25


def test_excerpts_of_copies_are_as_long_as_others_and_reach_the_copys_own_end(memory_store):
    rates = {"mfcc": 100.0, "waveform": 16_000.0}
    versions = [  # a frame holds its own time, and 100 for each version before its own
        {
            stream: memory_store([100 * number + np.arange(t * rate, dtype=np.float32)[:, None] / rate])
            for stream, rate in rates.items()
        }
        for number, t in enumerate((10.0, 2.5, 12.5))  # as recorded, and faster and slower
    ]
    source = BatchReader(versions[0], rates, torch.device("cpu"), versions[1:])
    starts = []
    for batch in source.excerpts([np.zeros(16, np.int64)] * 20, 1.0, np.random.default_rng(0)):
        assert set(batch.lengths["mfcc"].tolist()) == {100}
        assert set(batch.lengths["waveform"].tolist()) == {16_000}
        starts += batch.features["mfcc"][:, 0, 0].tolist()
    latest = [max(start % 100 for start in starts if start // 100 == number) for number in range(3)]
    assert latest == pytest.approx([9.0, 1.5, 11.5], rel=0.05)


def test_seconds_follow_the_shortest_stream(memory_store):
    stores = {"mfcc": memory_store([np.zeros((101, 2))]), "waveform": memory_store([np.zeros((16_000, 1))])}
    source = BatchReader(stores, {"mfcc": 100.0, "waveform": 16_000.0}, torch.device("cpu"))
    assert source.seconds(np.array([0])).tolist() == [1.0]


def test_what_is_gathered_on_the_device_is_what_is_read_from_the_cache(memory_store):
    generator = np.random.default_rng(0)
    lengths = generator.integers(5, 60, 40)
    versions = [
        {"mfcc": memory_store([generator.normal(size=(n + v, 3)).astype(np.float32) for n in lengths])}
        for v in range(3)
    ]
    cpu, rates = torch.device("cpu"), {"mfcc": 100.0}
    resident = [{"mfcc": Resident(version["mfcc"], cpu)} for version in versions]
    plain = BatchReader(versions[0], rates, cpu, versions[1:])
    gathered = BatchReader(versions[0], rates, cpu, versions[1:], resident)
    batches = [np.array([3, 1, 39, 17]), np.arange(20, 40)]
    for seed in range(5):
        both = [reader.excerpts(batches, 0.3, np.random.default_rng(seed)) for reader in (plain, gathered)]
        for mine, other in zip(*both, strict=True):
            assert torch.equal(mine.features["mfcc"], other.features["mfcc"])
            assert torch.equal(mine.lengths["mfcc"], other.lengths["mfcc"])
    for mine, other in zip(plain.whole(batches), gathered.whole(batches), strict=True):
        assert torch.equal(mine.features["mfcc"], other.features["mfcc"])


def test_values_stored_as_integers_are_scaled_where_they_are_gathered(memory_store):
    store = memory_store([np.array([[100], [-200]], np.int16), np.array([[300]], np.int16)])
    store.dtype, store.scale = np.dtype(np.int16), 0.5
    got = Resident(store, torch.device("cpu")).gather(np.array([1, 0]), np.zeros(2, int), np.array([1, 2]), 3)
    assert got.squeeze(-1).tolist() == [[150.0, 0.0, 0.0], [50.0, -100.0, 0.0]]
