import pytest

from serhpo.config import parse
from serhpo.errors import ConfigError
from serhpo.training.config import TrialConfig
from serhpo.weighting import DynamicWeightAverage


def test_configurations_round_trip_through_json():
    for data in ({}, {"streams": ["waveform"], "weighting": {"name": "dwa"}, "max_seconds": None}):
        config = parse(TrialConfig, data)
        assert TrialConfig.model_validate_json(config.model_dump_json()) == config


def test_the_weighting_is_chosen_by_name():
    config = parse(TrialConfig, {"weighting": {"name": "dwa", "temperature": 3}})
    assert config.weighting == DynamicWeightAverage(temperature=3)


def test_equal_sets_of_streams_are_equal_configurations():
    assert parse(TrialConfig, {"streams": ["mel", "mfcc"]}) == parse(
        TrialConfig, {"streams": ["mfcc", "mel"]}
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"streams": []}, "at least 1 item"),
        ({"streams": ["mell"]}, "Did you mean `mel`"),
        ({"streams": ["mel", "mel"]}, "stands twice"),
        ({"batch_size": 8}, "greater than or equal to 16"),
        ({"optimiser": {"lr": 0}}, "greater than 0"),
        ({"weighting": {"name": "fixed", "lambda": 2}}, "less than or equal to 1"),
        ({"epoch": 3}, "Did you mean `epochs`"),
    ],
)
def test_wrong_values_are_named(data, message):
    with pytest.raises(ConfigError, match=message):
        parse(TrialConfig, data)
