import numpy as np
import pytest

from serhpo.corpus.folds import Fold
from serhpo.metrics import ccc
from serhpo.training.baselines import Knowledge, baselines
from serhpo.training.data import TrainingData
from serhpo.training.results import Predictions
from serhpo.training.uncertainty import standard_errors


def material():
    """Speaker t trains (class 0 rated 0.2, 0.4; class 1 rated −0.5); speaker v is predicted."""
    dimensions = np.repeat(
        np.array([[0.2], [0.4], [-0.5], [0.3], [-0.3], [-0.7]], dtype=np.float32), 3, axis=1
    )
    data = TrainingData(
        {}, np.array([0, 0, 1, 0, 1, 1]), dimensions, np.array(["t", "t", "t", "v", "v", "v"]), ("a", "b")
    )
    probabilities = np.array([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9]])
    predictions = Predictions(
        np.array([3, 4, 5]),
        np.zeros(3, dtype=np.int64),
        np.log(probabilities).astype(np.float32),
        np.zeros((3, 3), dtype=np.float32),
    )
    return predictions, data, [Fold("only", ("t",), ("v",), ())]


def test_baselines_worked_by_hand():
    measured = baselines(*material())
    result = {name: {key: row[key] for key in ("ua", "wa", "ccc")} for name, row in measured.items()}
    truth = np.array([0.3, -0.3, -0.7])
    assert result["majority_class"] == pytest.approx({"ua": 0.5, "wa": 1 / 3, "ccc": 0})
    assert result["class_mean"] == pytest.approx(
        {"ua": 0.75, "wa": 2 / 3, "ccc": ccc(np.array([0.3, 0.3, -0.5]), truth)}
    )
    mixed = np.array([0.8 * 0.3 - 0.2 * 0.5, 0.6 * 0.3 - 0.4 * 0.5, 0.1 * 0.3 - 0.9 * 0.5])
    assert result["class_mean_posterior"] == pytest.approx(
        {"ua": 0.75, "wa": 2 / 3, "ccc": ccc(mixed, truth)}, abs=1e-6
    )
    assert result["class_mean_oracle"] == pytest.approx(
        {"ua": 1, "wa": 1, "ccc": ccc(np.array([0.3, -0.5, -0.5]), truth)}
    )


def test_unlabelled_and_unrated_utterances_are_left_out():
    predictions, data, folds = material()
    data.labels[5] = -1
    data.dimensions[4, 1] = np.nan
    result = baselines(predictions, data, folds)
    assert result["class_mean"]["wa"] == 0.5
    assert result["class_mean_oracle"]["ua"] == 1
    assert all(np.isfinite(value) for row in result.values() for value in row.values() if value is not None)


def test_standard_errors_of_the_baselines_are_those_of_their_guesses():
    predictions, data, folds = material()
    row = baselines(predictions, data, folds)["class_mean"]
    guesses = np.tile(np.array([[0.3], [0.3], [-0.5]]), (1, 3))  # class means of the training speaker
    truth = data.dimensions[3:]
    args = (data.labels[3:], np.array([0, 0, 1]), guesses, truth, data.speakers[3:], 2, 0)
    assert (row["se_ua"], row["se_ccc"]) == pytest.approx(standard_errors(*args))


def test_what_nobody_rated_is_known_as_zero():
    _, data, folds = material()
    data.dimensions[:, 2] = np.nan
    knowledge = Knowledge.of(data, folds[0])
    assert knowledge.mean == pytest.approx([0.1 / 3, 0.1 / 3, 0.0])
    assert np.isfinite(knowledge.class_means).all()
