import torch

from serhpo.model.co_attention import CrossAttention, FrameWeighting
from serhpo.model.config import ModelConfig
from serhpo.model.frames import Frames

CONFIG = ModelConfig(width=8, dropout=0.0)
NAMES = ["mfcc", "mel", "waveform"]


def streams():
    torch.manual_seed(0)
    lengths = torch.tensor([4, 2])
    return {name: Frames(torch.randn(2, 4 + extra, 8), lengths + extra) for extra, name in enumerate(NAMES)}


def test_cross_attention_adds_the_mean_over_the_other_streams():
    frames = streams()
    cross = CrossAttention(CONFIG, NAMES)
    maps = {}
    result = cross(frames, maps)
    x, memory = (cross.norms[name](frames[name].values) for name in ("mel", "mfcc"))
    first = cross.attentions["mel_to_mfcc"](x, memory, frames["mfcc"].mask)
    memory = cross.norms["waveform"](frames["waveform"].values)
    second = cross.attentions["mel_to_waveform"](x, memory, frames["waveform"].mask)
    torch.testing.assert_close(result["mel"].values, frames["mel"].values + (first + second) / 2)
    assert {name: sorted(others) for name, others in maps.items()} == {
        name: sorted(set(NAMES) - {name}) for name in NAMES
    }
    assert maps["mel"]["waveform"].shape == (2, 2, 5, 6)


def test_frame_weighting_follows_its_formula():
    frames = streams()
    weighting, weights = FrameWeighting(CONFIG, NAMES), {}
    pooled = {name: torch.randn(2, 8) for name in NAMES}
    result = weighting(frames, pooled, weights)
    guide = torch.cat([pooled["mfcc"], pooled["waveform"]], dim=1)
    x = frames["mel"].values[1, :3]  # the second utterance has three frames of mel
    scores = weighting.keys["mel"](x) @ weighting.queries["mel"](guide)[1] / 8**0.5
    shares = scores.exp() / scores.exp().sum()
    torch.testing.assert_close(weights["mel"][1], torch.cat([shares, torch.zeros(2)]))
    torch.testing.assert_close(result["mel"][1], pooled["mel"][1] + weighting.outs["mel"](shares @ x))
