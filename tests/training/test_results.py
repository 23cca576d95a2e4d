import json

import numpy as np
import pytest

from serhpo.metrics import ccc, confusion, macro_f1, ua, wa
from serhpo.training.results import EpochResult, Predictions, measure


def pooled(data, seed=0):
    generator = np.random.default_rng(seed)
    rows = np.arange(len(data))
    logits = generator.normal(size=(len(rows), 4))
    return Predictions(
        rows,
        (rows % 2).astype(np.int64),
        logits.astype(np.float32),
        generator.normal(0, 0.4, (len(rows), 3)).astype(np.float32),
    )


def test_figures_are_those_of_the_pooled_predictions(data):
    data.labels[::5] = -1
    data.dimensions[::3, 2] = np.nan
    predictions = pooled(data)
    result = measure(predictions, data, seed=0)
    known = data.labels >= 0
    matrix = confusion(data.labels[known], predictions.log_probabilities.argmax(axis=1)[known], 4)
    cccs = [ccc(predictions.dimensions[:, d], data.dimensions[:, d]) for d in range(3)]
    assert (result["ua"], result["wa"], result["macro_f1"]) == (ua(matrix), wa(matrix), macro_f1(matrix))
    assert [result[f"ccc_{name}"] for name in ("valence", "arousal", "dominance")] == pytest.approx(cccs)
    assert result["ccc"] == pytest.approx(np.mean(cccs))
    assert result["se_ua"] > 0
    assert result["se_ccc"] > 0


def test_a_dimension_nobody_rated_is_none_and_does_not_count(data):
    data.dimensions[:, 2] = np.nan
    result = measure(pooled(data), data, seed=0)
    assert result["ccc_dominance"] is None
    assert result["ccc"] == pytest.approx((result["ccc_valence"] + result["ccc_arousal"]) / 2)


def test_an_epoch_result_round_trips_through_json():
    result = EpochResult(3, 0.5, 0.3, 0.5, 0.4, 0.2, None, 0.4, 0.01, 0.02, 1.1, 0.7, 0.5, 0.5, 2.5)
    assert EpochResult.from_json(json.loads(json.dumps(result.to_json()))) == result
    assert result.score == 0.4
