"""The pretrained part of ``gpu.py``: extraction and fine-tuning with an encoder of wav2vec2-base's size."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cache import draw_lengths
from end_to_end_trial import InMemory
from training import Ours, epoch_seconds, finish, with_targets

import serhpo.audio_stack  # noqa: F401 - before transformers
from serhpo.features import EXTRACTORS
from serhpo.training.config import TrialConfig

SAMPLE_RATE = 16_000

Figures = dict[str, Any]


def save_encoder(folder: Path, small: bool) -> Path:
    """A checkpoint of wav2vec2-base's architecture, random weights."""
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    sizes: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 5, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 64, "conv_dim": (32,) * 7}
    Wav2Vec2Model(Wav2Vec2Config(**(sizes if small else {}))).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


def draw_samples(count: int) -> list[np.ndarray]:
    lengths = draw_lengths(count, SAMPLE_RATE)
    generator = np.random.default_rng(0)
    return [generator.uniform(-0.5, 0.5, length).astype(np.float32) for length in lengths]


def extraction(encoder: Path, device: torch.device, utterances: int) -> list[Figures]:
    """Milliseconds per second of audio, one utterance at a time."""
    samples, rows = draw_samples(utterances), []
    for bf16 in (False, True):
        extractor = EXTRACTORS["wav2vec2"](model=str(encoder), bf16=bf16)
        extractor.extract(samples[0])
        start = time.perf_counter()
        for audio in samples:
            extractor.extract(audio)
        finish(device)
        seconds = sum(map(len, samples)) / SAMPLE_RATE
        spent = time.perf_counter() - start
        rows.append({"precision": "bf16" if bf16 else "fp32", "ms_per_second": 1e3 * spent / seconds})
    return rows


def fine_tuning(encoder: Path, device: torch.device, utterances: int) -> list[Figures]:
    """Milliseconds a step of sixteen utterances, and the memory it takes."""
    samples, rows = [audio[:, np.newaxis] for audio in draw_samples(utterances)], []
    data = with_targets({"wav2vec2": InMemory(samples)}, utterances)
    for precision in ("fp32", "bf16"):
        config = TrialConfig.model_validate(
            {
                "streams": ["wav2vec2"],
                "features": {"wav2vec2": {"model": str(encoder), "fine_tune": 2}},
                "batch_size": 16,
                "precision": precision,
            }
        )
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        work = Ours(config, data, device)
        (seconds,) = epoch_seconds(work, device, 1)
        steps = len(work._batches(np.random.default_rng(0)))
        memory = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else None
        rows.append({"precision": precision, "ms_per_step": 1e3 * seconds / steps, "memory_gib": memory})
    return rows
