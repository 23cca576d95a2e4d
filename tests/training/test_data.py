import numpy as np
import pytest

from serhpo.corpus.table import Corpus, LabelScheme
from serhpo.errors import CorpusError
from serhpo.training.data import from_corpus


def corpus(tmp_path, rows, **scheme):
    base = {"audio": "a.wav", "corpus": "c", "group": "g", "source": "s:1"}
    full = [base | {"utt_id": str(i), "speaker": f"s{i % 2}"} | row for i, row in enumerate(rows)]
    return Corpus.from_rows("c", tmp_path, full, LabelScheme(**scheme))


ROWS = [
    {"label": "happy", "valence": 1.0, "arousal": 3.0, "dominance": 5.0},
    {"label": None, "valence": 2.0, "arousal": None, "dominance": None},
    {"label": None, "valence": None, "arousal": None, "dominance": None},
]


def test_labels_and_scaled_ratings(tmp_path, memory_store):
    store = memory_store([np.zeros((4, 2), dtype=np.float32)] * 3)
    data = from_corpus(corpus(tmp_path, ROWS), {"mfcc": store})
    assert data.labels.tolist() == [1, -1, -1]
    nan = np.nan
    np.testing.assert_array_equal(data.dimensions, [[-1, 0, 1], [-0.5, nan, nan], [nan, nan, nan]])
    assert data.dimensions.dtype == np.float32
    assert data.rows(["s0", "s1"]).tolist() == [0, 1]
    assert data.rows(["s1"]).tolist() == [1]
    assert data.rows([]).tolist() == []


def test_a_store_of_another_corpus_is_refused(tmp_path, memory_store):
    with pytest.raises(CorpusError, match="`mfcc` holds 2 utterances, the corpus 3"):
        from_corpus(corpus(tmp_path, ROWS), {"mfcc": memory_store([np.zeros((4, 2))] * 2)})


def test_a_label_outside_the_scheme_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="happy"):
        from_corpus(corpus(tmp_path, ROWS, classes=("angry", "sad")), {})


def test_a_corpus_without_ratings_has_none(tmp_path):
    assert np.isnan(from_corpus(corpus(tmp_path, ROWS, dimensions=None), {}).dimensions).all()
