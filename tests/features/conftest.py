"""Sounds to extract features from, and tiny pretrained models to do it with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def _speech_like(seconds: float) -> np.ndarray:
    time = np.arange(max(1, int(seconds * 16_000))) / 16_000
    phase = 2 * np.pi * np.cumsum(140 + 40 * np.sin(3 * time)) / 16_000
    voice = sum(np.sin(k * phase) / k for k in range(1, 20))
    voice = 0.2 * voice + 0.003 * np.random.default_rng(0).standard_normal(len(time))
    return np.where(np.sin(7 * time + 0.1) > -0.3, voice, 0.0).astype(np.float32)


@pytest.fixture
def speech_like() -> Callable[[float], np.ndarray]:
    """Seconds to a gliding harmonic tone with pauses of digital silence, over a little noise."""
    return _speech_like


def _tiny_config(kind: str) -> Any:
    import transformers

    import serhpo.audio_stack  # noqa: F401 - before the audio models, which transformers imports when used

    sizes = {"num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24, "hidden_size": 12}
    front = {"conv_dim": (6,) * 7, "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
    if kind == "whisper":
        layers = {"encoder_layers": 3, "decoder_layers": 1}
        heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
        tokens = {"vocab_size": 8, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
        return transformers.WhisperConfig(
            d_model=12, **layers, **heads, **tokens, decoder_start_token_id=1, max_source_positions=100
        )
    if kind == "data2vec":
        return transformers.Data2VecAudioConfig(**sizes, conv_dim=(6,) * 7, num_conv_pos_embedding_groups=2)
    # As the large models are built: layer norm in the front, norms before the layers.
    large = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
    name, extra = {"wav2vec2-large": ("Wav2Vec2", large)}.get(kind, (kind, {}))
    return getattr(transformers, f"{name}Config")(**sizes, **front, **extra)


def _save_checkpoint(kind: str, folder: Path, seed: int = 0) -> Path:
    config = _tiny_config(kind)
    import torch
    import transformers

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = transformers.AutoModel.from_config(config)
    model.save_pretrained(folder)
    prepare = (
        transformers.WhisperFeatureExtractor(feature_size=80, chunk_length=2)
        if kind == "whisper"
        else transformers.Wav2Vec2FeatureExtractor(do_normalize=True)
    )
    prepare.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def save_checkpoint() -> Callable[..., Path]:
    """Kind and folder to a tiny checkpoint of random weights in it."""
    return _save_checkpoint


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Kind to the folder of a tiny checkpoint, made once and not to be changed."""
    folder = tmp_path_factory.mktemp("checkpoints")

    def find(kind: str) -> Path:
        return folder / kind if (folder / kind).is_dir() else _save_checkpoint(kind, folder / kind)

    return find
