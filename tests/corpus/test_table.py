from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from serhpo.corpus import read_corpus
from serhpo.corpus.table import SCHEMA, Corpus, LabelScheme
from serhpo.errors import AudioError, CorpusError

LABELS = Path("Session1/dialog/EmoEvaluation/Ses01F_impro01.txt")


def change(root: Path, old: str, new: str) -> None:
    text = (root / LABELS).read_text()
    assert old in text
    (root / LABELS).write_text(text.replace(old, new))


def test_digest_stays_when_the_folder_moves(tiny: Path, tmp_path: Path) -> None:
    before = read_corpus(tiny).digest
    shutil.move(tiny, tmp_path / "elsewhere")
    assert read_corpus(tmp_path / "elsewhere").digest == before


def test_digest_stays_when_only_a_comment_is_added(tiny: Path) -> None:
    before = read_corpus(tiny).digest
    change(tiny, "\n\n[", "\n% moved all lines down\n\n[")
    assert read_corpus(tiny).digest == before


@pytest.mark.parametrize(("old", "new"), [("neu", "sad"), ("neu", "xxx"), ("[2.5000, 2", "[3.0000, 2")])
def test_digest_changes_with_a_label(tiny: Path, old: str, new: str) -> None:
    before = read_corpus(tiny).digest
    change(tiny, old, new)
    assert read_corpus(tiny).digest != before


def test_digest_changes_with_a_recordings_size(tiny: Path) -> None:
    before = read_corpus(tiny).digest
    wav = Path(read_corpus(tiny).column("audio")[0])
    wav.write_bytes(wav.read_bytes() + b"LIST\x04\x00\x00\x00abcd")
    assert read_corpus(tiny).digest != before


def test_digest_of_a_corpus_whose_recording_has_gone(tiny: Path) -> None:
    corpus = read_corpus(tiny)
    Path(corpus.column("audio")[1]).unlink()
    with pytest.raises(AudioError, match="No such file") as caught:
        _ = corpus.digest
    assert caught.value.where == corpus.column("audio")[1]


def test_summary_is_the_json_document(tiny: Path) -> None:
    (tiny / LABELS).write_text((tiny / LABELS).read_text() + "what?\n")
    assert read_corpus(tiny).summary() == {
        "utterances": 5,
        "hours": round(5 * 0.5 / 3600, 4),
        "labels": {"angry": 1, "happy": 1, "neutral": 1, "sad": 0},
        "speakers": {"1F": 1, "1M": 2, "2F": 1, "2M": 1},
        "unlabelled": 2,
        "clamped": 2,
        "problems": [
            {
                "file": str(tiny.resolve() / LABELS),
                "line": len((tiny / LABELS).read_text().splitlines()),
                "what": "cannot understand the line: 'what?'",
            }
        ],
        "speaker_labels": {
            "1F": {"angry": 0, "happy": 0, "neutral": 1, "sad": 0},
            "1M": {"angry": 0, "happy": 1, "neutral": 0, "sad": 0},
            "2F": {"angry": 1, "happy": 0, "neutral": 0, "sad": 0},
            "2M": {"angry": 0, "happy": 0, "neutral": 0, "sad": 0},
        },
        "groups": {"Session1": 3, "Session2": 2},
        "splits": {},
        "styles": {"improvised": 3, "scripted": 2},
        "soft_labels": 5,
        "scale": (1.0, 5.0),
        "dimensions": {
            "valence": {"rated": 5, "min": 1.0, "mean": 2.3, "max": 4.5},
            "arousal": {"rated": 5, "min": 2.5, "mean": 3.5, "max": 5.0},
            "dominance": {"rated": 5, "min": 2.5, "mean": 3.3, "max": 4.5},
        },
        "missing": {"label": 2, "valence": 0, "arousal": 0, "dominance": 0, "text": 3},
        "recordings": 5,
        "sample_rates": {"16000": 5},
        "channels": {"1": 5},
    }


def test_pickles(tiny: Path) -> None:
    corpus = read_corpus(tiny)
    copy = pickle.loads(pickle.dumps(corpus))
    assert copy.digest == corpus.digest
    assert copy.table.equals(corpus.table)


def test_select_by_mask_and_by_rows(tiny: Path) -> None:
    corpus = read_corpus(tiny)
    labelled = corpus.select(np.array([label is not None for label in corpus.column("label")]))
    assert labelled.column("label") == ["neutral", "happy", "angry"]
    assert corpus.select([4, 0]).column("speaker") == ["2M", "1F"]
    assert len(corpus.select([])) == 0
    with pytest.raises(IndexError, match="mask of 5 rows"):
        corpus.select(np.array([True, False]))


def test_an_empty_corpus_is_not_clean(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no utterance"):
        Corpus.from_rows("none", tmp_path, [], LabelScheme()).require_clean()


def test_groups_are_sorted_as_they_are_counted(tiny: Path) -> None:
    rows = read_corpus(tiny).table.to_pylist()[:4]
    for row, group in zip(rows, ("Session10", "Session2", "10²", "²"), strict=True):
        row["group"] = group
    corpus = Corpus.from_rows("counted", tiny, rows, LabelScheme())
    assert list(corpus.groups) == ["10²", "Session2", "Session10", "²"]


def test_columns_are_the_contract(tiny: Path) -> None:
    names = "utt_id audio start end corpus speaker group gender split label label_dist valence arousal"
    assert SCHEMA.names == [*names.split(), "dominance", "style", "text", "source"]
    assert read_corpus(tiny).table.schema.equals(SCHEMA)


def test_seconds_of_parts_of_a_file(tiny: Path) -> None:
    corpus = read_corpus(tiny)
    row = {**corpus.table.to_pylist()[0], "start": 0.125}
    parts = [row, {**row, "end": 0.25}, {**row, "start": None, "end": 0.25}]
    cut = Corpus.from_rows("parts", tiny, parts, corpus.scheme)
    assert cut.seconds() == [0.375, 0.125, 0.25]
