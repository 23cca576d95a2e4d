"""What the parts of a fold must know of their speakers: enough to train, to validate and to test."""

from __future__ import annotations

from pathlib import Path

import pytest

from serhpo.corpus.folds import Fold, require_labels, require_tests
from serhpo.corpus.table import Corpus, LabelScheme
from serhpo.errors import CorpusError

CLASSES = {"a": "angry", "s": "sad"}


def corpus_of(turns: dict[str, str]) -> Corpus:
    """A turn for every letter: of ``a`` angry and ``s`` sad speech, ``r`` rated only, ``-`` neither."""
    rows = [
        {
            "utt_id": f"{speaker}{number}",
            "audio": "/nowhere.wav",
            "corpus": "made up",
            "speaker": speaker,
            "group": speaker,
            "label": CLASSES.get(letter),
            "valence": None if letter == "-" else 3.0,
            "source": "nowhere:1",
        }
        for speaker, letters in turns.items()
        for number, letter in enumerate(letters)
    ]
    return Corpus.from_rows("made up", Path("/"), rows, LabelScheme(classes=("angry", "sad")))


def test_a_class_that_is_validated_and_never_trained() -> None:
    corpus = corpus_of({"w": "aas", "x": "aar", "y": "sa", "z": "s"})
    good = [
        Fold("the same classes", ("w", "x"), ("y",), ("z",)),
        Fold("fewer validate", ("w",), ("x",), ("z",)),
        Fold("others test", ("x",), ("x",), ("z",)),
    ]
    require_labels(good, corpus)
    with pytest.raises(CorpusError, match="never trained on") as caught:
        require_labels([*good, Fold("bad", ("x",), ("w", "y"), ("z",))], corpus)
    assert [str(problem) for problem in caught.value.problems] == [
        "bad: validation speakers are sad, but no train speaker is"
    ]


def test_test_speakers_need_a_label_or_a_rating() -> None:
    corpus = corpus_of({"w": "a", "x": "s", "rated": "r-", "silent": "--"})
    require_tests([Fold("one of two", ("w",), ("x",), ("rated", "silent"))], corpus)
    folds = [Fold(f"tests {name}", ("w",), ("x",), (name,)) for name in ("rated", "silent")]
    with pytest.raises(CorpusError, match="nothing to measure") as caught:
        require_tests(folds, corpus)
    assert [str(problem) for problem in caught.value.problems] == [
        "tests silent: no test speaker has a class label or a rating"
    ]
