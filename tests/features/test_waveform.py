"""The waveform stream is the recording."""

from pathlib import Path

import numpy as np
import soundfile

from serhpo.corpus.audio import read_audio
from serhpo.features import Waveform


def test_the_waveform_is_the_recording(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-(2**15), 2**15, 5000, dtype=np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="PCM_16")
    frames = Waveform().extract(read_audio(tmp_path / "a.wav"))
    np.testing.assert_array_equal(frames[:, 0] * 2**15, samples)
