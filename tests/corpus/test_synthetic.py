from __future__ import annotations

import errno
import hashlib
import wave
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from serhpo.corpus import read_corpus, synthetic
from serhpo.corpus.dialogue import plan_session
from serhpo.corpus.folds import ProtocolConfig, make_folds
from serhpo.corpus.ratings import CLASS_SHARE, SPEAKER_COUNTS
from serhpo.corpus.synthetic import synthesise, synthesise_like_iemocap
from serhpo.errors import SerhpoError, StorageError, UsageError


def tree(root: Path) -> dict[str, str]:
    """Digest of every file below a folder."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_reads_as_iemocap_without_a_problem(synthetic_corpus: Path) -> None:
    corpus = read_corpus(synthetic_corpus).require_clean()
    assert corpus.name == "synthetic speech"
    assert corpus.groups == {"Session1": ("1F", "1M"), "Session2": ("2F", "2M")}
    assert corpus.clamped == 0
    assert len(corpus) == 4 * (24 + 6)
    assert set(corpus.column("style")) == {"improvised", "scripted"}
    assert all(corpus.column("text"))


def test_every_speaker_has_every_class(synthetic_corpus: Path) -> None:
    corpus = read_corpus(synthetic_corpus)
    labels = defaultdict(Counter)
    for speaker, label in zip(corpus.column("speaker"), corpus.column("label"), strict=True):
        labels[speaker][label] += 1
    for counts in labels.values():
        assert counts.pop(None) == 6
        assert sum(counts.values()) == 24
        assert set(counts) == {"angry", "happy", "neutral", "sad"}


def test_lengths_are_about_iemocaps(synthetic_corpus: Path) -> None:
    seconds = np.array(read_corpus(synthetic_corpus).seconds())
    assert 3.0 < np.median(seconds) < 4.3  # 3.58
    assert 8.5 < np.percentile(seconds, 95) < 13.5  # 11.1
    assert seconds.min() > 0.3


def test_format_and_level_of_the_recordings(synthetic_corpus: Path) -> None:
    for path in synthetic_corpus.rglob("*.wav"):
        with wave.open(str(path)) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float) / 32768
        assert -45 < 10 * np.log10(np.mean(samples**2)) < -15
        assert samples[:400].std() > 0  # a room is never quite silent


def test_same_seed_same_bytes_in_any_folder(tmp_path: Path) -> None:
    first = tree(synthesise(tmp_path / "a", speakers=2, utterances=4, seed=5))
    assert tree(synthesise(tmp_path / "elsewhere" / "b", speakers=2, utterances=4, seed=5)) == first
    other = tree(synthesise(tmp_path / "c", speakers=2, utterances=4, seed=6))
    assert set(other.values()).isdisjoint(first.values())


def test_a_session_does_not_depend_on_the_others(tmp_path: Path) -> None:
    few = tree(synthesise(tmp_path / "few", speakers=2, utterances=4, seed=5))
    more = tree(synthesise(tmp_path / "more", speakers=4, utterances=4, seed=5))
    assert few.items() <= more.items()


def test_progress_counts_turns(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    synthesise(tmp_path / "a", speakers=2, utterances=4, progress=lambda *call: calls.append(call))
    assert calls[-1] == (10, 10)
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})


def test_six_speakers_can_be_divided(tmp_path: Path) -> None:
    corpus = read_corpus(synthesise(tmp_path / "a", speakers=6, utterances=4))
    assert len(make_folds(corpus, ProtocolConfig())) == 2


@pytest.mark.parametrize(
    "settings", [{"speakers": 3}, {"speakers": 0}, {"speakers": 200}, {"utterances": 3}, {"seed": -1}]
)
def test_numbers_out_of_range(tmp_path: Path, settings: dict[str, int]) -> None:
    with pytest.raises(UsageError) as caught:
        synthesise(tmp_path / "a", **settings)
    assert caught.value.got == str(next(iter(settings.values())))
    assert caught.value.allowed


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        synthesise(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert len(read_corpus(synthesise(tmp_path / "a", speakers=2, utterances=4))) == 10


def test_full_disk_is_one_clear_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(synthetic, "_write_wav", full)
    with pytest.raises(StorageError, match="The disk is full"):
        synthesise(tmp_path / "a", speakers=2, utterances=4)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SerhpoError])
def test_stopped_halfway_leaves_nothing(
    tmp_path: Path, stop: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise stop("enough")

    monkeypatch.setattr(synthetic, "_write_wav", interrupt)
    with pytest.raises(stop):
        synthesise(tmp_path / "a", speakers=2, utterances=4)
    assert list(tmp_path.iterdir()) == []


def test_parent_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        synthesise(tmp_path / "file" / "a", speakers=2, utterances=4)


def test_counts_of_iemocap_add_up() -> None:
    """Sums known from elsewhere: classes, sessions (SpeechBrain, emotion2vec) and all."""
    table = np.array([[SPEAKER_COUNTS[session][letter] for letter in "FM"] for session in range(1, 6)])
    assert dict(zip(CLASS_SHARE, table.sum(axis=(0, 1)).tolist(), strict=True)) == CLASS_SHARE
    assert table.sum(axis=(1, 2)).tolist() == [1085, 1023, 1151, 1031, 1241]
    assert table.sum() == 5531


def test_a_plan_keeps_the_counts_asked_for() -> None:
    wanted = {
        letter: dict(zip(CLASS_SHARE, counts, strict=True)) for letter, counts in SPEAKER_COUNTS[5].items()
    }
    dialogues = plan_session(0, 5, wanted)
    classes = {"ang": "angry", "hap": "happy", "exc": "happy", "neu": "neutral", "sad": "sad"}
    found: dict[str, Counter[str]] = {"F": Counter(), "M": Counter()}
    turns = [turn for dialogue in dialogues for turn in dialogue.turns]
    for turn in turns:
        found[turn.letter][classes[turn.rating.code]] += 1
    assert found == wanted
    assert len({turn.name for turn in turns}) == 1241


def test_like_iemocap_is_the_same_with_any_number_of_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {1: {"F": (3, 2, 1, 4), "M": (1, 1, 1, 1)}, 2: {"F": (1, 1, 1, 1), "M": (2, 5, 3, 4)}}
    monkeypatch.setattr(synthetic, "SPEAKER_COUNTS", small)
    steps: list[tuple[int, int]] = []
    synthesise_like_iemocap(tmp_path / "a", workers=1, progress=lambda *step: steps.append(step))
    synthesise_like_iemocap(tmp_path / "b", workers=2)
    assert steps[-1] == (32, 32)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    summary = read_corpus(tmp_path / "a").require_clean().summary()
    assert {name: list(counts.values()) for name, counts in summary["speaker_labels"].items()} == {
        f"{session}{letter}": list(counts) for session in small for letter, counts in small[session].items()
    }
    assert summary["unlabelled"] == 0


def test_a_worker_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "SPEAKER_COUNTS", {1: {"F": (1, 1, 1, 1), "M": (1, 1, 1, 1)}})
    monkeypatch.setattr(synthetic, "_write_dialogue", _fail)
    with pytest.raises(SerhpoError, match="enough"):
        synthesise_like_iemocap(tmp_path / "out" / "a", workers=1)
    assert list((tmp_path / "out").iterdir()) == []


def _fail(_: object) -> int:
    raise SerhpoError("enough")
