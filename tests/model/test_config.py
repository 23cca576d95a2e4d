import pytest

from serhpo.config import parse
from serhpo.errors import ConfigError
from serhpo.model.config import ModelConfig


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
