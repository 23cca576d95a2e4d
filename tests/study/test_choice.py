import math

import numpy as np
import pytest

from serhpo.errors import UsageError
from serhpo.pareto import Objective, standard_objectives
from serhpo.study.choice import choose, selection_bias, ties

BOTH = standard_objectives(4)
FRONT = {
    4: {"ua": 0.40, "ccc": 0.50},
    7: {"ua": 0.58, "ccc": 0.45},
    9: {"ua": 0.60, "ccc": 0.10},
}


@pytest.mark.parametrize(
    ("wish", "number", "why"),
    [
        ("knee", 7, "knee"),
        ("best-ua", 9, "best UA"),
        ("best-ccc", 4, "best CCC"),
        ("ua>=0.55", 7, "2 of the front's 3 trials keep ua>=0.55; of these the best CCC"),
        (" CCC >= 4e-1 ", 7, "of these the best UA"),
    ],
)
def test_a_wish_names_one_trial_and_says_why(wish, number, why):
    choice = choose(wish, FRONT, BOTH)

    assert choice.number == number
    assert why in choice.why


def test_a_front_of_two_has_no_knee_and_says_so():
    choice = choose("knee", {n: FRONT[n] for n in (4, 9)}, BOTH)

    assert choice.number == 4
    assert "no knee" in choice.why


def test_where_there_is_no_knee_size_says_nothing():
    objectives = standard_objectives(4, ("ua", "ccc", "parameters"))
    front = {
        1: {"ua": 0.8, "ccc": 0.7, "parameters": 1_000_000},
        2: {"ua": 0.3, "ccc": 0.1, "parameters": 10_000},
    }
    choice = choose("knee", front, objectives)
    assert choice.number == 1
    assert choice.why.endswith("the best mean of UA and CCC")


def test_a_bound_nobody_keeps_tells_what_is_reached():
    with pytest.raises(UsageError, match=r"UA ≥ 0\.7") as caught:
        choose("ua>=0.7", FRONT, BOTH)
    assert "0.600" in str(caught.value)


@pytest.mark.parametrize("wish", ["", "best", "best-wa", "ua<=0.5", "ua>0.5", "ua>=.", "ua>=0.5.1", "<b>"])
def test_an_unknown_wish_lists_the_known_ones(wish):
    with pytest.raises(UsageError) as caught:
        choose(wish, FRONT, BOTH)
    assert "ua>=0." in str(caught.value)


def test_a_bound_on_what_is_minimised_turns_round():
    objectives = (Objective(metric="loss", direction="minimise"), BOTH[1])
    front = {1: {"loss": 0.5, "ccc": 0.3}, 2: {"loss": 0.2, "ccc": 0.1}}

    assert choose("loss<=0.3", front, objectives).number == 2
    assert choose("best-loss", front, objectives).number == 2


def test_a_count_bounds_a_choice_and_never_errs():
    objectives = standard_objectives(4, ("ua", "ccc", "parameters"))
    front = {
        1: {"ua": 0.60, "ccc": 0.40, "parameters": 1_200_000},
        2: {"ua": 0.50, "ccc": 0.30, "parameters": 40_000},
        3: {"ua": 0.55, "ccc": 0.20, "parameters": 90_000},
    }
    assert choose("parameters<=100000", front, objectives).number == 3  # the best UA of the two
    assert choose("best-parameters", front, objectives).number == 2
    with pytest.raises(UsageError, match="down to 40,000"):
        choose("parameters<=1000", front, objectives)
    with pytest.raises(UsageError, match="parameters<=100000"):
        choose("small", front, objectives)
    errors = {number: {"ua": 0.03, "ccc": 0.03} for number in range(1, 6)}
    tied = {4: {"ua": 0.58, "ccc": 0.38, "parameters": 1_300_000}}
    beaten = {5: {"ua": 0.48, "ccc": 0.16, "parameters": 100_000}}  # 3 is ahead even of 0.51 and 0.19
    assert ties({**front, **tied, **beaten}, errors, objectives) == {4}


def test_a_trial_within_its_error_of_the_front_is_a_tie():
    values = {1: {"ua": 0.60, "ccc": 0.40}, 2: {"ua": 0.58, "ccc": 0.39}, 3: {"ua": 0.50, "ccc": 0.30}}
    errors = {number: {"ua": 0.03, "ccc": 0.02} for number in values}

    assert ties(values, errors, BOTH) == {2}
    assert ties(values, {}, BOTH) == frozenset()  # nothing known, nothing claimed
    assert ties(values, {**errors, 2: {"ua": 0.019, "ccc": 0.009}}, BOTH) == frozenset()


def test_an_error_in_one_objective_alone_can_make_a_tie():
    values = {1: {"ua": 0.60, "ccc": 0.40}, 2: {"ua": 0.59, "ccc": 0.10}}

    assert ties(values, {2: {"ua": 0.02, "ccc": 0.0}}, BOTH) == {2}


@pytest.mark.parametrize(("count", "expected"), [(2, 1 / math.sqrt(math.pi)), (3, 1.5 / math.sqrt(math.pi))])
def test_among_equal_trials_the_bias_is_the_expected_maximum_of_the_noise(count, expected):
    # Order statistics of the standard normal: E max of 2 is 1/√π, of 3 is 3/(2√π).
    assert selection_bias([0.5] * count, [1.0] * count) == pytest.approx(expected, abs=0.04)


def test_no_choice_or_no_noise_has_no_bias():
    assert selection_bias([0.5], [0.1]) == 0
    assert selection_bias([0.1, 0.5, 0.9], [0.0, 0.0, 0.0]) == 0
    assert selection_bias([0.1, 0.9], [1e-6, 1e-6]) == pytest.approx(0, abs=1e-6)


def test_the_bias_is_the_same_seen_from_below():
    values, errors = np.array([0.3, 0.4, 0.45, 0.5]), np.full(4, 0.1)

    up = selection_bias(values, errors)
    assert selection_bias(-values, errors, maximise=False) == pytest.approx(up, rel=0.1)
    assert 0.05 < up < 0.15


def test_the_bias_foretells_what_the_best_loses_on_new_data():
    rng = np.random.default_rng(5)
    lost, foretold = [], []
    for _ in range(200):
        true = rng.normal(0.5, 0.03, 30)
        seen = true + rng.normal(0, 0.03, 30)
        lost.append(seen.max() - true[seen.argmax()])
        foretold.append(selection_bias(seen, np.full(30, 0.03)))

    assert np.mean(foretold) == pytest.approx(np.mean(lost), rel=0.15)
