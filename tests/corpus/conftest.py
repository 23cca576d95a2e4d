"""A hand-written corpus in IEMOCAP's grammar, and one small synthetic corpus for all tests."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from serhpo.corpus.synthetic import synthesise

HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"


def write_wav(path: Path, seconds: float = 0.5, rate: int = 16_000, channels: int = 1) -> Path:
    """A sine of 200 Hz at half of full scale."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sine = np.sin(2 * np.pi * 200 * np.arange(round(seconds * rate)) / rate)
    samples = np.round(16_384 * sine).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.repeat(samples, channels).tobytes())
    return path


def block(turn: str, code: str, ratings: str) -> str:
    """One turn as IEMOCAP writes it, with raters of every kind."""
    return (
        f"[6.2901 - 8.2357]\t{turn}\t{code}\t[{ratings}]\n"
        "C-E2:\tNeutral;\t()\n"
        "C-E4:\tNeutral; Other;\t(tired)\n"
        "C-F1:\tNeutral;\t()\n"
        "A-E3:\tval 3; act 2; dom  2;\t()\n"
        "A-F1:\tval 3; act 2; dom  1;\t()\n"
        "\n"
    )


@pytest.fixture
def wav() -> Callable[..., Path]:
    """Write a recording: ``wav(path, seconds, rate, channels)``."""
    return write_wav


@pytest.fixture
def add_turn(tiny: Path) -> Callable[..., Path]:
    """Append a turn with a sound recording to a dialogue of the tiny corpus; gives the label file."""

    def add(turn: str, code: str = "neu", ratings: str = "3.0000, 3.0000, 3.0000") -> Path:
        session, dialogue = f"Session{int(turn[3:5])}", turn.rpartition("_")[0]
        file = tiny / session / "dialog" / "EmoEvaluation" / f"{dialogue}.txt"
        file.write_text(file.read_text() + block(turn, code, ratings))
        write_wav(tiny / session / "sentences" / "wav" / dialogue / f"{turn}.wav")
        return file

    return add


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Two dialogues, five turns, nothing wrong."""
    root = tmp_path / "IEMOCAP_full_release"
    improvised = {
        "Ses01F_impro01_F000": ("neu", "2.5000, 2.5000, 2.5000"),
        "Ses01F_impro01_M000": ("exc", "4.5000, 5.5000, 3.0000"),  # the marker's letter is F, he speaks
        "Ses01F_impro01_M001": ("xxx", "0.5000, 3.0000, 3.5000"),
    }
    scripted = {
        "Ses02M_script01_1b_F000": ("ang", "1.5000, 4.0000, 4.5000"),
        "Ses02M_script01_1b_M000": ("fru", "2.0000, 3.0000, 3.0000"),
    }
    for session, dialogue, turns in (
        ("Session1", "Ses01F_impro01", improvised),
        ("Session2", "Ses02M_script01_1b", scripted),
    ):
        labels = root / session / "dialog" / "EmoEvaluation" / f"{dialogue}.txt"
        labels.parent.mkdir(parents=True)
        labels.write_text(HEADER + "".join(block(turn, *what) for turn, what in turns.items()))
        for turn in turns:
            write_wav(root / session / "sentences" / "wav" / dialogue / f"{turn}.wav")
    words = root / "Session1" / "dialog" / "transcriptions" / "Ses01F_impro01.txt"
    words.parent.mkdir()
    words.write_text(
        "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\n"
        "M: [BREATHING]\n"
        "Ses01F_impro01_M000 [010.0100-011.3925]: Yeah. [LAUGHTER]\n"
    )
    macos = root / "Session1" / "dialog" / "EmoEvaluation" / "._Ses01F_impro01.txt"
    macos.write_bytes(b"\x00\x05\x16\x07 not a label file")
    (macos.parent / "Attribute").mkdir()
    (macos.parent / "Attribute" / "Ses01F_impro01_e3.atr").write_text("Ses01F_impro01_F000 :act 2;\n")
    (macos.parent / "Attribute" / "Ses01F_impro01_e3.txt").write_text("not ours to read\n")
    return root


@pytest.fixture(scope="session")
def synthetic_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four speakers with 24 labelled turns each; read only."""
    return synthesise(tmp_path_factory.mktemp("synthetic") / "corpus", speakers=4, utterances=24, seed=3)
