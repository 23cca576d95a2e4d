"""The same training on a GPU. Skipped where there is none."""

import pytest
import torch

from serhpo.training.trainer import TrialTraining
from tests.training.conftest import FOLDS, make_config, make_data

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.parametrize("streams", [("mfcc", "mel"), ("mfcc", "waveform")])
def test_cpu_and_gpu_agree(streams):
    # Without dropout: the devices draw different random numbers.
    quiet = {"width": 16, "dropout": 0.0, "encoders": {s: {"depth": 1, "dropout": 0.0} for s in streams}}
    config = make_config(streams=streams, model=quiet, epochs=3)
    data = make_data(streams=streams)
    results = {}
    for device in ("cpu", "cuda"):
        training = TrialTraining(config, data, FOLDS, seed=3, device=device)
        results[device] = [training.run_epoch() for _ in range(3)]
    for mine, other in zip(results["cpu"], results["cuda"], strict=True):
        assert other.loss_class == pytest.approx(mine.loss_class, rel=2e-2)
        assert other.loss_dimension == pytest.approx(mine.loss_dimension, rel=2e-2)
        assert other.ccc == pytest.approx(mine.ccc, abs=0.03)


def test_resumes_on_the_gpu(tmp_path):
    config, data = make_config(), make_data()
    whole = TrialTraining(config, data, FOLDS, seed=1, device="cuda")
    for _ in range(3):
        whole.run_epoch()
    first = TrialTraining(config, data, FOLDS, seed=1, device="cuda")
    first.run_epoch()
    first.save(tmp_path / "last")
    again = TrialTraining(config, data, FOLDS, seed=1, device="cuda")
    again.load(tmp_path / "last")
    for _ in range(2):
        again.run_epoch()
    for mine, other in zip(whole.history, again.history, strict=True):
        assert other.loss_class == pytest.approx(mine.loss_class, rel=1e-3)
        assert other.ua == pytest.approx(mine.ua, abs=0.03)
