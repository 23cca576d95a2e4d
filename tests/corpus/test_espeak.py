from __future__ import annotations

import sys

import numpy as np
import pytest

from serhpo.corpus.espeak import ESPEAK_RATE, speak
from serhpo.errors import ConfigError

TEXT = "I told you already, the train leaves at seven in the morning."


def say(
    text: str = TEXT, voice: str = "en-us+f2", rate: int = 175, pitch: int = 50, width: int = 50
) -> np.ndarray:
    return speak(text, voice, rate, pitch, width)


@pytest.mark.parametrize("voice", ["en-us+f2", "en-us+m3"])  # with and without breath noise
def test_the_same_whatever_was_spoken_before(voice: str) -> None:
    """eSpeak's own calls leave state behind; a corpus must not depend on its order."""
    alone = say(voice=voice)
    say("Something else altogether!", "en-us+m7", 300, 90, 10)
    say("And once more.", "en-us+f5", 100, 5, 99)
    np.testing.assert_array_equal(say(voice=voice), alone)


def test_rate_changes_the_length() -> None:
    assert len(say(rate=250)) < 0.8 * len(say()) < 0.8 * len(say(rate=120))
    assert 2 < len(say()) / ESPEAK_RATE < 5


def test_breaks_are_silence() -> None:
    broken = say(TEXT.replace("told", 'told <break time="500ms"/>'))
    assert 0.4 < (len(broken) - len(say())) / ESPEAK_RATE < 0.7


def test_unknown_voice() -> None:
    with pytest.raises(ConfigError, match="no such voice") as caught:
        say(voice="xx-yy")
    assert caught.value.got == "xx-yy"


def test_without_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(ConfigError) as caught:
        say()
    assert caught.value.hint == 'pip install "serhpo[synth]"'


def test_without_voices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("espeakng_loader.get_data_path", lambda: "/nowhere")
    with pytest.raises(ConfigError, match="cannot read its voices"):
        say()


def test_without_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("espeakng_loader.get_library_path", lambda: "/nowhere.so")
    with pytest.raises(ConfigError, match="Cannot load eSpeak NG"):
        say()
