"""Another corpus behind the study's own: nothing of it is trained on, and what is left out is said."""

import numpy as np
import pytest

from serhpo.corpus.folds import Fold
from serhpo.errors import CorpusError, LeakageError
from serhpo.evaluate import join
from serhpo.training.data import from_corpus
from tests.evaluate.conftest import CLASSES, make_corpus

FOLDS = (Fold("1", ("1F",), ("1M",), ("3F",)),)


def own():
    return make_corpus(("1F", "1M", "3F"))


def test_ratings_keep_their_place_in_the_range_of_their_own_corpus():
    other = make_corpus(("1F",), name="podcast", low=1.0, high=7.0, seed=3)
    joined = join(own(), FOLDS, other)
    data = from_corpus(joined.corpus, {})
    np.testing.assert_allclose(data.dimensions[30:], from_corpus(other, {}).dimensions, atol=1e-6)
    np.testing.assert_array_equal(data.dimensions[:30], from_corpus(own(), {}).dimensions)
    assert data.labels[30:].tolist() == from_corpus(other, {}).labels.tolist()


def test_a_speaker_of_the_same_name_is_another_person_who_only_tests():
    joined = join(own(), FOLDS, make_corpus(("1F", "9M"), name="podcast"))
    assert joined.folds == (Fold("1", ("1F",), ("1M",), ("podcast:1F", "podcast:9M")),)
    assert from_corpus(joined.corpus, {}).rows(("1F",)).max() < 30


def test_labels_the_study_does_not_know_are_dropped_and_counted():
    other = make_corpus(("1F",), name="podcast")
    scheme = other.scheme.model_copy(update={"classes": (*CLASSES, "fear")})
    labels = ["fear", "fear", *other.column("label")[2:]]
    table = other.table.set_column(9, other.table.schema.field("label"), [labels])
    joined = join(own(), FOLDS, type(other)("podcast", other.root, table, scheme))
    assert joined.dropped == ("labels that the study does not know: 2 fear",)
    assert joined.corpus.column("label")[30:32] == [None, None]
    joined = join(own(), FOLDS, other)
    assert joined.dropped == ("1 of 10 utterances have no label: accuracy leaves them out",)


def test_a_corpus_without_ratings_has_no_ccc():
    other = make_corpus(("1F",), name="acted", valence=None, arousal=None, dominance=None)
    joined = join(own(), FOLDS, other)
    assert "no ratings" in joined.dropped[-1]
    assert np.isnan(from_corpus(joined.corpus, {}).dimensions[30:]).all()
    with pytest.raises(CorpusError, match="neither labels nor ratings"):
        join(
            own(),
            FOLDS,
            make_corpus(("1F",), name="x", label=None, valence=None, arousal=None, dominance=None),
        )


def test_a_missing_class_is_an_error_that_names_it():
    other = make_corpus(("1F",), name="podcast")
    scheme = other.scheme.model_copy(update={"classes": ("angry", "happy", "neutral")})
    with pytest.raises(CorpusError, match="no class sad"):
        join(own(), FOLDS, type(other)("podcast", other.root, other.table, scheme))


def test_a_recording_in_both_is_leakage():
    with pytest.raises(LeakageError, match="1 recordings"):
        join(own(), FOLDS, make_corpus(("1F",), name="podcast"), (["a", "b"], ["b", "c"]))
