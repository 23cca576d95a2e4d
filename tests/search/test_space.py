import json
from pathlib import Path

import optuna
import pytest

from serhpo.config import read_yaml
from serhpo.errors import ConfigError, SpaceError, UsageError
from serhpo.features import LogMel, Mfcc
from serhpo.search.space import (
    Space,
    find_space,
    known_spaces,
    load_space,
    load_space_data,
    parse_settings,
    space_folders,
)
from serhpo.training.config import TrialConfig
from serhpo.weighting import DynamicWeightAverage, FixedWeighting

FILES = sorted((Path(__file__).parents[2] / "search_spaces").glob("*.yaml"), key=lambda path: path.stem)

TEXT = """
description: For tests
parameters:
  streams: {subset: [mfcc, mel, waveform], min: 1, max: 2}
  model.width: {choice: [16, 32]}
  model.dropout: {float: [0, 0.4]}
  model.co_attention: {choice: [none, cross], when: {streams: {at_least: 2}}}
  weighting.name: {choice: [fixed, dwa]}
  weighting.lambda: {float: [0.1, 0.9], when: {weighting.name: fixed}}
  optimiser.lr: {float: [1e-5, 1e-2], log: true}
defaults:
  weighting: {name: fixed, lambda: 0.3}
  optimiser: {weight_decay: 1e-3}
search: {trials: 7, epochs: 9, seed: 3}
protocol: {name: leave_one_session_out}
"""


@pytest.fixture
def space(tmp_path) -> Space:
    (tmp_path / "mine.yaml").write_text(TEXT)
    return load_space(str(tmp_path / "mine.yaml"))


def samples(space: Space, count: int, seed: int = 0) -> list[dict]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return [space.suggest(study.ask()) for _ in range(count)]


# --- Named spaces ---------------------------------------------------------------------------------------


def test_the_spaces_that_come_with_serhpo_are_known_by_name():
    assert {"smoke", "full"} <= set(known_spaces()) == {path.stem for path in FILES}
    assert all(folder.is_dir() for folder in space_folders())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_whatever_a_space_draws_is_a_configuration(path):
    space = load_space(path.stem)
    assert space == load_space(str(path))
    assert space.description
    for assignment in samples(space, 200):
        config = space.trial_config(assignment)
        assert TrialConfig.model_validate_json(config.model_dump_json()) == config
        assert TrialConfig.model_validate(json.loads(json.dumps(config.model_dump(mode="json")))) == config
        assert config.epochs == space.search.epochs
        assert config.batch_size >= 16
        assert ("weighting.lambda" in assignment) == (config.weighting.name == "fixed")
        assert {config.features[stream] for stream in config.streams} <= set(space.extractors())
        for name, value in assignment.items():  # nothing drawn is lost on the way
            found = config
            for part in name.replace("lambda", "lambda_").split("."):
                found = getattr(found, part)
            assert set(value.split("+")) == set(found) if name == "streams" else found == value


def test_the_space_with_pretrained_streams_is_the_full_one_and_theirs():
    full, more = load_space("full"), load_space("full-ssl")
    assert more.streams() == (*full.streams(), "wav2vec2", "hubert")
    added = {f"model.encoders.{s}.{p}" for s in ("wav2vec2", "hubert") for p in ("kind", "depth")}
    left_out = {"augmentation.speed"}
    assert set(more.parameters) ^ set(full.parameters) == added | left_out
    same = set(full.parameters) - {"streams"} - left_out
    assert all(more.parameters[name] == full.parameters[name] for name in same)
    sections = ("defaults", "search", "protocol")
    assert [getattr(more, name) for name in sections] == [getattr(full, name) for name in sections]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_space_survives_its_study_folder(path):
    space = load_space(path.stem)
    data = space.model_dump(mode="json", by_alias=True, exclude_unset=True)
    again = load_space_data(json.loads(json.dumps(data)), "space.yaml")
    assert again == space
    assert again.digest == space.digest
    assert samples(again, 5) == samples(space, 5)


@pytest.mark.parametrize("name", ["nonsense", "Smoke", "", "smoke.yml", "../smoke", "missing/file.yaml"])
def test_a_space_that_does_not_exist_lists_those_that_do(name):
    with pytest.raises(UsageError) as caught:
        find_space(name)
    assert "full" in str(caught.value)
    assert "smoke" in str(caught.value)


def test_the_nearest_name_is_offered():
    with pytest.raises(UsageError) as caught:
        load_space("smok")
    assert caught.value.hint == "Did you mean `smoke`?"


def test_a_broken_file_is_named_with_its_line(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("parameters:\n  a: [1\n")
    with pytest.raises(ConfigError) as caught:
        load_space(str(path))
    assert str(path) in caught.value.where


# --- From a file to configurations ----------------------------------------------------------------------


def test_a_file_means_what_it_says(space):
    assert space.parameters["optimiser.lr"].float_ == (1e-5, 1e-2)
    assert (space.search.trials, space.search.epochs, space.search.seed) == (7, 9, 3)
    assert space.protocol.name == "leave_one_session_out"
    config = space.trial_config({"streams": "mel+waveform", "model.width": 32})
    assert config.streams == ("mel", "waveform")
    assert config.model.width == 32
    assert config.optimiser.weight_decay == 1e-3
    assert config.weighting == FixedWeighting(**{"lambda": 0.3})
    assert space.defaults == {
        "weighting": {"name": "fixed", "lambda": 0.3},
        "optimiser": {"weight_decay": 1e-3},
    }


def test_parameters_exist_only_under_their_conditions(space):
    drawn = samples(space, 80)
    assert all(("weighting.lambda" in a) == (a["weighting.name"] == "fixed") for a in drawn)
    assert all(("model.co_attention" in a) == ("+" in a["streams"]) for a in drawn)
    assert {a["weighting.name"] for a in drawn} == {"fixed", "dwa"}


def test_a_changed_name_brings_its_own_defaults(space):
    assert space.trial_config({"weighting.name": "dwa"}).weighting == DynamicWeightAverage()
    assert space.trial_config({"weighting.name": "fixed"}).weighting.lambda_ == 0.3
    reversed_order = {"weighting.lambda": 0.7, "weighting.name": "fixed"}
    assert space.trial_config(reversed_order).weighting.lambda_ == 0.7


def test_conditions_may_stand_before_their_subject():
    names = [f"model.encoders.{s}.{p}" for s in ("mfcc", "mel", "waveform") for p in ("depth", "dropout")]
    subjects = ["streams", "batch_size", "model.fusion", "model.pooling", *names[1:]]
    choices = {
        "streams": ["mel"],
        "batch_size": [16, 32],
        "model.fusion": ["gated"],
        "model.pooling": ["mean"],
        **{name: [1] if name.endswith("depth") else [0.1] for name in names},
    }
    first = {"choice": [1], "when": {subject: choices[subject][0] for subject in subjects}}
    data = {name: {"choice": choices[name]} for name in subjects if name != "streams"}
    data["streams"] = {"subset": ["mel"]}
    space = load_space_data({"parameters": {names[0]: first, **data}}, "x")
    # Always this order: one that followed the hashes of names would draw other values in each process.
    assert space.order == (*subjects, names[0])
    assert names[0] in space.suggest(optuna.trial.FixedTrial({n: c[0] for n, c in choices.items()}))


def test_an_assignment_that_means_nothing_is_a_config_error(space):
    with pytest.raises(ConfigError, match="this trial's configuration"):
        space.trial_config({"model.width": 3})


def test_the_digest_is_of_the_meaning():
    one = {
        "parameters": {
            "model.width": {"choice": [16, 32]},
            "optimiser.lr": {"float": [1e-5, 1], "log": True},
        },
        "defaults": {"batch_size": 32, "max_seconds": 4.0},
    }
    same = {
        "description": "other words",
        "defaults": {"max_seconds": 4.0, "batch_size": 32},
        "search": {"trials": 5},
        "parameters": {
            "optimiser.lr": {"log": True, "float": [0.00001, 1.0]},
            "model.width": {"choice": [16, 32], "log": False},
        },
    }
    digest = load_space_data(one, "x").digest
    assert load_space_data(same, "x").digest == digest
    for changed in (
        {"parameters": {**one["parameters"], "model.width": {"choice": [16, 48]}}},
        {"parameters": {**one["parameters"], "optimiser.lr": {"float": [1e-5, 1]}}},
        {"defaults": {**one["defaults"], "batch_size": 16}},
    ):
        assert load_space_data({**one, **changed}, "x").digest != digest


# --- Features -------------------------------------------------------------------------------------------


def test_extractors_are_those_of_the_streams_in_use(space):
    assert {extractor.name for extractor in space.extractors()} == {"mfcc", "mel", "waveform"}
    fixed = load_space_data(
        {"parameters": {"model.width": {"choice": [16]}}, "defaults": {"streams": ["mel"]}}, "x"
    )
    assert fixed.streams() == ("mel",)
    assert fixed.extractors() == (LogMel(),)
    default = load_space_data({"parameters": {"model.width": {"choice": [16]}}}, "x")
    assert default.streams() == TrialConfig().streams


def test_every_searched_feature_setting_is_an_extractor():
    data = {
        "parameters": {
            "streams": {"subset": ["mfcc"]},
            "features.mfcc.n_mels": {"choice": [64, 40]},
            "features.mfcc.n_mfcc": {"choice": [13, 20]},
            "features.mel.n_mels": {"choice": [40, 80]},
        }
    }
    found = load_space_data(data, "x").extractors()
    expected = {Mfcc(n_mels=m, n_mfcc=c) for m in (64, 40) for c in (13, 20)}
    assert len(found) == 4
    assert set(found) == expected


def test_features_do_not_depend_on_the_rest_being_complete():
    # Heads of 3 fit every width of this space, though not the width a configuration has by default.
    data = {"parameters": {"model.width": {"choice": [24, 48]}}, "defaults": {"model": {"heads": 3}}}
    assert {e.name for e in load_space_data(data, "x").extractors()} == set(TrialConfig().streams)


# --- Pins -----------------------------------------------------------------------------------------------


def test_a_pinned_parameter_is_searched_no_more(space):
    pinned = space.pinned({"model.width": 64, "optimiser.lr": 1e-3})
    assert not {"model.width", "optimiser.lr"} & set(pinned.parameters)
    for assignment in samples(pinned, 10):
        config = pinned.trial_config(assignment)
        assert (config.model.width, config.optimiser.lr, config.optimiser.weight_decay) == (64, 1e-3, 1e-3)
    assert "model.width" in space.parameters  # the old space is as it was
    assert pinned.digest != space.digest


def test_a_pin_resolves_the_conditions_on_it(space):
    fixed = space.pinned({"weighting.name": "fixed"})
    assert all("weighting.lambda" in assignment for assignment in samples(fixed, 10))
    moving = space.pinned({"weighting.name": "dwa"})
    assert "weighting.lambda" not in moving.parameters
    assert all(moving.trial_config(a).weighting == DynamicWeightAverage() for a in samples(moving, 10))


def test_a_list_leaves_conditions_with_the_values_it_leaves():
    layers = {"choice": [0, 1, 2]}
    heads = {"choice": [2, 4], "when": {"model.self_attention": [1, 2]}}
    data = {"parameters": {"model.self_attention": layers, "model.heads": heads}}
    space = load_space_data(data, "x").pinned({"model.self_attention": [0, 1]})
    assert space.parameters["model.heads"].when == {"model.self_attention": [1]}
    assert all(("model.heads" in a) == (a["model.self_attention"] == 1) for a in samples(space, 20))
    only = load_space_data(data, "x").pinned({"model.self_attention": [0]})
    assert "model.heads" not in only.parameters


def test_a_pin_reaches_those_that_depend_on_it_through_others():
    data = {
        "parameters": {
            "model.self_attention": {"choice": [True, False]},
            "model.heads": {"choice": [2, 4], "when": {"model.self_attention": True}},
            "model.width": {"choice": [16, 32], "when": {"model.heads": 4}},
        }
    }
    space = load_space_data(data, "x")
    assert set(space.pinned({"model.self_attention": False}).parameters) == set()
    assert set(space.pinned({"model.heads": 2}).parameters) == {"model.self_attention", "model.heads"}
    pinned = space.pinned({"model.heads": 4})
    assert set(pinned.parameters) == set(data["parameters"])
    drawn = samples(pinned, 20)
    assert all(("model.width" in a) == a["model.self_attention"] for a in drawn)
    assert {a.get("model.heads") for a in drawn} == {4, None}


def test_a_pinned_parameter_keeps_its_conditions(space):
    pinned = space.pinned({"weighting.lambda": 0.9})
    weightings = [pinned.trial_config(assignment).weighting for assignment in samples(pinned, 20)]
    assert {w.lambda_ for w in weightings if isinstance(w, FixedWeighting)} == {0.9}
    assert any(isinstance(w, DynamicWeightAverage) for w in weightings)


@pytest.mark.parametrize(
    "keys", [("weighting.name", "weighting.lambda"), ("weighting.lambda", "weighting.name")]
)
def test_pins_mean_the_same_in_any_order(space, keys):
    values = {"weighting.name": "fixed", "weighting.lambda": 0.9}
    pinned = space.pinned({key: values[key] for key in keys})
    assert not {"weighting.name", "weighting.lambda"} & set(pinned.parameters)
    assert pinned.trial_config({"streams": "mel"}).weighting.lambda_ == 0.9
    clash = {"weighting.name": "dwa", "weighting.lambda": 0.9}
    with pytest.raises(SpaceError, match="lambda"):
        space.pinned({key: clash[key] for key in keys})


@pytest.mark.parametrize("value", ["mfcc+mel", ["mfcc", "mel"]])
def test_a_subset_is_pinned_by_its_members(space, value):
    pinned = space.pinned({"streams": value})
    assert pinned.trial_config({}).streams == ("mfcc", "mel")
    assert pinned.streams() == ("mfcc", "mel")
    assert "model.co_attention" in samples(pinned, 1)[0]
    alone = space.pinned({"streams": "mel"})
    assert alone.extractors() == (LogMel(),)
    assert "model.co_attention" not in alone.parameters


def test_search_and_protocol_are_pinned_too(space):
    pinned = space.pinned(
        {"search.trials": 3, "protocol.name": "holdout", "protocol.folds": 3, "search.concurrent": None}
    )
    assert (pinned.search.trials, pinned.search.epochs, pinned.search.concurrent) == (3, 9, None)
    assert (pinned.protocol.name, pinned.protocol.folds) == ("holdout", 3)
    assert pinned.digest == space.digest  # the budget is not what is searched


@pytest.mark.parametrize(
    ("pins", "message"),
    [
        ({"model.widht": 3}, "Did you mean `width`"),
        ({"search.trails": 3}, "Did you mean `trials`"),
        ({"protocol.fold": 3}, "Did you mean `folds`"),
        ({"search.trials": 0}, "greater than or equal to 1"),
        ({"model.width": 3}, "greater than or equal to 8"),
        ({"weighting.lambda": 3}, "less than or equal to 1"),
        ({"streams": "mell"}, "Did you mean `mel`"),
        ({"nonsense": 1}, "unknown key"),
        ({"": 1}, "unknown key"),
        ({"search": 1}, "unknown key"),
        ({"epochs": 3}, "search.epochs"),
        ({"weighting": {"name": "dwa"}}, "weighting.name, weighting.lambda"),
        ({"weighting.temperature": 3.0, "weighting.name": "fixed"}, "temperature"),
    ],
)
def test_a_pin_that_cannot_be_is_an_error(space, pins, message):
    with pytest.raises(SpaceError, match=message) as caught:
        space.pinned(pins, "--set")
    assert "--set" in str(caught.value)


def test_settings_of_the_command_line():
    assert parse_settings(
        ["model.width=32", " optimiser.lr = 1e-5", "streams=[mel, mfcc]", "a=", "b=x=y"]
    ) == {
        "model.width": 32,
        "optimiser.lr": 1e-5,
        "streams": ["mel", "mfcc"],
        "a": None,
        "b": "x=y",
    }
    with pytest.raises(UsageError) as caught:
        parse_settings(["model.width"])
    assert caught.value.got == "model.width"
    with pytest.raises(ConfigError):
        parse_settings(["a=[1"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_files_of_spaces_are_data(path):
    assert set(read_yaml(path)) <= {
        "description",
        "parameters",
        "defaults",
        "search",
        "protocol",
        "known_good",
    }
