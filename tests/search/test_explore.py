"""What a space holds, against counting it by hand."""

import pytest

from serhpo.search.explore import Size, cost_class, difference, draws, size, weights
from serhpo.search.space import load_space
from tests.search.conftest import make_space

NESTED = {
    "streams": {"subset": ["mfcc", "mel"]},
    "model.fusion": {"choice": ["concatenation", "gated"], "when": {"streams": {"at_least": 2}}},
    "model.width": {"choice": [16, 32]},
    "model.dropout": {"float": [0.0, 0.4]},
    "weighting.name": {"choice": ["fixed", "dwa"]},
    "weighting.lambda": {"float": [0.0, 1.0], "step": 0.25, "when": {"weighting.name": "fixed"}},
    "weighting.temperature": {"float": [1.0, 4.0], "when": {"weighting.name": "dwa"}},
}


def test_combinations_are_counted_under_all_conditions():
    # width 2 × (one stream: 2, both: 1 × fusion 2) × (fixed: λ 5, dwa: 1)
    assert size(make_space(NESTED)) == Size(2 * 4 * 6, continuous=(1, 2), parameters=(5, 6))


def test_counting_agrees_with_drawing_every_configuration():
    discrete = {name: parameter for name, parameter in NESTED.items() if name != "model.dropout"}
    discrete["weighting.temperature"] = {"int": [1, 4], "step": 3, "when": {"weighting.name": "dwa"}}
    space = make_space(discrete)
    found = {tuple(sorted(draw.items())) for draw in draws(space, 2000, seed=1)}
    assert len(found) == size(space).combinations


@pytest.mark.parametrize("name", ["smoke", "quick", "paper", "full", "full-ssl"])
def test_draws_are_valid_repeatable_and_within_the_count(name):
    space = load_space(name)
    drawn, again, others = (list(draws(space, 20, seed)) for seed in (3, 3, 4))
    assert drawn == again != others
    least, most = size(space).parameters
    for draw in drawn:
        space.trial_config(draw)
        assert least <= len(draw) <= most


def test_a_space_with_holes_is_drawn_from_around_them(uneven):
    space = make_space(uneven, checked=False)
    assert all((draw["model.width"], draw["model.heads"]) != (24, 16) for draw in draws(space, 30, seed=0))


def test_the_weights_of_a_model_are_those_of_the_model():
    space = make_space({"model.width": {"choice": [16, 32]}})
    small, large = (weights(space, {"model.width": width}) for width in (16, 32))
    assert 0 < small < large
    assert weights(space, {"model.width": 16}, classes=5) > small


@pytest.mark.parametrize(
    ("count", "name"),
    [(0, "light"), (99_999, "light"), (100_000, "medium"), (999_999, "medium"), (1_000_000, "heavy")],
)
def test_cost_classes_begin_where_they_say(count, name):
    assert cost_class(count) == name


def test_differences_go_both_ways():
    old, new = {"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 4, "d": 5}
    assert difference(old, new) == {"b": (2, 4), "c": (3, None), "d": (None, 5)}
    assert difference(old, old) == {}
