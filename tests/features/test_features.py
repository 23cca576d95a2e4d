"""What every extractor promises, and the registry."""

from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from serhpo.config import parse
from serhpo.errors import ConfigError, UsageError
from serhpo.features import EXTRACTORS, Extractor, FeatureSettings, LogMel, Mfcc, Waveform, key
from serhpo.features.base import one_thread
from serhpo.features.pretrained import Pretrained

SAMPLE_RATE = 16_000

# For every setting of every extractor a value that is not its default.
OTHER: dict[str, dict[str, Any]] = {
    "mfcc": {
        "n_fft": 1024,
        "win_length": 480,
        "hop_length": 200,
        "n_mels": 80,
        "fmin": 50.0,
        "fmax": 7600.0,
        "top_db": None,
        "n_mfcc": 20,
    },
    "short_term": {"win_length": 800, "hop_length": 400, "chroma": "correct", "deltas": False},
    "waveform": {},
}
OTHER["mel"] = {name: value for name, value in OTHER["mfcc"].items() if name != "n_mfcc"}

# Pretrained models need a checkpoint; they promise the same in test_pretrained.py.
MADE_HERE = {name: kind for name, kind in EXTRACTORS.items() if not issubclass(kind, Pretrained)}
extractors = pytest.mark.parametrize("extractor", [kind() for kind in MADE_HERE.values()], ids=MADE_HERE)


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).clip(-1, 0.999).astype(np.float32)


@extractors
@pytest.mark.parametrize("samples", [1, 159, 800, 16_000])
def test_frames_have_the_stated_channels_and_rate(extractor: Extractor, samples: int) -> None:
    frames = extractor.extract(noise(samples))
    assert frames.dtype == np.float32
    assert frames.shape == (len(frames), extractor.channels)
    assert len(frames) >= 1
    # Short-term features drop the frames that would reach beyond the end: with 25 ms every 10 ms, two.
    assert abs(len(frames) - samples / SAMPLE_RATE * extractor.frames_per_second) <= 2.5


@extractors
def test_silence_gives_finite_features(extractor: Extractor) -> None:
    assert np.isfinite(extractor.extract(np.zeros(8000, np.float32))).all()


@extractors
def test_features_do_not_depend_on_what_came_before(extractor: Extractor) -> None:
    first = extractor.extract(noise(4000)).copy()
    extractor.extract(noise(4000, seed=1) * 8)
    np.testing.assert_array_equal(extractor.extract(noise(4000)), first)


@extractors
def test_audio_is_left_as_it_was_even_when_read_only(extractor: Extractor) -> None:
    audio = noise(4000)
    audio.flags.writeable = False
    before = audio.copy()
    extractor.extract(audio)
    np.testing.assert_array_equal(audio, before)


@extractors
def test_thread_count_is_left_as_it_was(extractor: Extractor) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        extractor.extract(noise(4000))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_one_thread_inside_the_block() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@extractors
def test_other_is_complete(extractor: Extractor) -> None:
    assert set(OTHER[extractor.name]) == set(type(extractor).model_fields)


@pytest.mark.parametrize(
    ("stream", "field"), [(stream, field) for stream, fields in OTHER.items() for field in fields]
)
def test_every_setting_is_part_of_the_key(stream: str, field: str) -> None:
    default = EXTRACTORS[stream]()
    changed = EXTRACTORS[stream](**{field: OTHER[stream][field]})
    assert key(changed) != key(default)
    audio = np.concatenate([noise(4000), np.zeros(4000, np.float32)])
    assert not np.array_equal(changed.extract(audio), default.extract(audio))


@extractors
def test_the_version_is_part_of_the_key(extractor: Extractor, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(extractor)
    monkeypatch.setattr(type(extractor), "version", extractor.version + 1)
    assert key(extractor) != before


def test_the_name_is_part_of_the_key() -> None:
    class Renamed(Waveform):
        name: ClassVar[str] = "renamed"

    assert key(Renamed()) != key(Waveform())


def test_equal_settings_have_equal_keys() -> None:
    assert key(Mfcc()) == key(Mfcc(n_mfcc=40)) == key(Mfcc.model_validate_json(Mfcc().model_dump_json()))


def test_settings_have_one_field_a_stream() -> None:
    settings = FeatureSettings()
    assert set(FeatureSettings.model_fields) == set(EXTRACTORS)
    assert all(type(settings[name]) is kind for name, kind in EXTRACTORS.items())


def test_settings_of_one_stream() -> None:
    settings = parse(FeatureSettings, {"mel": {"n_mels": 40}})
    assert settings["mel"] == LogMel(n_mels=40)
    assert settings["mfcc"] == Mfcc()


def test_an_unknown_stream_lists_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        FeatureSettings()["mfc"]
    assert "mfc" in caught.value.what
    assert caught.value.allowed == "hubert, mel, mfcc, short_term, wav2vec2, waveform"
    assert "mfcc" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"mel": {"win_length": 600}}, "longer than n_fft"),
        ({"mel": {"hop_length": 500}}, "skips samples"),
        ({"mel": {"fmin": 5000.0, "fmax": 4000.0}}, "must be below fmax"),
        ({"mel": {"n_mels": 128, "n_fft": 256, "win_length": 256}}, "hold no bin"),
        ({"mel": {"fmax": 9000.0}}, "8000"),
        ({"short_term": {"hop_length": 500}}, "skips samples"),
        ({"short_term": {"chroma": "right"}}, "'compatible' or 'correct'"),
        ({"mfcc": {"n_mfcc": 65}}, "more than the n_mels"),
        ({"mfcc": {"nmfcc": 13}}, "n_mfcc"),
    ],
)
def test_impossible_settings_are_refused(data: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(FeatureSettings, data)
    assert said in str(caught.value)
