import numpy as np

from serhpo.training import normalisation
from serhpo.training.normalisation import ChannelMoments


def test_moments_equal_numpy_over_the_training_speakers_frames(data):
    frames = np.concatenate(
        [data.stores["mfcc"].arrays[i] for i in np.flatnonzero(np.isin(data.speakers, ["1F", "2M"]))]
    )
    mean, std = normalisation.fit(data, "mfcc", ("2M", "1F")).mean_and_std()
    np.testing.assert_allclose(mean, frames.mean(axis=0, dtype=np.float64), atol=1e-6)
    np.testing.assert_allclose(std, frames.std(axis=0, dtype=np.float64), atol=1e-6)


def test_a_large_offset_loses_no_digits(memory_store):
    x = np.random.default_rng(0).normal(-300, 0.5, (400, 1)).astype(np.float32)
    store = memory_store([x[:100], x[100:150], x[150:]])
    _, std = ChannelMoments.of(store, np.arange(3)).mean_and_std()
    np.testing.assert_allclose(std, x.std(axis=0, dtype=np.float64), rtol=1e-4)


def test_a_constant_channel_is_left_as_it_is(memory_store):
    store = memory_store([np.full((10, 2), 0.1, dtype=np.float32), np.full((7, 2), 0.1, dtype=np.float32)])
    _, std = ChannelMoments.of(store, np.arange(2)).mean_and_std()
    assert std.tolist() == [1, 1]


def test_an_utterance_without_label_and_rating_has_no_part(data):
    row = int(data.rows(["1F"])[0])
    data.labels[row], data.dimensions[row] = -1, np.nan
    before = normalisation.fit(data, "mfcc", ["1F"]).count
    assert (
        before == sum(data.stores["mfcc"].lengths[data.speakers == "1F"]) - data.stores["mfcc"].lengths[row]
    )
