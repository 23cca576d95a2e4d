import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from serhpo.corpus.folds import Fold
from serhpo.errors import CorpusError, StudyError
from serhpo.model.joint import JointModel
from serhpo.training.checkpoint import load_predictions, read_checkpoint, write_checkpoint
from serhpo.training.fold import NonFiniteError
from serhpo.training.optimiser import Stepper
from serhpo.training.trainer import TrialTraining


def tensors_of(training, tmp_path, name="checkpoint"):
    training.save(tmp_path / name)
    return read_checkpoint(tmp_path / name)[1]


def assert_equal_tensors(first, second):
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


def without_seconds(history):
    return [replace(result, seconds=0.0) for result in history]


def test_a_signal_is_learned(data, folds, make_config):
    training = TrialTraining(make_config(), data, folds, seed=0)
    for _ in range(4):
        result = training.run_epoch()
    assert result.ua > 0.8
    assert result.ccc > 0.5
    assert 0 < result.se_ua < 0.1
    assert result.loss_class < training.history[0].loss_class
    assert training.epoch == 4
    assert training.best_epoch == max(training.history, key=lambda r: r.ua + r.ccc).epoch


def test_shuffled_labels_stay_at_chance(make_data, folds, make_config):
    data = make_data(per_speaker=40)
    generator = np.random.default_rng(1)
    order = generator.permutation(len(data))
    data.labels[:], data.dimensions[:] = data.labels[order], data.dimensions[order]
    training = TrialTraining(make_config(), data, folds, seed=0)
    for _ in range(4):
        result = training.run_epoch()
    assert abs(result.ua - 0.25) < 0.12  # three standard errors of 160 guesses, and a little
    assert abs(result.ccc) < 0.15


@pytest.mark.parametrize(
    "changes",
    [
        {"weighting": {"name": "fixed", "lambda": 0.5}},
        {"weighting": {"name": "fixed", "lambda": 1.0}},
        {"weighting": {"name": "dwa"}, "optimiser": {"schedule": "one_cycle"}},
        {"weighting": {"name": "gradnorm"}, "loss": {"focal_gamma": 2.0, "dimensions": "mse"}},
        {"weighting": {"name": "uncertainty"}, "augmentation": {"time_masks": 2, "channel_masks": 1}},
        {"weighting": {"name": "geometric"}, "augmentation": {"mixup": 0.4}, "precision": "bf16"},
    ],
    ids=str,
)
def test_a_resumed_training_continues_bit_for_bit(data, folds, make_config, tmp_path, changes):
    config = make_config(**changes)
    straight = TrialTraining(config, data, folds, seed=3)
    for _ in range(4):
        straight.run_epoch()
    first = TrialTraining(config, data, folds, seed=3)
    torch.manual_seed(99)
    first.run_epoch()
    torch.rand(7)
    np.random.seed(5)
    first.run_epoch()
    first.save(tmp_path / "half")
    second = TrialTraining(config, data, folds, seed=3)
    second.load(tmp_path / "half")
    assert second.epoch == 2
    assert without_seconds(second.history) == without_seconds(first.history)
    torch.manual_seed(1)
    for _ in range(2):
        second.run_epoch()
    assert without_seconds(second.history) == without_seconds(straight.history)
    assert second.best_epoch == straight.best_epoch
    assert_equal_tensors(tensors_of(straight, tmp_path, "a"), tensors_of(second, tmp_path, "b"))


def test_training_leaves_the_global_random_generators_alone(data, folds, make_config):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    TrialTraining(make_config(), data, folds, seed=0).run_epoch()
    assert torch.equal(torch.rand(3), expected)


def test_another_seed_gives_another_training(data, folds, make_config):
    results = [TrialTraining(make_config(), data, folds, seed=seed).run_epoch() for seed in (0, 1)]
    assert results[0].loss_class != results[1].loss_class


def test_a_fold_does_not_depend_on_the_folds_beside_it(data, folds, make_config, tmp_path):
    both = TrialTraining(make_config(), data, folds, seed=0)
    alone = TrialTraining(make_config(), data, folds[1:], seed=0)
    both.run_epoch()
    alone.run_epoch()
    together, single = tensors_of(both, tmp_path, "both"), tensors_of(alone, tmp_path, "alone")
    for name, tensor in single.items():
        if name.startswith("folds.0."):
            assert torch.equal(tensor, together[name.replace("folds.0.", "folds.1.")]), name


@pytest.mark.parametrize("streams", [("mfcc", "mel"), ("waveform",)])
def test_nothing_of_validation_or_test_speakers_leaks_into_training(
    make_data, folds, make_config, tmp_path, streams
):
    fold = folds[0]
    results = []
    for changed in (False, True):
        data = make_data(streams=streams)
        if changed:
            for row in np.flatnonzero(np.isin(data.speakers, fold.validation + fold.test)):
                for store in data.stores.values():
                    store.arrays[row] = store.arrays[row][::-1] * 100 + 7
                data.labels[row] = 3 - data.labels[row]
                data.dimensions[row] *= -1
        training = TrialTraining(make_config(streams=streams), data, [fold], seed=0)
        training.run_epoch()
        training.run_epoch()
        results.append((tensors_of(training, tmp_path, str(changed)), training.history[-1]))
    (plain, before), (changed, after) = results
    names = [name for name in plain if not name.startswith("predictions.")]
    assert {"folds.0.class_weights", "folds.0.class_means"} < set(names)
    assert any("normalisation.mean" in name for name in names)
    for name in names:
        assert torch.equal(plain[name], changed[name]), name
    assert before.ua != after.ua  # the change was heard where it should be


def test_lambda_one_leaves_the_dimension_head_untouched(data, folds, make_config, tmp_path):
    training = TrialTraining(make_config(weighting={"name": "fixed", "lambda": 1.0}), data, folds[:1], seed=0)
    head = "folds.0.model.dimension_head.weight"
    before = tensors_of(training, tmp_path, "before")
    result = training.run_epoch()
    after = tensors_of(training, tmp_path, "after")
    assert torch.equal(before[head], after[head])
    assert not torch.equal(
        before[head.replace("dimension", "class")], after[head.replace("dimension", "class")]
    )
    assert (result.weight_class, result.weight_dimension) == (1.0, 0.0)


def test_the_weights_of_an_epoch_are_the_mean_over_its_steps(data, folds, make_config):
    training = TrialTraining(make_config(weighting={"name": "uncertainty"}), data, folds, seed=0)
    first, second = training.run_epoch(), training.run_epoch()
    at_start = np.exp(0.5) / 2
    assert 0 < abs(first.weight_class - at_start) < abs(second.weight_class - at_start)
    assert first.weight_class != first.weight_dimension


def test_soft_labels_teach_and_labels_judge(make_data, folds, make_config):
    """Raters who all see another class than the label: what is learned is theirs, and judged wrong."""
    data = make_data(per_speaker=40)
    theirs = np.eye(4, dtype=np.float32)[(data.labels + 1) % 4]
    data.distributions = theirs
    config = make_config(loss={"soft_labels": True}, epochs=6)
    training = TrialTraining(config, data, folds, seed=0)
    for _ in range(6):
        result = training.run_epoch()
    assert result.ua < 0.1
    data.distributions = np.full_like(theirs, np.nan)
    training = TrialTraining(config, data, folds, seed=0)
    for _ in range(6):
        result = training.run_epoch()
    assert result.ua > 0.8


def test_bfloat16_learns_too_and_measures_in_float32(data, folds, make_config):
    training = TrialTraining(make_config(precision="bf16"), data, folds, seed=0)
    for _ in range(4):
        result = training.run_epoch()
    assert result.ua > 0.8
    assert training.predictions().dimensions.dtype == np.float32


def test_float32_is_not_tf32(data, folds, make_config, monkeypatch):
    seen = []

    def watch(kind, name):
        before = getattr(kind, name)

        def watched(*arguments, **named):
            seen.append((name, torch.backends.cudnn.allow_tf32))
            return before(*arguments, **named)

        monkeypatch.setattr(kind, name, watched)

    watch(JointModel, "forward")
    watch(Stepper, "step")  # goes through the layers backwards
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    training = TrialTraining(make_config(), data, folds, seed=0)
    training.run_epoch()
    assert set(seen) == {("forward", False), ("step", False)}
    seen.clear()
    training._folds[0].predict()
    assert set(seen) == {("forward", False)}
    assert torch.backends.cudnn.allow_tf32  # of who else computes in this process


def test_unlabelled_utterances_train_what_they_can(data, folds, make_config):
    data.labels[::3] = -1
    data.dimensions[1::3] = np.nan
    data.labels[5], data.dimensions[5] = -1, np.nan
    training = TrialTraining(make_config(), data, folds, seed=0)
    training.run_epoch()
    assert 5 not in training.predictions().utterances
    assert len(training.predictions().utterances) == 79


def test_predictions_come_from_the_models_that_did_not_see_the_speaker(data, folds, make_config, tmp_path):
    training = TrialTraining(make_config(), data, folds, seed=0)
    with pytest.raises(RuntimeError, match="run an epoch first"):
        training.predictions()
    training.run_epoch()
    predictions = training.predictions()
    for index, fold in enumerate(folds):
        rows = predictions.utterances[predictions.folds == index]
        assert set(data.speakers[rows]) == set(fold.validation)
    np.testing.assert_allclose(np.exp(predictions.log_probabilities).sum(axis=1), 1, rtol=1e-5)
    training.save(tmp_path)
    kept = load_predictions(tmp_path)
    for name, value in vars(predictions).items():
        np.testing.assert_array_equal(getattr(kept, name), value)


def test_a_checkpoint_of_another_training_is_refused(data, folds, make_config, tmp_path):
    TrialTraining(make_config(), data, folds, seed=0).save(tmp_path)
    others = {
        "config": TrialTraining(make_config(epochs=5), data, folds, seed=0),
        "seed": TrialTraining(make_config(), data, folds, seed=1),
        "speakers": TrialTraining(make_config(), data, folds[:1], seed=0),
    }
    for name, other in others.items():
        with pytest.raises(StudyError, match=f"of another {name}"):
            other.load(tmp_path)


def test_a_setting_newer_than_the_checkpoint_has_its_default_there(data, folds, make_config, tmp_path):
    training = TrialTraining(make_config(), data, folds, seed=0)
    training.save(tmp_path)
    path = tmp_path / "checkpoint.json"
    state = json.loads(path.read_text())
    del state["config"]["loss"]
    path.write_text(json.dumps(state))
    training.load(tmp_path)
    assert training.epoch == 0


def test_a_checkpoint_of_another_model_layout_is_one_error(data, folds, make_config, tmp_path):
    training = TrialTraining(make_config(), data, folds, seed=0)
    training.save(tmp_path / "old")
    state, tensors = read_checkpoint(tmp_path / "old")
    renamed = {name.replace("class_head", "head"): tensor for name, tensor in tensors.items()}
    write_checkpoint(
        tmp_path / "old", {k: v for k, v in state.items() if k not in ("tensors", "digest")}, renamed
    )
    with pytest.raises(StudyError, match="another model"):
        TrialTraining(make_config(), data, folds, seed=0).load(tmp_path / "old")


def test_nothing_in_a_checkpoint_is_a_pickle(data, folds, make_config, tmp_path):
    training = TrialTraining(make_config(), data, folds, seed=0)
    training.run_epoch()
    training.save(tmp_path)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".safetensors"]
    state = json.loads((tmp_path / "checkpoint.json").read_text())
    assert state["history"][0]["ua"] == training.history[0].ua


def test_a_diverging_training_fails_by_name(data, folds, make_config):
    data.stores["mfcc"].arrays[int(data.rows(["1F"])[0])][3, 2] = np.nan
    with pytest.raises(NonFiniteError, match=r"(?s)loss is not finite.*fold a, epoch 1"):
        TrialTraining(make_config(), data, folds, seed=0).run_epoch()


@pytest.mark.parametrize(("attribute", "missing"), [("labels", -1), ("dimensions", np.nan)])
def test_a_fold_without_labels_or_ratings_is_refused(data, make_config, attribute, missing):
    getattr(data, attribute)[data.speakers == "2F"] = missing
    fold = Fold("lonely", ("1F", "1M"), ("2F",), ())
    with pytest.raises(CorpusError, match="validation speakers of fold `lonely`"):
        TrialTraining(make_config(), data, [fold], seed=0)
