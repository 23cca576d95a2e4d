import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serhpo.pareto import Objective, figure, front, hypervolume, knee, losses, ranks, standard_objectives

BOTH = standard_objectives(4)
MIXED = (
    Objective(metric="ua", reference=0.25),
    Objective(metric="loss", direction="minimise", reference=3.0),
    Objective(metric="ccc", reference=-0.5),
)


def dominates(one, other, objectives) -> bool:
    """Plainly: finite, nowhere worse, somewhere better."""
    if not all(map(math.isfinite, one)):
        return False
    if not all(map(math.isfinite, other)):
        return True
    gains = [
        (a - b) if objective.direction == "maximise" else (b - a)
        for a, b, objective in zip(one, other, objectives, strict=True)
    ]
    return min(gains) >= 0 and max(gains) > 0


def peeled_ranks(values, objectives) -> list[int]:
    """Take away front after front, comparing all with all."""
    rank, level, left = [0] * len(values), 0, set(range(len(values)))
    while left:
        best = {i for i in left if not any(dominates(values[j], values[i], objectives) for j in left)}
        for i in best:
            rank[i] = level
        left, level = left - best, level + 1
    return rank


def counted_volume(values, objectives) -> float:
    """Sum of the cells between all coordinates whose best corner some candidate reaches."""
    turned = [
        [-v if o.direction == "maximise" else v for v, o in zip(row, objectives, strict=True)]
        for row in values
        if all(map(math.isfinite, row))
    ]
    reference = [-o.reference if o.direction == "maximise" else o.reference for o in objectives]
    axes = [
        sorted({row[k] for row in turned if row[k] < reference[k]} | {reference[k]})
        for k in range(len(objectives))
    ]
    total = 0.0
    for cell in itertools.product(*[range(len(axis) - 1) for axis in axes]):
        low = [axes[k][i] for k, i in enumerate(cell)]
        if any(all(a <= b for a, b in zip(row, low, strict=True)) for row in turned):
            total += math.prod(axes[k][i + 1] - axes[k][i] for k, i in enumerate(cell))
    return total


coordinates = st.integers(-4, 12).map(lambda n: n / 8) | st.sampled_from([math.nan, math.inf, -math.inf])


def tables(width):
    return st.lists(st.tuples(*[coordinates] * width), max_size=14)


@given(tables(2))
@settings(max_examples=200, deadline=None)
def test_ranks_and_front_of_two_objectives_against_all_pairs(values):
    expected = peeled_ranks(values, BOTH)
    assert ranks(values, BOTH).tolist() == expected
    finite = [all(map(math.isfinite, row)) for row in values]
    assert front(values, BOTH).tolist() == [r == 0 and f for r, f in zip(expected, finite, strict=True)]


@given(tables(3))
@settings(max_examples=100, deadline=None)
def test_ranks_and_front_of_three_objectives_against_all_pairs(values):
    expected = peeled_ranks(values, MIXED)
    assert ranks(values, MIXED).tolist() == expected
    finite = [all(map(math.isfinite, row)) for row in values]
    assert front(values, MIXED).tolist() == [r == 0 and f for r, f in zip(expected, finite, strict=True)]


@given(tables(2))
@settings(max_examples=200, deadline=None)
def test_hypervolume_of_two_objectives_against_counted_cells(values):
    assert hypervolume(values, BOTH) == pytest.approx(counted_volume(values, BOTH))


@given(tables(3))
@settings(max_examples=100, deadline=None)
def test_hypervolume_of_three_objectives_against_counted_cells(values):
    assert hypervolume(values, MIXED) == pytest.approx(counted_volume(values, MIXED))


def test_hypervolume_worked_by_hand():
    assert hypervolume([(0.75, 0.5)], BOTH) == pytest.approx(0.5 * 0.5)
    # Two steps: (0.75 - 0.25) * 0.2 and, above it, (0.5 - 0.25) * (0.6 - 0.2).
    assert hypervolume([(0.75, 0.2), (0.5, 0.6), (0.4, 0.1)], BOTH) == pytest.approx(0.1 + 0.1)
    for outside in ([], [(0.25, 0.9)], [(0.9, 0.0)], [(0.9, -0.1)], [(math.nan, 0.9)]):
        assert hypervolume(outside, BOTH) == 0.0


def test_ranks_worked_by_hand():
    values = [(0.5, 0.5), (0.4, 0.6), (0.4, 0.5), (0.5, 0.5), (0.3, 0.3), (math.nan, 0.9), (0.9, math.inf)]
    assert ranks(values, BOTH).tolist() == [0, 0, 1, 0, 2, 3, 3]
    assert front(values, BOTH).tolist() == [True, True, False, True, False, False, False]


def test_nothing_has_no_front_and_no_knee():
    assert front([], BOTH).tolist() == []
    assert ranks([], BOTH).tolist() == []
    assert knee([], BOTH) is None
    assert knee([(math.nan, 1.0)], BOTH) is None
    assert not front([(math.nan, 1.0)], BOTH).any()


def test_one_broken_objective_breaks_the_row_and_leaves_the_input_alone():
    values = np.array([[0.5, np.nan], [0.5, 0.25], [-np.inf, 0.1]])
    before = values.copy()
    np.testing.assert_array_equal(losses(values, BOTH), [[np.inf, np.inf], [-0.5, -0.25], [np.inf, np.inf]])
    np.testing.assert_array_equal(values, before)
    np.testing.assert_array_equal(losses([1.0, 2.0, 3.0], MIXED), [[-1.0, 2.0, -3.0]])


def test_the_knee_is_the_member_farthest_from_the_line_through_the_ends():
    # The ends are (0.4, 0.6) and (0.8, 0.1). In fractions of their ranges the others gain 0.75 + 0.8
    # and 0.5 + 0.9 where the line has 1: the first is farther. (0.5, 0.3) is on no front.
    values = [(0.8, 0.1), (0.5, 0.3), (0.6, 0.55), (0.7, 0.5), (0.4, 0.6)]
    assert knee(values, BOTH) == 3


def test_two_points_have_no_bend():
    assert knee([(0.3, 0.9), (0.6, 0.4)], BOTH) is None
    assert knee([(0.3, 0.9), (0.6, 0.4), (0.2, 0.1), (math.nan, 2.0)], BOTH) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=12))
@settings(max_examples=100, deadline=None)
def test_the_knee_is_on_the_front(values):
    index, members = knee(values, BOTH), front(values, BOTH)
    assert (index is None) == (members.sum() < 3)
    assert index is None or members[index]


def test_the_standard_objectives_are_worth_nothing_when_guessed():
    ua, ccc = standard_objectives(4)
    assert (ua.metric, ua.direction, ua.reference) == ("ua", "maximise", 0.25)
    assert (ccc.metric, ccc.direction, ccc.reference) == ("ccc", "maximise", 0.0)
    assert standard_objectives(5)[0].reference == pytest.approx(0.2)


# --- Counts -----------------------------------------------------------------------------------------------

SIZED = standard_objectives(4, ("ua", "ccc", "parameters"))


def test_the_objectives_a_search_may_name():
    assert SIZED[:2] == BOTH
    assert (SIZED[2].metric, SIZED[2].direction, SIZED[2].reference) == ("parameters", "minimise", 1e8)
    assert [objective.counts for objective in SIZED] == [False, False, True]
    assert (figure("ua", 0.12345), figure("parameters", 1234567.0)) == ("0.123", "1,234,567")


def test_a_count_is_compared_by_orders_of_magnitude():
    trials = [(0.75, 0.5, 10_000), (0.75, 0.5, 20_000), (0.5, 0.75, 1_000_000), (0.4, 0.4, 9_999)]
    assert front(trials, SIZED).tolist() == [True, False, True, True]
    assert hypervolume(trials[:1], SIZED) == pytest.approx(0.5 * 0.5 * 4)  # four decades below 100 million
    # The second box shares 0.25 by 0.5 by two decades with the first.
    assert hypervolume(trials[:3], SIZED) == pytest.approx(1 + 0.25 * 0.75 * 2 - 0.25 * 0.5 * 2)
    assert hypervolume([(0.9, 0.9, 2e8)], SIZED) == 0
    assert losses(trials, SIZED)[0].tolist() == [-0.75, -0.5, 4.0]


def test_values_stay_as_they_were():
    values = np.array([[0.5, 0.5, 100.0]])
    losses(values, SIZED)
    assert values.tolist() == [[0.5, 0.5, 100.0]]


def test_a_figure_just_below_nought_is_nought():
    assert figure("ccc", -1e-9) == "0.000"
    assert figure("ccc", -0.25) == "-0.250"
