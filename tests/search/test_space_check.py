import pytest

from serhpo.errors import SpaceError
from serhpo.search.space import load_space, load_space_data


def problems(**data) -> dict[str, str]:
    with pytest.raises(SpaceError) as caught:
        load_space_data({"parameters": {}, **data}, "x.yaml")
    assert {problem.file for problem in caught.value.problems} == {"x.yaml"}
    found = [(problem.key, problem.what) for problem in caught.value.problems]
    assert len(dict(found)) == len(found)
    return dict(found)


def test_all_problems_of_a_space_are_told_at_once_each_with_its_key():
    found = problems(
        parameters={
            "model.width": {"choice": [4, 16]},
            "model.dropuot": {"float": [0, 0.5]},
            "modle.heads": {"choice": [2]},
            "weighting.name": {"choice": ["fixed", "dwaa"]},
            "weighting.lambda": {"float": [0.5, 1.5], "when": {"weighting.name": "fixed"}},
            "streams": {"subset": ["mfcc", "mell"]},
            "features.mel.n_mels": {"int": [40, 80]},
        },
        defaults={"loss": {"label_smothing": 0.1}},
    )
    expected = {
        "parameters.model.width": "greater than or equal to 8, got 4",
        "parameters.model.dropuot": "Did you mean `dropout`?",
        "parameters.modle.heads": "Did you mean `model`?",
        "parameters.weighting.name": "'dwaa'",
        "parameters.weighting.lambda": "less than or equal to 1, got 1.5",
        "parameters.streams": "Did you mean `mel`?",
        "parameters.features.mel.n_mels": "`choice`",
        "defaults": "Did you mean `label_smoothing`?",
    }
    assert set(found) == set(expected)
    for key, words in expected.items():
        assert words in found[key]


def test_the_parameter_that_breaks_a_rule_between_fields_is_named():
    found = problems(parameters={"model.width": {"choice": [16]}, "model.heads": {"choice": [2, 3]}})
    assert found == {"parameters.model.heads": "model: heads must divide width, got 3 heads and width 16"}


@pytest.mark.parametrize("parameter", [{"choice": [16, 24]}, {"int": [16, 64]}, {"int": [16, 64], "step": 4}])
def test_values_that_are_refused_only_together_are_told(parameter):
    # Each of them is fine beside the first value of the other.
    found = problems(parameters={"model.width": parameter, "model.heads": {"choice": [2, 16]}})
    assert list(found) == ["parameters.model.width, parameters.model.heads"]
    assert "heads must divide width, got 16 heads" in next(iter(found.values()))


def test_a_name_that_is_no_text_is_told():
    assert list(problems(parameters={1: {"choice": [16]}, "model.width": {"choice": [16]}})) == [
        "parameters.1.[key]"
    ]


def test_a_parameter_without_the_condition_it_needs_is_named():
    found = problems(
        parameters={"weighting.name": {"choice": ["fixed", "dwa"]}, "weighting.lambda": {"float": [0.1, 0.9]}}
    )
    assert list(found) == ["parameters.weighting.lambda"]


@pytest.mark.parametrize(
    ("data", "key", "hint"),
    [
        ({"serach": {}}, "serach", "`search`"),
        ({"search": {"trails": 1}}, "search.trails", "`trials`"),
        ({"protocol": {"fold": 2}}, "protocol.fold", "`folds`"),
        ({"parameters": {"model.width": {"chioce": [8]}}}, "parameters.model.width.chioce", "`choice`"),
        ({"parameters": {"x": {"choice": [1], "wen": {}}}}, "parameters.x.wen", "`when`"),
    ],
)
def test_a_misspelt_key_brings_the_nearest(data, key, hint):
    assert f"Did you mean {hint}" in problems(**data)[key]


A, B = "model.width", "model.heads"


@pytest.mark.parametrize(
    ("subject", "condition"),
    [
        ({"choice": [16, 32]}, 64),
        ({"choice": [16, 32]}, [16, 64]),
        ({"choice": [16, 32]}, []),
        ({"choice": [16, 32]}, "16"),
        ({"int": [8, 64]}, 65),
        ({"int": [8, 64], "step": 8}, 12),
        ({"int": [8, 64]}, 8.5),
        ({"choice": [16, 32]}, {"has": "mel"}),
    ],
)
def test_a_condition_that_never_holds_is_told(subject, condition):
    found = problems(parameters={A: subject, B: {"choice": [2], "when": {A: condition}}})
    assert f"parameters.{B}.when" in found
    assert "never is" in found[f"parameters.{B}.when"]


def test_conditions_on_what_is_no_parameter_and_in_circles():
    found = problems(parameters={A: {"choice": [16]}, B: {"choice": [2], "when": {"model.widht": 16}}})
    assert "`model.widht`, which is not a parameter" in found[f"parameters.{B}.when"]
    assert "Did you mean `model.width`?" in found[f"parameters.{B}.when"]
    circle = {A: {"choice": [16], "when": {B: 2}}, B: {"choice": [2], "when": {A: 16}}}
    assert "circle" in problems(parameters=circle)["parameters"]
    assert A in problems(parameters=circle)["parameters"]
    itself = {A: {"choice": [16], "when": {A: 16}}}
    assert "circle" in problems(parameters=itself)["parameters"]


def test_a_default_that_no_trial_would_have_is_told():
    searched = {"weighting.name": {"choice": ["fixed", "dwa"]}}
    # Without its name the section belongs to neither, and every drawn name would clear it.
    assert (
        "fixed, dwa"
        in problems(parameters=searched, defaults={"weighting": {"lambda": 0.3}})["defaults.weighting"]
    )
    assert "search.epochs" in problems(defaults={"epochs": 3})["defaults.epochs"]
    assert "search.epochs" in problems(parameters={"epochs": {"int": [3, 9]}})["parameters.epochs"]


@pytest.mark.parametrize("value", [3, None, "wide", ["width"]])
def test_a_section_that_is_a_value_is_told(value):
    assert repr(value) in problems(defaults={"model": value})["defaults"]
    found = problems(parameters={A: {"choice": [16]}}, defaults={"model": value})
    assert found[f"parameters.{A}"] == f"{A}: `model` is a section with keys of its own, got {value}"
    with pytest.raises(SpaceError, match="section"):
        load_space_data({"parameters": {}}, "x").pinned({"batch_size": 32, "batch_size.x": 1})


def test_a_space_without_parameters_section_is_refused(tmp_path):
    (tmp_path / "x.yaml").write_text("search: {trials: 3}\n")
    with pytest.raises(SpaceError) as caught:
        load_space(str(tmp_path / "x.yaml"))
    assert [problem.key for problem in caught.value.problems] == ["parameters"]


def test_mistakes_of_every_kind_are_told_at_once():
    found = problems(
        parameters={
            "model.width": {"choice": [16, 32], "stp": 1},  # no such key
            "model.heads": {"int": [9, 2]},  # no such range
            "model.dropout": {"float": [0.1, 2.0]},  # not allowed
            "model.pooling": {"choice": ["mean", "medium"]},  # no such value
            "model.fusion": {"choice": ["gated"], "when": {"streems": "mel"}},  # no such parameter
            "model.co_attention": {"choice": ["cross"], "when": {"model.width": 16}},  # hangs on a wrong one
        },
        defaults={"batch_size": 3},
        search={"trials": 0},
        protocl={},
    )
    assert set(found) == {
        "parameters.model.width.stp",
        "parameters.model.heads",
        "parameters.model.dropout",
        "parameters.model.pooling",
        "parameters.model.fusion.when",
        "defaults",
        "search.trials",
        "protocl",
    }


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ({"model.width": 16}, "lacks model.dropout"),
        ({"model.width": 16, "model.dropout": 7}, "got 7"),
        ({"model.width": 16, "model.dropout": 0.1, "model.depth": 1}, "no parameter"),
    ],
)
def test_known_good_configurations_must_be_of_the_space(entry, what):
    parameters = {"model.width": {"choice": [16, 32]}, "model.dropout": {"float": [0.0, 0.5]}}
    (told,) = problems(parameters=parameters, known_good=[entry]).values()
    assert what in told
