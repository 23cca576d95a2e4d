"""A corpus out of nothing: emotional English spoken by eSpeak NG, laid out like IEMOCAP.

Made for demonstrations and tests. It is no substitute for recorded speech, and figures measured on it
say nothing about people.
"""

from __future__ import annotations

import shutil
import tempfile
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from serhpo.corpus.audio import SAMPLE_RATE
from serhpo.corpus.dialogue import Dialogue, label_file, plan_session, transcript_file
from serhpo.corpus.iemocap import SYNTHETIC_MARK
from serhpo.corpus.performance import perform
from serhpo.corpus.prosody import Speaker, cast, express
from serhpo.errors import StorageError, UsageError

VERSION = 1
"""Raised whenever the same settings give another corpus."""

Progress = Callable[[int, int], None]
_GAP = (0.1, 0.9)  # seconds between two turns of a dialogue
_PARTIAL = ".partial"
_NOTICE = "Synthesised speech in IEMOCAP's layout. Figures measured on it say nothing about people."


def synthesise(
    out: Path,
    speakers: int = 10,
    utterances: int = 32,
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Write a corpus, the same bytes for the same arguments on the same machine.

    It is written beside ``out`` and moved there when complete: a killed run leaves no half corpus.

    Args:
        out: Folder to make; it must not exist, or be empty.
        speakers: An even number, 2 to 198: a woman and a man in every session.
        utterances: Turns of each speaker with one of the four classes, at least 4; a quarter as many
            with other codes come on top.
        seed: Another seed gives other speakers, words and ratings.
        progress: Called with turns spoken and turns in all.

    Returns:
        ``out``.

    Raises:
        UsageError: The folder is not empty, or a number is out of range.
        ConfigError: eSpeak NG is not installed.
        StorageError: The folder cannot be written.
    """
    _check(out, speakers, utterances, seed)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=_PARTIAL, dir=out.parent))
        try:
            folder.chmod(0o755)  # mkdtemp keeps others out
            _write(folder, speakers // 2, utterances, seed, progress)
            if out.exists():
                out.rmdir()
            folder.rename(out)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise StorageError.from_os_error(error, out) from error
    return out


def remove_partial(out: Path) -> None:
    """Remove what killed runs left beside ``out``. Only for a caller that keeps others from running."""
    for folder in out.parent.glob(f".{out.name}.*{_PARTIAL}"):
        shutil.rmtree(folder, ignore_errors=True)


def _check(out: Path, speakers: int, utterances: int, seed: int) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError("The output folder exists and is not empty", where=out, hint="name a new folder")
    if speakers % 2 or not 2 <= speakers <= 198:
        raise UsageError(
            "Speakers come as a woman and a man a session", got=speakers, allowed="even, 2 to 198"
        )
    if utterances < 4:
        raise UsageError(
            "Every speaker needs a turn of each of the four classes", got=utterances, allowed="4 or more"
        )
    if seed < 0:
        raise UsageError("A seed is not negative", got=seed, allowed="0 or more")


def _write(folder: Path, sessions: int, utterances: int, seed: int, progress: Progress | None) -> None:
    (folder / SYNTHETIC_MARK).write_text(f"{_NOTICE}\nserhpo corpus synth, version {VERSION}, seed {seed}\n")
    plans = {session: plan_session(seed, session, utterances) for session in range(1, sessions + 1)}
    total = sum(len(dialogue.turns) for plan in plans.values() for dialogue in plan)
    done = 0
    for session, plan in plans.items():
        rng = np.random.default_rng([seed, session, 0])
        speakers = {gender: cast(rng, session, gender) for gender in "FM"}
        for dialogue in plan:
            _write_dialogue(folder / f"Session{session}", dialogue, speakers, seed)
            done += len(dialogue.turns)
            if progress:
                progress(done, total)


def _write_dialogue(session: Path, dialogue: Dialogue, speakers: dict[str, Speaker], seed: int) -> None:
    recordings = session / "sentences" / "wav" / dialogue.name
    recordings.mkdir(parents=True)
    clock, spans = 0.0, []
    for turn in dialogue.turns:
        rng = np.random.default_rng([seed, *turn.name.encode()])
        speaker = speakers[turn.letter]
        cues = express(rng, speaker, turn.rating.acted, turn.rating.felt)
        samples = perform(rng, speaker, cues, turn.text)
        _write_wav(recordings / f"{turn.name}.wav", samples)
        start = clock + rng.uniform(*_GAP)
        clock = start + len(samples) / SAMPLE_RATE
        spans.append((start, clock))
    for folder, text in (("EmoEvaluation", label_file), ("transcriptions", transcript_file)):
        file = session / "dialog" / folder / f"{dialogue.name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text(dialogue, spans), encoding="ascii", newline="\n")


def _write_wav(path: Path, samples: npt.NDArray[np.int16]) -> None:
    """16 kHz, one channel, 16 bits. Not through libsndfile, which hides that a disk is full."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.astype("<i2").tobytes())
