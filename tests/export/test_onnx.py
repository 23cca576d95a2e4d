"""A model as an ONNX graph: the same answers without torch, for recordings of any length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from serhpo.cache.shard import SCALE, encode
from serhpo.corpus import read_corpus
from serhpo.corpus.audio import read_audio
from serhpo.errors import ConfigError
from serhpo.export import EmotionModel, export_trial, onnx, trial
from serhpo.export.onnx import Graph, require_onnx
from serhpo.training.config import TrialConfig
from tests.trained import trained_study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exported(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    for package in onnx._PACKAGES:
        pytest.importorskip(package, reason="serhpo[onnx]")
    whole = read_corpus(small_corpus)
    rows = [{**row, "dominance": None} for row in whole.table.to_pylist()]
    corpus = replace(whole, table=pa.Table.from_pylist(rows, whole.table.schema))
    home = tmp_path_factory.mktemp("home")
    with trained_study(small_corpus, home) as study, pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial, "study_corpus", lambda study: corpus)  # its graph has two ratings
        out = tmp_path_factory.mktemp("exported") / "model"
        export_trial(study, 0, out, onnx=True)
        yield out


def test_onnx_runtime_answers_as_torch_does(exported: Path, small_corpus: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(exported / "model.onnx")
    model = EmotionModel.from_pretrained(str(exported))
    assert [one.name for one in session.get_inputs()] == ["mfcc", "waveform"]
    for audio in read_corpus(small_corpus).column("audio")[:3]:
        samples = read_audio(Path(audio))
        features = {}
        for name in ("mfcc", "waveform"):
            extractor = model.settings.trial.features[name]
            stored = encode(extractor.extract(samples), extractor.storage)  # rounded, as a model hears them
            features[name] = stored.astype(np.float32)[None] * np.float32(SCALE[extractor.storage])
        probabilities, ratings = session.run(None, features)
        told = model.predict(audio)
        assert list(told.ratings) == ["valence", "arousal"]
        np.testing.assert_allclose(probabilities, list(told.probabilities.values()), atol=1e-4)
        np.testing.assert_allclose(ratings, list(told.ratings.values()), atol=4e-4)


def test_a_graph_that_answers_differently_leaves_nothing(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = EmotionModel.from_pretrained(str(exported))
    monkeypatch.setattr(onnx, "CLOSE", -1.0)
    before = sorted(exported.iterdir())
    with pytest.raises(ConfigError, match="answers differently"):
        model.write_onnx(exported / "other.onnx")
    assert sorted(exported.iterdir()) == before


def test_a_graph_of_other_weights_is_not_taken_for_the_same(exported: Path) -> None:
    model = EmotionModel.from_pretrained(str(exported))
    graph = Graph(model._networks, model.settings.trial, (1.0, 5.0), model._rated)
    graph.require_same(exported / "model.onnx")
    with torch.no_grad():
        model._networks[1].class_head.bias += torch.tensor([0.01, 0, 0, 0])
    with pytest.raises(ConfigError, match="answers differently"):
        graph.require_same(exported / "model.onnx")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": {"encoders": {"mfcc": {"kind": "bilstm"}}}}, "the recurrent encoder bilstm"),
        ({"streams": ["hubert"], "features": {"hubert": {"fine_tune": 2}}}, "fine-tuned pretrained encoder"),
    ],
)
def test_what_has_no_graph_is_one_clear_error(changes: dict, told: str) -> None:
    with pytest.raises(ConfigError, match="cannot be written as ONNX") as caught:
        require_onnx(TrialConfig.model_validate({"streams": ["mfcc"], **changes}))
    assert told in str(caught.value.got)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as caught:
        require_onnx(TrialConfig.model_validate({"streams": ["mfcc"]}))
    assert caught.value.hint == "pip install 'serhpo[onnx]'"
