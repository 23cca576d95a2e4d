"""A pretrained encoder trained with the joint model: the whole way from samples to a checkpoint."""

import dataclasses

import torch

from serhpo.training.trainer import TrialTraining
from tests.checkpoints import save_checkpoint


def test_a_fine_tuned_stream_trains_saves_and_continues(make_data, make_config, folds, tmp_path):
    model = save_checkpoint("Wav2Vec2", tmp_path / "model")
    data = make_data(per_speaker=4, streams=("waveform",))
    data = dataclasses.replace(data, stores={"wav2vec2": data.stores["waveform"]})
    config = make_config(
        streams=("wav2vec2",),
        features={"wav2vec2": {"model": str(model), "fine_tune": 1, "layer": 2}},
        max_seconds=0.5,
        epochs=2,
    )
    straight = TrialTraining(config, data, folds[:1], seed=1)
    straight.run_epoch()
    straight.save(tmp_path / "checkpoint")
    expected = straight.run_epoch()
    resumed = TrialTraining(config, data, folds[:1], seed=1)
    resumed.load(tmp_path / "checkpoint")
    result = resumed.run_epoch()
    assert (result.ua, result.ccc, result.loss_class) == (expected.ua, expected.ccc, expected.loss_class)
    assert torch.isfinite(torch.from_numpy(resumed.predictions().dimensions)).all()
