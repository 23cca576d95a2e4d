import optuna
import pytest
from pydantic import ValidationError

from serhpo.search.parameter import Members, Parameter, holds


def parameter(**data) -> Parameter:
    return Parameter.model_validate(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "exactly one of float, int, choice, subset; found none"),
        ({"float": [0, 1], "int": [0, 1]}, r"found \['float', 'int'\]"),
        ({"choice": [1], "subset": ["a"]}, r"found \['choice', 'subset'\]"),
        ({"float": [1, 1]}, "low must be below high"),
        ({"int": [3, 1]}, "low must be below high"),
        ({"float": [0, 1], "log": True}, "positive range"),
        ({"int": [-1, 5], "log": True}, "positive range"),
        ({"float": [1, 2], "log": True, "step": 0.1}, "exclude each other"),
        ({"int": [1, 9], "step": 0.5}, "whole"),
        ({"choice": [1, 2], "log": True}, "float and int only"),
        ({"subset": ["a"], "step": 1}, "float and int only"),
        ({"choice": [1], "min": 1}, "subset only"),
        ({"float": [0, 1], "max": 2}, "subset only"),
        ({"choice": []}, "at least one value"),
        ({"choice": ["a", "b", "a"]}, "none twice"),
        ({"subset": []}, "at least one value"),
        ({"subset": ["a", "b"], "min": 3}, "at least one value"),
        ({"subset": ["a", "b"], "min": 2, "max": 1}, "at least one value"),
        ({"float": [0, 1], "step": 0}, "greater than 0"),
        ({"float": [0, float("inf")]}, "finite"),
        ({"int": [0.5, 2]}, "integer"),
        ({"float": [0, 1], "chioce": [1]}, "[Ee]xtra"),
    ],
)
def test_what_cannot_be_meant_is_refused(data, message):
    with pytest.raises(ValidationError, match=message):
        parameter(**data)


def test_a_subset_has_every_combination_in_the_order_declared():
    streams = parameter(subset=["mfcc", "mel", "wave"], min=1, max=2)
    assert streams.values() == ("mfcc", "mel", "wave", "mfcc+mel", "mfcc+wave", "mel+wave")
    assert parameter(subset=["b", "a"]).values() == ("b", "a", "b+a")
    assert parameter(subset=["a", "b", "c"], min=3).values() == ("a+b+c",)
    assert parameter(subset=["a", "b"], max=9).values() == ("a", "b", "a+b")


def test_choices_keep_their_types():
    values = parameter(choice=[True, 3, 2.5, "x", "1e-5"]).values()
    assert [type(value) for value in values] == [bool, int, float, str, str]


class Recorder:
    """Takes down how it is asked."""

    def suggest_float(self, name, low, high, *, step=None, log=False):
        return "float", name, low, high, step, log

    def suggest_int(self, name, low, high, *, step=1, log=False):
        return "int", name, low, high, step, log

    def suggest_categorical(self, name, choices):
        return "categorical", name, tuple(choices)


@pytest.mark.parametrize(
    ("data", "asked"),
    [
        ({"float": [0, 1]}, ("float", "p", 0.0, 1.0, None, False)),
        ({"float": [0, 1], "step": 0.25}, ("float", "p", 0.0, 1.0, 0.25, False)),
        ({"float": [1e-4, 1], "log": True}, ("float", "p", 1e-4, 1.0, None, True)),
        ({"int": [2, 8]}, ("int", "p", 2, 8, 1, False)),
        ({"int": [2, 8], "step": 2}, ("int", "p", 2, 8, 2, False)),
        ({"int": [1, 64], "log": True}, ("int", "p", 1, 64, 1, True)),
        ({"choice": ["a", 1]}, ("categorical", "p", ("a", 1))),
        ({"subset": ["a", "b"]}, ("categorical", "p", ("a", "b", "a+b"))),
        # 0 is a bound like any other.
        ({"int": [0, 3]}, ("int", "p", 0, 3, 1, False)),
    ],
)
def test_each_kind_asks_optuna_its_own_way(data, asked):
    assert parameter(**data).suggest("p", Recorder()) == asked


def test_optuna_draws_inside_the_range():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    kinds = {
        "a": parameter(float=[-1, 1], step=0.5),
        "b": parameter(int=[1, 9], step=4),
        "c": parameter(float=[1e-4, 1e-2], log=True),
        "d": parameter(subset=["x", "y"]),
    }
    drawn = {name: set() for name in kinds}
    for _ in range(60):
        trial = study.ask()
        for name, kind in kinds.items():
            drawn[name].add(kind.suggest(name, trial))
    assert drawn["a"] == {-1, -0.5, 0, 0.5, 1}
    assert drawn["b"] == {1, 5, 9}
    assert 1e-4 <= min(drawn["c"]) < 1e-3 < max(drawn["c"]) <= 1e-2  # uniform in the logarithm
    assert drawn["d"] == {"x", "y", "x+y"}


@pytest.mark.parametrize(
    ("condition", "value", "met"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("a", None, False),
        (["a", "b"], "b", True),
        ([1, 2], 2.0, True),
        (True, True, True),
        (True, 1, False),
        (1, True, False),
        (0, False, False),
        (Members(has="a"), "a+b", True),
        (Members(has="a"), "ab+b", False),
        (Members(has="a"), None, False),
        (Members(at_least=2), "a+b", True),
        (Members(at_least=2), "a", False),
        (Members(has="a", at_least=2), "b+c", False),
    ],
)
def test_when_a_condition_holds(condition, value, met):
    assert holds(condition, value) is met


def test_a_parameter_exists_where_all_its_conditions_hold():
    one = parameter(choice=[1], when={"x": "a", "y": [1, 2], "z": {"has": "m"}})
    assert one.exists({"x": "a", "y": 2, "z": "k+m"})
    assert not one.exists({"x": "a", "y": 3, "z": "k+m"})
    assert not one.exists({"x": "a", "y": 2})
    assert parameter(choice=[1]).exists({})


@pytest.mark.parametrize(
    ("data", "allowed", "refused"),
    [
        ({"choice": ["a", 2]}, ["a", 2, 2.0], ["b", 3, True]),
        ({"choice": [True]}, [True], [1, False, "True"]),
        ({"subset": ["a", "b"]}, ["a", "a+b"], ["b+a", "c"]),
        ({"int": [2, 6]}, [2, 3, 6], [1, 7, 2.5, True, "3"]),
        ({"int": [2, 6], "step": 2}, [2, 4, 6], [3, 8]),
        ({"float": [0, 1], "step": 0.1}, [0, 0.3, 1, 0.7], [0.35, 1.1, True]),
        ({"float": [0, 1]}, [], [0.5, 2, "x"]),  # one point of a continuous range is never drawn
    ],
)
def test_which_values_a_parameter_can_take(data, allowed, refused):
    assert all(parameter(**data).allows(value) for value in allowed)
    assert not any(parameter(**data).allows(value) for value in refused)


def test_null_is_a_choice_like_any_other_and_meets_no_condition():
    parameter = Parameter.model_validate({"choice": [None, 7.5]})
    assert parameter.values() == (None, 7.5)
    assert parameter.allows(None)
    assert not Parameter.model_validate({"choice": [7.5]}).allows(None)
    assert not holds([7.5], None)
