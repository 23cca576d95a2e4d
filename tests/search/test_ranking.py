import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serhpo.search.ranking import RANKINGS, best_in_any, epsilon_net, nondominated, union

# Losses, smaller is better. Front: 0, 1, 2; then 3; then 4.
FIVE = np.array([[0.0, 1.0], [0.5, 0.4], [1.0, 0.0], [0.6, 0.9], [0.9, 1.0]])


def test_best_in_any_counts_who_is_better_in_one_objective():
    # First objective: order 0 1 3 4 2; second: 2 1 3, then 0 and 4 equal.
    for quota, kept in [
        (1, {0, 2}),
        (1.5, {0, 1, 2}),
        (2, {0, 1, 2}),
        (3, {0, 1, 2, 3}),
        (4, {0, 1, 2, 3, 4}),
    ]:
        assert {i for i in range(5) if best_in_any(FIVE, i, quota)} == kept


def test_nondominated_takes_front_after_front_and_spreads_inside_one():
    # Inside the front, sums are 1.0, 0.9, 1.0: the net starts with 1. From there 0 is sqrt(0.25 + 0.36)
    # away and 2 sqrt(0.25 + 0.16): 0, then 2.
    for quota, kept in [
        (1, {1}),
        (1.5, {0, 1}),
        (2, {0, 1}),
        (3, {0, 1, 2}),
        (3.5, {0, 1, 2, 3}),
        (5, set(range(5))),
    ]:
        assert {i for i in range(5) if nondominated(FIVE, i, quota)} == kept


def test_union_keeps_who_either_keeps():
    assert {i for i in range(5) if union(FIVE, i, 1)} == {0, 1, 2}


def test_the_net_starts_with_the_best_sum_and_goes_as_far_as_it_can():
    line = np.array([[0.0, 4.0], [1.0, 2.9], [2.0, 2.0], [3.0, 1.0], [4.0, 0.0]])
    # Scaled to the unit square: 1 has the smallest sum; the far end is 4, then 0 or the middle ones.
    assert epsilon_net(line)[:2].tolist() == [1, 4]
    assert sorted(epsilon_net(line).tolist()) == [0, 1, 2, 3, 4]
    assert epsilon_net(line * [1000, 1] + [5, -7]).tolist() == epsilon_net(line).tolist()
    assert epsilon_net(np.zeros((3, 2))).tolist() == [0, 1, 2]
    assert epsilon_net(np.ones((1, 2))).tolist() == [0]


rows = st.lists(st.tuples(*[st.integers(0, 6).map(lambda n: n / 4)] * 2), min_size=1, max_size=15)


@pytest.mark.parametrize("name", ["union", "nondominated", "best_in_any"])
@given(losses=rows, index=st.integers(0, 14), eta=st.integers(2, 4))
@settings(max_examples=80, deadline=None)
def test_who_dominates_all_is_kept_and_who_all_dominate_is_not(name, losses, index, eta):
    survives = RANKINGS[name]
    index %= len(losses)
    table = np.array(losses)
    quota = max(1.0, len(table) / eta)
    best, worst = table.copy(), table.copy()
    best[index] = [-1.0, -1.0]
    assert survives(best, index, quota)
    if len(table) > 1:
        worst[index] = [9.0, 9.0]
        assert not survives(worst, index, quota)


@given(losses=rows, eta=st.integers(2, 4))
@settings(max_examples=80, deadline=None)
def test_nondominated_keeps_no_more_than_its_quota(losses, eta):
    quota = max(1.0, len(losses) / eta)
    kept = [nondominated(np.array(losses), index, quota) for index in range(len(losses))]
    assert sum(kept) == int(np.ceil(quota))  # a position below 2.3: 0, 1 and 2


@given(losses=rows, eta=st.integers(2, 4))
@settings(max_examples=80, deadline=None)
def test_broken_trials_do_not_push_a_sound_one_out(losses, eta):
    sound = np.array(losses)
    broken = np.vstack([sound, np.full((3, 2), np.inf)])
    for index in range(len(sound)):
        before = union(sound, index, max(1.0, len(sound) / eta))
        after = union(broken, index, max(1.0, len(broken) / eta))
        assert after or not before


def test_the_rankings_a_space_may_name():
    assert set(RANKINGS) == {"union", "nondominated", "best_in_any"}
