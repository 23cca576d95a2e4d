import pytest
import torch

from serhpo.config import parse
from serhpo.errors import ConfigError
from serhpo.features import FeatureSettings, key
from serhpo.losses import ccc_loss
from serhpo.model.config import ModelConfig
from serhpo.model.fine_tuning import FineTunedEncoder
from serhpo.model.frames import Frames
from serhpo.model.joint import JointModel, StreamInput
from tests.checkpoints import save_checkpoint


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(params=["Wav2Vec2", "wav2vec2-large", "WavLM"])
def folder(request, tmp_path):
    return save_checkpoint(request.param, tmp_path)


def extractor(folder, **settings):
    return parse(FeatureSettings, {"wav2vec2": {"model": str(folder), **settings}})["wav2vec2"]


def build(folder, **settings):
    tuned = extractor(folder, fine_tune=1, **settings)
    return JointModel(ModelConfig(width=8), {"wav2vec2": StreamInput.of(tuned, tuned.channels)}, classes=4)


def batch(*lengths):
    audio = torch.randn(len(lengths), max(lengths), 1) * 0.1
    return {"wav2vec2": audio}, {"wav2vec2": torch.tensor(lengths)}


@pytest.mark.parametrize("layer", [2, -1, "all"])
def test_before_training_its_states_are_those_of_the_cache(folder, layer):
    audio = torch.randn(1, 4000, 1) * 0.1
    frozen = extractor(folder, layer=layer)
    expected = frozen.extract(audio[0, :, 0].numpy())
    encoder = FineTunedEncoder(extractor(folder, layer=layer, fine_tune=1)).eval()
    result = encoder(Frames(audio, torch.tensor([4000])))
    assert encoder.channels == frozen.channels
    torch.testing.assert_close(result.values[0].detach(), torch.from_numpy(expected), atol=1e-5, rtol=0)


def test_padding_never_changes_an_output(folder):
    model = build(folder, layer="all").eval()
    features, lengths = batch(3000, 5000, 100, 3000)
    with torch.no_grad():
        together = model(features, lengths)
        for row, length in enumerate(lengths["wav2vec2"].tolist()):
            audio = features["wav2vec2"][row : row + 1, :length]
            alone = model({"wav2vec2": audio}, {"wav2vec2": torch.tensor([length])})
            torch.testing.assert_close(alone.logits[0], together.logits[row], atol=1e-5, rtol=0)


def test_only_the_last_blocks_below_the_layer_are_trained(folder):
    model = build(folder, layer=2).train()
    output = model(*batch(3000, 5000, 4000, 3000))
    loss = output.logits.logsumexp(dim=1).sum() + ccc_loss(output.dimensions, torch.rand(4, 3))
    loss.backward()
    tuned = {n for n, p in model.named_parameters() if p.requires_grad and ".tuned." in n}
    assert tuned
    assert all(".layers.1." in name for name in tuned)
    assert len(model.pretrained_parameters()) == len(tuned)
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name


def test_trained_blocks_are_computed_again_on_the_way_back(folder):
    model, calls = build(folder, layer=3).train(), []
    for index, block in enumerate(model.encoders["wav2vec2"].tuned.encoder.encoder.layers):
        block.attention.register_forward_hook(lambda *_, index=index: calls.append(index))
    model(*batch(3000, 3000)).logits.sum().backward()
    assert sorted(calls) == [0, 1, 2, 2]


def test_the_state_holds_the_trained_blocks_and_no_others(folder):
    first, second = build(folder, layer=2), build(folder, layer=2)
    with torch.no_grad():
        for parameter in first.parameters():
            if parameter.requires_grad:
                parameter.add_(0.01)
    state = first.state_dict()
    inside = [name for name in state if ".tuned." in name]
    assert inside
    assert all(".layers." in name for name in inside)
    second.load_state_dict(state)
    features, lengths = batch(3000, 4000)
    assert torch.equal(first.eval()(features, lengths).logits, second.eval()(features, lengths).logits)


def test_its_stream_is_the_waveform(tmp_path):
    folder = save_checkpoint("Wav2Vec2", tmp_path)
    tuned, more = extractor(folder, fine_tune=1, layer=3), extractor(folder, fine_tune=2, layer=3)
    assert (tuned.channels, tuned.layers, tuned.frames_per_second, tuned.storage) == (1, 1, 16_000, "int16")
    assert key(tuned) == key(more) != key(extractor(folder, layer=3))


@pytest.mark.parametrize(("kind", "layer", "allowed"), [("Wav2Vec2", 1, "0 to 1"), ("whisper", -1, "0")])
def test_more_blocks_than_there_are_is_an_error(tmp_path, kind, layer, allowed):
    folder = save_checkpoint(kind, tmp_path)
    with pytest.raises(ConfigError, match="Cannot fine-tune 2 blocks") as caught:
        extractor(folder, fine_tune=2, layer=layer).ensure_available()
    assert caught.value.allowed == allowed
