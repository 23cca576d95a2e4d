"""Masks, blends and altered copies: what they change, and that validation never hears of them."""

from collections import Counter

import numpy as np
import pytest
import torch

from serhpo.training.augmentation import Blend, mask
from serhpo.training.batches import BatchReader
from serhpo.training.config import Augmentation
from serhpo.training.trainer import TrialTraining

CPU = torch.device("cpu")


def runs(masked):
    """Lengths of the stretches of True in a row."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], masked, [0]])))
    return edges[1::2] - edges[::2]


def test_masks_set_stretches_to_the_mean_and_leave_the_rest():
    torch.manual_seed(0)
    features = {"mfcc": torch.randn(16, 50, 8), "mel": torch.randn(16, 50, 20)}
    means = {"mfcc": torch.arange(8.0), "mel": torch.arange(20.0)}
    lengths = dict.fromkeys(features, torch.full((16,), 50))
    result = mask(features, lengths, means, Augmentation(time_masks=1, channel_masks=1, mask_share=0.2))
    for stream, longest in (("mfcc", 10), ("mel", 10)):
        changed = ~torch.isclose(result[stream], features[stream], atol=1e-5)
        torch.testing.assert_close(result[stream][changed], means[stream].expand(16, 50, -1)[changed])
        frames = changed.all(dim=2).numpy()
        assert all(sum(runs(row) > 0) <= 1 and row.sum() <= longest for row in frames)
        assert 0 < frames.sum() < frames.size / 4
        assert len({tuple(row) for row in frames}) > 8  # every utterance its own
        channels = changed.all(dim=1).numpy()
        assert channels.any() == (stream == "mel")
        assert channels.sum(axis=1).max() <= 4
    assert torch.equal(mask(features, lengths, means, Augmentation())["mel"], features["mel"])


def test_a_short_utterance_among_long_ones_loses_a_share_of_its_own_frames():
    torch.manual_seed(0)
    lengths = torch.tensor([60, 200] * 50)
    features, means = {"mfcc": torch.ones(100, 200, 2)}, {"mfcc": torch.zeros(2)}
    result = mask(features, {"mfcc": lengths}, means, Augmentation(time_masks=1, mask_share=0.5))["mfcc"]
    hidden = (result == 0).all(dim=2)
    assert not hidden[::2, 60:].any()
    for length, rows in ((60, hidden[::2]), (200, hidden[1::2])):
        assert length * 0.4 < rows.sum(dim=1).max() <= length * 0.5
        assert rows.any(dim=0)[: length // 10].any()
        assert rows.any(dim=0)[length - length // 10 : length].any()


def test_a_blend_mixes_features_classes_and_ratings_by_one_share():
    torch.manual_seed(1)
    blend = Blend(4, 1.0)
    assert 0.5 <= blend.share <= 1
    x, lengths = torch.randn(4, 6, 3), torch.tensor([6, 2, 4, 5])
    mixed, other = blend.frames(x, lengths), blend.other
    for i, j in enumerate(other.tolist()):
        both = min(lengths[i], lengths[j])
        expected = blend.share * x[i, :both] + (1 - blend.share) * x[j, :both]
        torch.testing.assert_close(mixed[i, :both], expected)
        assert torch.equal(mixed[i, both:], x[i, both:])
    ratings = torch.tensor([[0.0], [1.0], [float("nan")], [0.5]])
    blended = blend.targets(ratings)
    assert torch.isnan(blended).flatten().tolist() == [2 in (i, j) for i, j in enumerate(other.tolist())]


class Watched:
    """A store that remembers which rows were read."""

    def __init__(self, store):
        self.store, self.rows = store, Counter()

    def __getattr__(self, name):
        return getattr(self.store, name)

    def __len__(self):
        return len(self.store)

    def read(self, rows, start, stop, out):
        self.rows.update(rows.tolist())
        self.store.read(rows, start, stop, out)


def test_altered_copies_are_read_for_training_speakers_alone(make_data, folds, make_config):
    data = make_data()
    data.copies = tuple(
        {stream: Watched(store) for stream, store in make_data(seed=seed).stores.items()} for seed in (1, 2)
    )
    # Of other lengths, as those of another speed are.
    assert not np.array_equal(data.copies[0]["mel"].lengths, data.stores["mel"].lengths)
    TrialTraining(make_config(), data, folds[:1], seed=0).run_epoch()
    training = set(data.rows(folds[0].train).tolist())
    read = [set(store.rows) for copy in data.copies for store in copy.values()]
    assert all(rows and rows < training for rows in read)
    assert read[0] == read[1]  # an utterance is the same copy in every stream


def test_a_copy_is_one_of_several_equally_likely_versions(memory_store):
    versions = [{"mfcc": memory_store([np.full((5 + v, 2), v, dtype=np.float32)] * 600)} for v in range(3)]
    reader = BatchReader(versions[0], {"mfcc": 100.0}, CPU, versions[1:])
    (batch,) = reader.excerpts([np.arange(600)], None, np.random.default_rng(0))
    drawn = batch.features["mfcc"][:, 0, 0]
    assert torch.equal(batch.lengths["mfcc"], 5 + drawn.long())
    counts = torch.bincount(drawn.long())
    assert all(abs(count - 200) < 4 * np.sqrt(600 * 2 / 9) for count in counts.tolist())
    (batch,) = reader.whole([np.arange(600)])
    assert not batch.features["mfcc"].any()


@pytest.mark.parametrize("settings", [{"time_masks": 2, "channel_masks": 2}, {"mixup": 0.4}])
def test_augmented_training_still_learns(data, folds, make_config, settings):
    training = TrialTraining(make_config(augmentation=settings), data, folds, seed=0)
    for _ in range(4):
        result = training.run_epoch()
    assert result.ua > 0.7
