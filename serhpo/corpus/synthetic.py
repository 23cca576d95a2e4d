"""A corpus out of nothing: emotional English spoken by eSpeak NG, laid out like IEMOCAP.

Made for demonstrations and tests. It is no substitute for recorded speech, and figures measured on it
say nothing about people.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt

from serhpo.corpus.audio import SAMPLE_RATE
from serhpo.corpus.dialogue import Dialogue, label_file, plan_session, transcript_file
from serhpo.corpus.iemocap import SYNTHETIC_MARK
from serhpo.corpus.performance import perform
from serhpo.corpus.prosody import Speaker, cast, express
from serhpo.corpus.ratings import CLASS_SHARE, SPEAKER_COUNTS
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
    _check_numbers(speakers, utterances, seed)
    plans = {
        session: partial(plan_session, seed, session, utterances) for session in range(1, speakers // 2 + 1)
    }
    return _make(out, plans, seed, 1, progress)


def synthesise_like_iemocap(
    out: Path, seed: int = 0, workers: int | None = None, progress: Progress | None = None
) -> Path:
    """Write a corpus of IEMOCAP's own size: a stand-in for load, memory and scale.

    Ten speakers, 5,531 turns, every speaker with as many of each of the four classes as in IEMOCAP
    (aggregated counts), about seven hours. Turns of other codes are left out. The same bytes for the
    same seed on the same machine, whatever the number of workers.

    Args:
        out: Folder to make; it must not exist, or be empty.
        seed: Another seed gives other speakers, words and ratings.
        workers: Processes that speak; None = as many as this one may use cores.
        progress: Called with turns spoken and turns in all.

    Returns:
        ``out``.

    Raises:
        UsageError: The folder is not empty, or the seed negative.
        ConfigError: eSpeak NG is not installed.
        StorageError: The folder cannot be written.
    """
    _check_numbers(2, 4, seed)
    plans = {
        session: partial(
            plan_session,
            seed,
            session,
            {letter: dict(zip(CLASS_SHARE, counts, strict=True)) for letter, counts in by_letter.items()},
        )
        for session, by_letter in SPEAKER_COUNTS.items()
    }
    return _make(out, plans, seed, workers or _cores(), progress)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _make(
    out: Path,
    plans: Mapping[int, Callable[[], list[Dialogue]]],
    seed: int,
    workers: int,
    progress: Progress | None,
) -> Path:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError("The output folder exists and is not empty", where=out, hint="name a new folder")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=_PARTIAL, dir=out.parent))
        try:
            folder.chmod(0o755)  # mkdtemp keeps others out
            _write(folder, plans, seed, workers, progress)
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


def _check_numbers(speakers: int, utterances: int, seed: int) -> None:
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


def _write(
    folder: Path,
    plans: Mapping[int, Callable[[], list[Dialogue]]],
    seed: int,
    workers: int,
    progress: Progress | None,
) -> None:
    (folder / SYNTHETIC_MARK).write_text(f"{_NOTICE}\nserhpo corpus synth, version {VERSION}, seed {seed}\n")
    jobs = []
    for session, plan in plans.items():
        rng = np.random.default_rng([seed, session, 0])
        speakers = {gender: cast(rng, session, gender) for gender in "FM"}
        jobs += [(folder / f"Session{session}", dialogue, speakers, seed) for dialogue in plan()]
    total, done = sum(len(dialogue.turns) for _, dialogue, _, _ in jobs), 0
    for turns in _spoken(jobs, workers):
        done += turns
        if progress:
            progress(done, total)


_Job = tuple[Path, Dialogue, dict[str, Speaker], int]


def _spoken(jobs: Sequence[_Job], workers: int) -> Iterator[int]:
    """Write every dialogue; yields the number of its turns. Dialogues do not depend on one another."""
    if workers == 1:
        yield from map(_write_dialogue, jobs)
        return
    # Spawned, not forked: libraries of this process may hold threads and locks.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            yield from pool.map(_write_dialogue, jobs)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _write_dialogue(job: _Job) -> int:
    session, dialogue, speakers, seed = job
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
    return len(dialogue.turns)


def _write_wav(path: Path, samples: npt.NDArray[np.int16]) -> None:
    """16 kHz, one channel, 16 bits. Not through libsndfile, which hides that a disk is full."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.astype("<i2").tobytes())
