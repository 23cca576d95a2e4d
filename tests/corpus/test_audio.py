from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from serhpo.corpus.audio import SAMPLE_RATE, audio_info, audio_problem, read_audio, samples_of
from serhpo.errors import AudioError
from serhpo.features import FeatureSettings

Wav = Callable[..., Path]


def sine(seconds: float) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 200 * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)


def test_samples_are_scaled_to_one(tmp_path: Path, wav: Wav) -> None:
    audio = read_audio(wav(tmp_path / "a.wav", 0.25))
    assert audio.dtype == np.float32
    np.testing.assert_allclose(audio, sine(0.25), atol=1 / 32768)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_other_rates_are_resampled(tmp_path: Path, wav: Wav, rate: int) -> None:
    audio = read_audio(wav(tmp_path / "a.wav", 1.0, rate))
    assert abs(len(audio) - SAMPLE_RATE) <= 1
    middle = slice(SAMPLE_RATE // 4, 3 * SAMPLE_RATE // 4)  # edges ring
    np.testing.assert_allclose(audio[middle], sine(1.0)[middle], atol=1e-3)


def test_channels_are_averaged(tmp_path: Path) -> None:
    left, right = np.full(800, 0.5), np.full(800, -0.25)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), SAMPLE_RATE, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(tmp_path / "a.wav"), np.full(800, 0.125))


def test_a_part_is_cut_exactly(tmp_path: Path, wav: Wav) -> None:
    path = wav(tmp_path / "a.wav", 1.0)
    whole = read_audio(path)
    np.testing.assert_array_equal(read_audio(path, 0.25, 0.5), whole[4000:8000])
    np.testing.assert_array_equal(read_audio(path, start=0.75), whole[12000:])
    np.testing.assert_array_equal(read_audio(path, end=0.125), whole[:2000])


@pytest.mark.parametrize(("start", "end"), [(0.5, 1.5), (1.0, None), (0.5, 0.5), (-0.5, 0.5), (0.75, 0.25)])
def test_a_part_outside_the_file(tmp_path: Path, wav: Wav, start: float, end: float | None) -> None:
    with pytest.raises(AudioError, match="no part"):
        read_audio(wav(tmp_path / "a.wav", 1.0), start, end)


def test_a_part_may_end_half_a_millisecond_late_since_labels_are_rounded(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", sine(3.2006875), SAMPLE_RATE)  # 51,211 samples
    assert len(read_audio(tmp_path / "a.wav", end=3.201)) == 51_211
    with pytest.raises(AudioError, match=r"no part 0-3\.202 s in 3\.20069 s"):
        read_audio(tmp_path / "a.wav", end=3.202)


@pytest.mark.parametrize(
    ("start", "end", "part"),
    [
        (None, None, (0, 800)),
        (0.25, None, (200, 800)),
        (0.25, 0.5, (200, 400)),
        (None, 1.0004, (0, 800)),
        (1.0001, 1.0004, None),  # between the last sample and the end that was allowed for
        (0.25, 0.25001, None),  # not one sample
        (-0.001, None, None),
        (float("inf"), None, None),
        (None, float("inf"), None),
    ],
)
def test_samples_of_a_part(start: float | None, end: float | None, part: tuple[int, int] | None) -> None:
    assert samples_of(800, 800, start, end) == part


def test_error_names_file_source_and_reason(tmp_path: Path) -> None:
    with pytest.raises(AudioError) as caught:
        read_audio(tmp_path / "gone.wav", source="labels.txt:7")
    assert caught.value.what == "Cannot use the recording gone.wav: does not exist"
    assert caught.value.where == f"{tmp_path / 'gone.wav'}, named in labels.txt:7"
    with pytest.raises(AudioError, match="does not exist"):
        audio_info(tmp_path / "gone.wav")


def test_truncated_recording(tmp_path: Path, wav: Wav) -> None:
    path = wav(tmp_path / "a.wav", 0.5)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(AudioError, match="truncated: 2000 bytes are missing"):
        read_audio(path)


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFF000, 0x7FFFF000 - 4])  # ffmpeg, SoX
def test_a_streamed_wav_without_length_is_read(tmp_path: Path, wav: Wav, length: int) -> None:
    path = wav(tmp_path / "a.wav", 0.5)
    data = bytearray(path.read_bytes())
    data[40:44] = struct.pack("<I", length)  # of the data chunk, as written to a pipe
    path.write_bytes(data)
    assert audio_problem(path) is None
    assert len(read_audio(path)) == 8000


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFF000])
def test_a_streamed_aiff_without_length_is_read(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.aiff"
    soundfile.write(path, sine(0.5), SAMPLE_RATE)
    data = bytearray(path.read_bytes())
    start = data.index(b"SSND") + 4
    data[4:8] = struct.pack(">I", min(length + start - 4, 0xFFFFFFFF))
    data[start : start + 4] = struct.pack(">I", length)
    path.write_bytes(data)
    assert audio_problem(path) is None
    assert len(read_audio(path)) == 8000


OTHERS = ("AIFF", "AU", "W64", "RF64", "WAVEX", "WAV")


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "ULAW"])
@pytest.mark.parametrize("form", OTHERS)
def test_whole_recordings_of_other_formats_pass(tmp_path: Path, form: str, subtype: str) -> None:
    for samples in (1, 799, 800):
        path = tmp_path / f"{samples}.{form}"
        soundfile.write(path, sine(0.1)[:samples], SAMPLE_RATE, format=form, subtype=subtype)
        assert audio_problem(path) is None


@pytest.mark.parametrize(("form", "endian"), [*((form, "FILE") for form in OTHERS), ("WAV", "BIG")])
def test_a_recording_of_another_format_that_breaks_off(tmp_path: Path, form: str, endian: str) -> None:
    path = tmp_path / f"a.{form}"
    soundfile.write(path, sine(0.5), SAMPLE_RATE, format=form, subtype="PCM_16", endian=endian)
    path.write_bytes(path.read_bytes()[:-2000])
    reason = audio_problem(path)
    assert reason is not None
    assert reason.startswith("is truncated: 2000 bytes")
    with pytest.raises(AudioError, match="truncated"):
        read_audio(path)


@pytest.mark.parametrize(("peak", "refused"), [(1.0, False), (3.9, False), (12_000.0, True)])
def test_floats_at_the_scale_of_integers(tmp_path: Path, peak: float, refused: bool) -> None:
    soundfile.write(tmp_path / "a.wav", 2 * peak * sine(0.5), SAMPLE_RATE, subtype="FLOAT")
    reason = audio_problem(tmp_path / "a.wav")
    assert (reason is not None) == refused
    assert not refused or "full scale is 1" in str(reason)


def test_not_finite(tmp_path: Path) -> None:
    samples = np.zeros(100)
    samples[3] = np.nan
    soundfile.write(tmp_path / "a.wav", samples, SAMPLE_RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match="not finite"):
        read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite_is_found_when_a_corpus_is_read(tmp_path: Path, subtype: str, value: float) -> None:
    samples = np.zeros(100_000)
    samples[-1] = value
    soundfile.write(tmp_path / "a.wav", samples, SAMPLE_RATE, subtype=subtype)
    assert audio_problem(tmp_path / "a.wav") == "holds samples that are not finite"


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
def test_every_format_rate_and_channel_count(tmp_path: Path, kind: str, rate: int, channels: int) -> None:
    if kind == "mp3" and channels > 2:
        pytest.skip("MP3 has at most two channels")
    time = np.arange(rate) / rate
    samples = np.repeat(0.5 * np.sin(2 * np.pi * 200 * time)[:, None], channels, axis=1)
    path = tmp_path / f"a.{kind}"
    soundfile.write(path, samples, rate)
    assert audio_problem(path) is None
    assert audio_info(path) == (1.0, rate, channels)
    audio = read_audio(path)
    assert abs(len(audio) - SAMPLE_RATE) <= 1
    middle = slice(SAMPLE_RATE // 4, 3 * SAMPLE_RATE // 4)
    lossy = kind in ("ogg", "mp3")
    np.testing.assert_allclose(audio[middle], sine(1.0)[middle], atol=0.05 if lossy else 1e-3)


@pytest.mark.parametrize(
    ("kind", "found_by_header"), [("wav", True), ("ogg", True), ("flac", False), ("mp3", False)]
)
def test_a_recording_that_breaks_off(tmp_path: Path, kind: str, found_by_header: bool) -> None:
    """Of FLAC and MP3 only decoding tells; either way nobody trains on half a recording."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(3 * SAMPLE_RATE)
    path = tmp_path / f"a.{kind}"
    soundfile.write(path, noise, SAMPLE_RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert (audio_problem(path) is not None) == found_by_header
    with pytest.raises(AudioError, match="Cannot use the recording"):
        read_audio(path)


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
def test_an_empty_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    path.write_bytes(b"")
    assert audio_problem(path) == "is an empty file"
    with pytest.raises(AudioError, match="is an empty file"):
        read_audio(path)


@pytest.mark.parametrize("stream", ["mfcc", "mel", "waveform"])
@pytest.mark.parametrize("seconds", [0.05, 60.0])
@pytest.mark.parametrize("silent", [False, True])
def test_very_short_very_long_and_silent_recordings_have_finite_features(
    tmp_path: Path, stream: str, seconds: float, silent: bool
) -> None:
    soundfile.write(tmp_path / "a.wav", sine(seconds) * (not silent), SAMPLE_RATE)
    audio = read_audio(tmp_path / "a.wav")
    assert len(audio) == round(seconds * SAMPLE_RATE)
    extractor = FeatureSettings()[stream]
    frames = extractor.extract(audio)
    assert len(frames) == pytest.approx(seconds * extractor.frames_per_second, abs=2)
    assert np.isfinite(frames).all()


def test_flac_is_read(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", sine(0.5), SAMPLE_RATE)
    assert audio_info(tmp_path / "a.flac").seconds == 0.5
    np.testing.assert_allclose(read_audio(tmp_path / "a.flac"), sine(0.5), atol=1 / 16384)


def test_a_name_no_file_can_have(tmp_path: Path) -> None:
    assert audio_problem(tmp_path / "a\0.wav") == "does not exist"


def test_a_name_that_is_not_utf8(tmp_path: Path, wav: Wav) -> None:
    path = wav(tmp_path / "caf\udce9.wav")
    with pytest.raises(AudioError, match="a name that is not UTF-8"):
        read_audio(path)
