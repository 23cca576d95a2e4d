import pytest

from serhpo.config import parse
from serhpo.errors import ConfigError
from serhpo.features import EXTRACTORS
from serhpo.model.config import ENCODER_KINDS, EncoderSettings, ModelConfig


def test_heads_must_divide_the_width():
    with pytest.raises(ConfigError, match="heads must divide width, got 3 heads and width 32"):
        parse(ModelConfig, {"width": 32, "heads": 3})


def test_a_misspelt_key_names_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean `pooling`"):
        parse(ModelConfig, {"poolin": "mean"})


def test_encoders_are_found_by_stream_and_round_trip():
    config = parse(ModelConfig, {"encoders": {"mel": {"depth": 3}}})
    assert (config.encoders["mel"].depth, config.encoders["mfcc"].depth) == (3, 2)
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("stream", "kind", "message"),
    [
        ("mel", "bilsmt", "encoders.mel: no encoder `bilsmt` for mel. Did you mean `bilstm`"),
        ("mfcc", "convolution_2d", "Allowed: convolution, bilstm, bigru$"),
        ("wav2vec2", "strided_convolution", "no encoder `strided_convolution` for wav2vec2"),
    ],
)
def test_a_kind_that_a_stream_does_not_have_names_those_it_has(stream, kind, message):
    with pytest.raises(ConfigError, match=message):
        parse(ModelConfig, {"encoders": {stream: {"kind": kind}}})


def test_both_directions_of_a_recurrent_encoder_are_equally_wide():
    with pytest.raises(ConfigError, match="bigru of mfcc has two directions: its width must be even, got 9"):
        parse(ModelConfig, {"encoders": {"mfcc": {"kind": "bigru", "width": 9}}})


def test_rotary_positions_need_an_even_head():
    with pytest.raises(ConfigError, match="width / heads must be even, got 12 / 4"):
        parse(ModelConfig, {"width": 12, "heads": 4, "position": "rotary"})
    parse(ModelConfig, {"width": 12, "heads": 4, "position": "rotary", "self_attention": 0})


def test_configurations_of_the_first_version_load():
    old = {"self_attention": True, "co_attention": "cross", "encoders": {"mel": {"depth": 3, "dropout": 0.2}}}
    config = parse(ModelConfig, old)
    assert (config.self_attention, config.position) == (1, "none")
    assert (config.encoders["mel"].kind, config.encoder_width("mel")) == ("convolution", 32)
    assert parse(ModelConfig, {"self_attention": False}).self_attention == 0


def test_every_stream_has_its_kinds():
    assert set(ENCODER_KINDS) == set(EncoderSettings.model_fields) == set(EXTRACTORS)
