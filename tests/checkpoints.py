"""Tiny pretrained models of random weights, saved as the real ones are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

import serhpo.audio_stack  # noqa: F401 - before the audio models, which transformers imports when used


def _config(kind: str) -> Any:
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


def save_checkpoint(kind: str, folder: Path, seed: int = 0) -> Path:
    config = _config(kind)
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
