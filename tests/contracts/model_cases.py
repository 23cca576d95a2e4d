"""Models of every kind of encoder, attention, co-attention, pooling and fusion, and batches for them."""

import itertools

import torch

from serhpo.model.config import ENCODER_KINDS, ModelConfig
from serhpo.model.joint import JointModel, StreamInput

INPUTS = {
    "mfcc": StreamInput(6, frames_per_second=100),
    "short_term": StreamInput(7, frames_per_second=100),
    "mel": StreamInput(9, frames_per_second=100),
    "waveform": StreamInput(1, frames_per_second=16_000),
    "wav2vec2": StreamInput(9, frames_per_second=50),
    "hubert": StreamInput(12, layers=3, frames_per_second=50),
}
ENCODERS = [(stream, kind) for stream, kinds in ENCODER_KINDS.items() for kind in kinds]
FACTORS = {
    "encoder": ENCODERS,
    "encoder_width": [None, 24],
    "attention": [(0, "none"), (1, "none"), (2, "sinusoidal"), (1, "rotary")],
    "co_attention": ["none", "cross", "frame_weighting"],
    "pooling": ["mean", "attentive", "statistics"],
    "fusion": ["concatenation", "gated", "attention"],
}


def all_pairs(factors):
    """Rows in which every pair of values of any two factors stands together at least once.

    Greedy: each row starts from a pair still missing and takes, factor by factor, the value that
    brings most missing pairs.
    """
    names = list(factors)
    missing = {
        frozenset([(a, x), (b, y)])
        for a, b in itertools.combinations(names, 2)
        for x in map(str, range(len(factors[a])))
        for y in map(str, range(len(factors[b])))
    }
    rows = []
    while missing:
        row = dict(min(missing, key=sorted))
        for name in names:
            if name not in row:
                row[name] = max(
                    map(str, range(len(factors[name]))),
                    key=lambda v, n=name: sum(frozenset([(n, v), item]) in missing for item in row.items()),
                )
        missing -= {frozenset(pair) for pair in itertools.combinations(row.items(), 2)}
        rows.append({name: factors[name][int(row[name])] for name in names})
    return rows


def config_of(row, partner, **changes):
    """The configuration of a row; the other streams' encoders are plain."""
    stream, kind = row["encoder"]
    layers, position = row["attention"]
    settings = {
        "width": 16,
        "encoders": {stream: {"kind": kind, "width": row["encoder_width"], "depth": 2, "dropout": 0.0}},
        "self_attention": layers,
        "position": position,
        **{name: row[name] for name in ("co_attention", "pooling", "fusion")},
    }
    config = ModelConfig.model_validate(settings | changes)
    return config, tuple(s for s in INPUTS if s in {stream, *partner})


def partners(row):
    """Two plain streams beside the row's own."""
    return [stream for stream in ("mfcc", "mel", "wav2vec2") if stream != row["encoder"][0]][:2]


def build(config, streams, classes=4):
    torch.manual_seed(0)
    model = JointModel(config, {stream: INPUTS[stream] for stream in streams}, classes)
    for stream in streams:  # a mean other than 0, so that padding is not neutral by luck
        channels = INPUTS[stream].channels
        model.set_normalisation(stream, torch.linspace(0.5, 2, channels), torch.linspace(1, 3, channels))
    return model


def utterances(streams, seconds):
    """Features of each utterance, and how many frames they are."""
    generator = torch.Generator().manual_seed(1)
    lengths = {
        s: torch.tensor([max(1, round(t * INPUTS[s].frames_per_second)) for t in seconds]) for s in streams
    }
    features = {
        s: [torch.randn(int(n), INPUTS[s].channels, generator=generator) for n in lengths[s]] for s in streams
    }
    return features, lengths


def padded(features, value=0.0):
    return {
        s: torch.nn.utils.rnn.pad_sequence(items, batch_first=True, padding_value=value)
        for s, items in features.items()
    }


def name_of(row):
    return "-".join(str(value) for value in (*row["encoder"], *row["attention"], *list(row.values())[3:]))
