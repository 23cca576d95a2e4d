"""Features of altered recordings."""

import numpy as np
import pytest
from pydantic import ValidationError

from serhpo.features import Altered, LogMel, Mfcc, Waveform, key
from serhpo.features.altered import SNR_RANGE, at_speed, with_noise
from serhpo.training.config import Augmentation

RATE = 16_000


def tone(frequency, seconds=1.0):
    return np.sin(2 * np.pi * frequency * np.arange(int(seconds * RATE)) / RATE).astype(np.float32)


def peak(audio):
    return np.abs(np.fft.rfft(audio * np.hanning(len(audio)))).argmax() * RATE / len(audio)


@pytest.mark.parametrize("speed", [0.9, 1.1])
def test_speed_shortens_and_raises(speed):
    played = at_speed(tone(440.0), speed)
    assert len(played) == pytest.approx(RATE / speed, abs=2)
    assert peak(played) == pytest.approx(440.0 * speed, abs=2)


def test_noise_has_the_drawn_ratio_and_is_always_the_same():
    ratios = []
    for frequency in range(200, 240):
        audio = tone(float(frequency))
        noise = with_noise(audio, 10.0) - audio
        ratios.append(10 * np.log10(np.mean(audio**2) / np.mean(noise**2)))
        np.testing.assert_array_equal(with_noise(audio, 10.0) - audio, noise)
    assert 10.0 - 0.2 < min(ratios) < 12.0
    assert 18.0 < max(ratios) < 10.0 + SNR_RANGE + 0.2


def test_silence_stays_silent():
    assert not with_noise(np.zeros(100, np.float32), 10.0).any()


@pytest.mark.parametrize("samples", [1, 2, 7])
def test_the_shortest_recordings_give_frames(samples):
    audio = np.full(samples, 0.1, np.float32)
    for extractor in Augmentation(speed=0.3, noise_snr=10.0).copies(Mfcc()):
        assert len(extractor.extract(audio)) >= 1


def test_an_altered_extractor_is_the_extractor_of_altered_audio():
    audio = tone(300.0)
    slow = Altered(of=LogMel(), speed=0.9)
    np.testing.assert_array_equal(slow.extract(audio), LogMel().extract(at_speed(audio, 0.9)))
    assert (slow.name, slow.channels, slow.storage) == ("mel", LogMel().channels, "float16")
    assert Altered(of=Waveform(), speed=0.9).storage == "int16"


def test_every_setting_changes_the_key():
    extractors = [
        Mfcc(),
        Altered(of=Mfcc(), speed=0.9),
        Altered(of=Mfcc(), speed=1.1),
        Altered(of=Mfcc(), noise_snr=10.0),
        Altered(of=Mfcc(), noise_snr=20.0),
        Altered(of=Mfcc(n_mfcc=13), speed=0.9),
        Altered(of=LogMel(), speed=0.9),
    ]
    assert len({key(extractor) for extractor in extractors}) == len(set(extractors)) == len(extractors)
    assert "n_mfcc" in Altered(of=Mfcc()).model_dump(mode="json")["of"]


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValidationError):
        Altered(of=Mfcc(), speed=0.0)
