"""Pretrained features against a plain forward pass of transformers, on tiny models of random weights."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import serhpo.audio_stack
from serhpo.config import parse
from serhpo.errors import ConfigError
from serhpo.features import FeatureSettings, Hubert, Wav2Vec2, key
from serhpo.features.pretrained import encoder_shape
from serhpo.features.pretrained_model import LoadedModel
from tests.checkpoints import save_checkpoint

KINDS = ("Wav2Vec2", "wav2vec2-large", "Hubert", "WavLM", "data2vec")

Find = Callable[[str], Path]


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def forward(folder: Path, audio: np.ndarray) -> list[np.ndarray]:
    """All hidden states (frames, width) of one utterance, straight from transformers."""
    from transformers import AutoFeatureExtractor, AutoModel

    model = AutoModel.from_pretrained(folder).eval()
    inputs = AutoFeatureExtractor.from_pretrained(folder)(audio, sampling_rate=16_000, return_tensors="pt")
    encoder = model.encoder if model.config.is_encoder_decoder else model
    with torch.no_grad():
        states = encoder(next(iter(inputs.values())), output_hidden_states=True).hidden_states
    return [state[0].numpy() for state in states]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("samples", [400, 8000, 12_345])
def test_a_layer_equals_a_plain_forward_pass(kind: str, samples: int, checkpoint: Find) -> None:
    folder, audio = checkpoint(kind), noise(samples)
    expected = forward(folder, audio)
    assert len(expected) == 4
    for layer in (0, 2, -1):
        features = Wav2Vec2(model=str(folder), layer=layer).extract(audio)
        np.testing.assert_allclose(features, expected[layer], rtol=0, atol=1e-5)
    together = Wav2Vec2(model=str(folder), layer="all").extract(audio)
    np.testing.assert_allclose(together, np.concatenate(expected, axis=1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["Wav2Vec2", "whisper"])
def test_what_a_checkpoint_states_is_what_it_gives(kind: str, checkpoint: Find) -> None:
    for layer, layers in ((1, 1), ("all", 4)):
        extractor = Hubert(model=str(checkpoint(kind)), layer=layer)
        features = extractor.extract(noise(16_000))
        assert (extractor.layers, extractor.channels, extractor.frames_per_second) == (
            layers,
            12 * layers,
            50,
        )
        assert features.dtype == np.float32
        assert features.shape == (49 if kind == "Wav2Vec2" else 50, 12 * layers)


@pytest.mark.parametrize("samples", [1, 399, 400, 719, 720, 1040])
def test_every_utterance_gives_a_frame(samples: int, checkpoint: Find) -> None:
    features = Wav2Vec2(model=str(checkpoint("Wav2Vec2")), layer=2).extract(noise(samples))
    assert len(features) == max(1, (samples - 400) // 320 + 1)
    assert np.isfinite(features).all()


def test_padding_would_change_every_frame(checkpoint: Find) -> None:
    """Why one utterance at a time: with a group norm the silence behind it is heard in every frame."""
    folder, audio = checkpoint("Wav2Vec2"), noise(8000)
    alone = Wav2Vec2(model=str(folder), layer=2).extract(audio)
    padded = forward(folder, np.pad(audio, (0, 16_000)))[2][: len(alone)]
    assert np.linalg.norm(padded - alone, axis=1).min() > 0.01 * np.linalg.norm(alone, axis=1).max()


def test_whisper_hears_pieces_of_its_own_length(checkpoint: Find) -> None:
    folder, audio = checkpoint("whisper"), noise(2 * 32_000 + 1000)
    features = Wav2Vec2(model=str(folder), layer=2).extract(audio)
    pieces = [audio[:32_000], audio[32_000:64_000], audio[64_000:]]
    expected = [forward(folder, piece)[2][: -(-len(piece) // 320)] for piece in pieces]
    np.testing.assert_allclose(features, np.concatenate(expected), rtol=0, atol=1e-5)


def test_on_a_gpu_too_features_are_computed_in_float32_not_in_tf32(
    checkpoint: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, run = [], LoadedModel._run

    def watched(model: LoadedModel, samples: np.ndarray) -> Any:
        seen.append(torch.backends.cudnn.allow_tf32)
        return run(model, samples)

    monkeypatch.setattr(LoadedModel, "_run", watched)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    Wav2Vec2(model=str(checkpoint("Wav2Vec2")), layer=2).extract(noise(4000))
    assert seen == [False]
    assert torch.backends.cudnn.allow_tf32


def test_bf16_is_close(checkpoint: Find) -> None:
    folder, audio = str(checkpoint("Wav2Vec2")), noise(8000)
    exact = Wav2Vec2(model=folder, layer=2).extract(audio)
    rough = Wav2Vec2(model=folder, layer=2, bf16=True).extract(audio)
    assert rough.dtype == np.float32
    assert 0 < np.linalg.norm(rough - exact) / np.linalg.norm(exact) < 0.05


def test_it_can_be_sent_to_another_process(checkpoint: Find) -> None:
    extractor = Wav2Vec2(model=str(checkpoint("Wav2Vec2")), layer=1)
    again = pickle.loads(pickle.dumps(extractor))
    assert again == extractor
    np.testing.assert_array_equal(again.extract(noise(4000)), extractor.extract(noise(4000)))


@pytest.mark.parametrize("kind", KINDS)
def test_silence_gives_finite_features_and_audio_and_threads_stay(kind: str, checkpoint: Find) -> None:
    audio, threads = np.zeros(4000, np.float32), torch.get_num_threads()
    audio.flags.writeable = False
    torch.set_num_threads(2)
    try:
        assert np.isfinite(Wav2Vec2(model=str(checkpoint(kind)), layer=1).extract(audio)).all()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert not audio.any()


def test_what_it_states_costs_neither_torch_nor_transformers(checkpoint: Find) -> None:
    code = f"""
import sys
from serhpo.features import Wav2Vec2, key
extractor = Wav2Vec2(model={str(checkpoint("Wav2Vec2"))!r}, layer="all")
key(extractor), extractor.ensure_available()
print(extractor.channels, extractor.frames_per_second, {{"torch", "transformers"}} & set(sys.modules))
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(serhpo.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "48 50.0 set()", done.stderr


# --- The key ---------------------------------------------------------------------------------------------


def test_every_setting_is_part_of_the_key(checkpoint: Find) -> None:
    folder = str(checkpoint("Wav2Vec2"))
    variants = [
        Wav2Vec2(model=folder, layer=1),
        Wav2Vec2(model=folder, layer=2),
        Wav2Vec2(model=folder, layer="all"),
        Wav2Vec2(model=folder, layer=1, bf16=True),
        Wav2Vec2(model=str(checkpoint("WavLM")), layer=1),
        Hubert(model=folder, layer=1),
    ]
    assert len({key(variant) for variant in variants}) == len(variants)


def test_the_key_is_of_the_content_wherever_it_lies(checkpoint: Find, tmp_path: Path) -> None:
    folder = checkpoint("Wav2Vec2")
    shutil.copytree(folder, tmp_path / "copy")
    here, there = Wav2Vec2(model=str(folder), layer=-1), Wav2Vec2(model=str(tmp_path / "copy"), layer=3)
    assert key(here) == key(there)  # the last of layers 0 to 3


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "preprocessor_config.json"])
def test_a_changed_checkpoint_has_another_key(name: str, tmp_path: Path) -> None:
    extractor = Wav2Vec2(model=str(save_checkpoint("Wav2Vec2", tmp_path)), layer=1)
    before = key(extractor)
    data = bytearray((tmp_path / name).read_bytes())
    if name == "model.safetensors":
        data[-1] ^= 1
    else:
        data += b"\n"
    (tmp_path / name).write_bytes(data)
    assert key(extractor) != before


def test_a_changed_checkpoint_is_loaded_again(tmp_path: Path) -> None:
    extractor = Wav2Vec2(model=str(save_checkpoint("Wav2Vec2", tmp_path)), layer=1)
    before = extractor.extract(noise(4000))
    save_checkpoint("Wav2Vec2", tmp_path, seed=1)
    assert not np.allclose(extractor.extract(noise(4000)), before)


def test_weights_in_parts(tmp_path: Path) -> None:
    from transformers import AutoModel

    folder = save_checkpoint("Wav2Vec2", tmp_path / "whole")
    shutil.copytree(folder, tmp_path / "parts")
    (tmp_path / "parts" / "model.safetensors").unlink()
    AutoModel.from_pretrained(folder).save_pretrained(tmp_path / "parts", max_shard_size="5KB")
    parts = Wav2Vec2(model=str(tmp_path / "parts"), layer=2)
    expected = Wav2Vec2(model=str(folder), layer=2).extract(noise(4000))
    np.testing.assert_array_equal(parts.extract(noise(4000)), expected)
    before = key(parts)
    last = sorted((tmp_path / "parts").glob("*.safetensors"))[-1]
    content = last.read_bytes()
    last.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert key(parts) != before
    last.unlink()
    with pytest.raises(ConfigError, match="no weights in safetensors"):
        parts.ensure_available()


# --- What cannot be used ---------------------------------------------------------------------------------


def refused(model: Path | str, **settings: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        Wav2Vec2(model=str(model), **settings).ensure_available()
    return caught.value


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    save_checkpoint("Wav2Vec2", tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    error = refused(tmp_path)
    assert "pickled weights (pytorch_model.bin), which can run code" in error.what
    assert error.allowed == "safetensors weights"
    assert "save_pretrained" in str(error.hint)


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    save_checkpoint("Wav2Vec2", tmp_path)
    (tmp_path / name).unlink()
    assert name in refused(tmp_path).what


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    error = refused(tmp_path / "nothing")
    assert error.where == "features.wav2vec2.model"
    assert "nothing" in str(error.got)


def fill_hub_cache(cache: Path, revision: str, content: Path) -> Path:
    """Put a checkpoint where the hub's library would; returns its snapshot."""
    repository, commit = cache / "models--some--model", f"{len(revision):040d}"
    shutil.copytree(content, repository / "snapshots" / commit, dirs_exist_ok=True)
    ref = repository / "refs" / revision
    ref.parent.mkdir(parents=True, exist_ok=True)
    ref.write_text(commit)
    return repository / "snapshots" / commit


@pytest.mark.parametrize("model", ["facebook/wav2vec2-base", "no/such/id/at-all"])
def test_without_the_hub_one_error_says_how_to_give_a_folder(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    error = refused(model)
    assert "Hugging Face hub" in error.what
    assert error.got == model
    assert "--set features.wav2vec2.model=FOLDER" in str(error.hint)
    assert "--set streams=" in str(error.hint)


def test_what_the_hubs_cache_holds_needs_no_network(
    checkpoint: Find, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    expected = key(Wav2Vec2(model=str(checkpoint("Wav2Vec2")), layer=1))
    fill_hub_cache(tmp_path, "main", checkpoint("Wav2Vec2"))
    assert key(Wav2Vec2(model="some/model", layer=1)) == expected
    # A main branch with nothing but pickles, and the bot's copy beside it.
    (fill_hub_cache(tmp_path, "main", checkpoint("Wav2Vec2")) / "model.safetensors").unlink()
    refused("some/model")
    fill_hub_cache(tmp_path, "refs/pr/7", checkpoint("Wav2Vec2"))
    assert key(Wav2Vec2(model="some/model", layer=1)) == expected
    assert key(Wav2Vec2(model="some/model", revision="refs/pr/7", layer=1)) == expected
    refused("some/model", revision="main")


def test_the_bots_copy_is_taken_where_the_main_branch_has_pickles(
    checkpoint: Find, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    plain = tmp_path / "main"
    shutil.copytree(checkpoint("Wav2Vec2"), plain)
    (plain / "model.safetensors").unlink()
    branches = {None: plain, "refs/pr/7": checkpoint("Wav2Vec2")}

    def download(model: str, revision: str | None, local_files_only: bool, **_: object) -> str:
        if local_files_only:
            raise FileNotFoundError
        return str(branches[revision])

    offers = [SimpleNamespace(num=n, title=title) for n, title in ((3, "Add tests"), (7, "Add safetensors"))]
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    monkeypatch.setattr("huggingface_hub.HfApi.get_repo_discussions", lambda *_, **__: iter(offers))
    assert Wav2Vec2(model="some/model", layer=1).channels == 12
    offers.pop()
    assert "no weights in safetensors" in refused("some/model").what


@pytest.mark.parametrize("layer", [4, -5])
def test_a_layer_that_does_not_exist(layer: int, checkpoint: Find) -> None:
    error = refused(checkpoint("Wav2Vec2"), layer=layer)
    assert (error.where, error.allowed) == ("features.wav2vec2.layer", "-4 to 3, or all")


def test_weights_that_are_missing_are_not_made_up(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    save_checkpoint("Wav2Vec2", tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    lost = next(name for name in weights if name.startswith("encoder.layers.1"))
    del weights[lost]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ConfigError, match=r"1 weights are missing, encoder\.layers\.1"):
        Wav2Vec2(model=str(tmp_path), layer=1).extract(noise(4000))


def test_damaged_weights(tmp_path: Path) -> None:
    save_checkpoint("Wav2Vec2", tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no weights at all")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        Wav2Vec2(model=str(tmp_path), layer=1).extract(noise(4000))


def test_a_model_for_another_sample_rate(tmp_path: Path) -> None:
    save_checkpoint("Wav2Vec2", tmp_path)
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sampling_rate": 8000}))
    with pytest.raises(ConfigError, match="8000 Hz"):
        Wav2Vec2(model=str(tmp_path), layer=1).extract(noise(4000))


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"model_type": "bert", "hidden_size": 3, "num_hidden_layers": 2},
        {"model_type": "sew", "squeeze_factor": 2, "conv_stride": [5], "conv_kernel": [10]},
        {"model_type": "wav2vec2", "conv_stride": [5, 2], "conv_kernel": [10]},
    ],
)
def test_other_models_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="Not a speech encoder") as caught:
        encoder_shape(config, "features.hubert.model")
    assert "wavlm" in str(caught.value.allowed)


def test_settings_are_plain_values() -> None:
    settings = parse(FeatureSettings, {"hubert": {"model": "/models/wavlm", "layer": "all", "bf16": True}})
    assert FeatureSettings.model_validate_json(settings.model_dump_json()) == settings
    with pytest.raises(ConfigError, match="layer"):
        parse(FeatureSettings, {"hubert": {"layer": "some"}})
