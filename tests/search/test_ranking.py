import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from serhpo.errors import UsageError
from serhpo.pareto import Objective, standard_objectives
from serhpo.search.ranking import (
    NET,
    RANKINGS,
    Either,
    NonDominated,
    Scalarised,
    Single,
    contribution,
    crowding,
    epsilon_net,
    make_ranking,
    scaled,
)
from serhpo.search.settings import SearchSettings

# Losses, smaller is better. Front: 0, 1, 2; then 3; then 4.
FIVE = np.array([[0.0, 1.0], [0.5, 0.4], [1.0, 0.0], [0.6, 0.9], [0.9, 1.0]])


def survivors(ranking, losses, quota):
    return set(np.flatnonzero(ranking.kept(losses, quota)))


def test_either_counts_who_is_better_in_one_objective():
    # First objective: order 0 1 3 4 2; second: 2 1 3, then 0 and 4 equal.
    for quota, kept in [
        (1, {0, 2}),
        (1.5, {0, 1, 2}),
        (2, {0, 1, 2}),
        (3, {0, 1, 2, 3}),
        (4, {0, 1, 2, 3, 4}),
    ]:
        assert survivors(Either(), FIVE, quota) == kept


def test_the_net_takes_front_after_front_and_spreads_inside_one():
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
        assert survivors(NET, FIVE, quota) == kept


def test_union_keeps_who_either_keeps():
    assert survivors(RANKINGS["union"], FIVE, 1) == {0, 1, 2}


def test_one_objective_alone_and_the_sum_of_all():
    assert survivors(Single(0), FIVE, 1) == {0}
    assert survivors(Single(1), FIVE, 4) == {1, 2, 3, 0, 4}  # 0 and 4 are equal
    assert survivors(Scalarised(), FIVE, 1) == {1}
    assert survivors(Scalarised(), FIVE * [1000, 1], 2) == {0, 1, 2}  # 0 and 2: whatever the unit
    assert make_ranking("ccc", standard_objectives(4)) == Single(1)
    assert make_ranking("loss", [Objective(metric="ua"), Objective(metric="loss")]) == Single(1)
    with pytest.raises(UsageError, match="crowdin"):
        make_ranking("crowdin", standard_objectives(4))


def test_crowding_puts_the_ends_first_then_the_loneliest():
    front = np.array([[0.0, 1.0], [0.1, 0.8], [0.2, 0.7], [0.7, 0.1], [1.0, 0.0]])
    # Sums of both neighbours' distances: 0.2 + 0.3, then 0.6 + 0.7, then 0.8 + 0.7.
    assert crowding(front).tolist() == [0, 4, 3, 2, 1]


def test_contribution_is_the_area_that_nobody_else_covers():
    front = np.array([[0.0, 1.0], [0.1, 0.8], [0.7, 0.1], [1.0, 0.0]])
    # 0.1 x 0.1; 0.6 x 0.2; 0.3 x 0.7; 0.1 x 0.1.
    assert contribution(front).tolist() == [2, 1, 0, 3]
    # Copies dominate nothing alone; the last one now has 0.1 x 0.8.
    assert contribution(front[[0, 1, 1, 3]]).tolist() == [3, 0, 1, 2]


def test_the_net_starts_with_the_best_sum_and_goes_as_far_as_it_can():
    line = scaled(np.array([[0.0, 4.0], [1.0, 2.9], [2.0, 2.0], [3.0, 1.0], [4.0, 0.0]]))
    # Scaled to the unit square: 1 has the smallest sum; the far end is 4, then 0 or the middle ones.
    assert epsilon_net(line)[:2].tolist() == [1, 4]
    assert sorted(epsilon_net(line).tolist()) == [0, 1, 2, 3, 4]
    assert epsilon_net(np.zeros((3, 2))).tolist() == [0, 1, 2]
    assert epsilon_net(np.ones((1, 2))).tolist() == [0]


fronts = st.lists(st.tuples(*[st.integers(0, 40)] * 2), min_size=1, max_size=40).map(
    lambda points: scaled(np.array(points, dtype=float))
)


@given(points=fronts)
@settings(max_examples=300, deadline=None)
def test_the_fast_net_of_two_objectives_is_the_plain_one(points):
    front = points[moocore.is_nondominated(points, keep_weakly=True)]
    constant = np.column_stack([front, np.zeros(len(front))])  # a third objective that tells nothing
    assert epsilon_net(front).tolist() == epsilon_net(constant).tolist()


def test_three_objectives_are_ranked_like_two():
    rng = np.random.default_rng(0)
    losses = rng.random((30, 3)).round(2)
    losses[7] = losses[3]
    ranks = moocore.pareto_rank(losses)
    for name in ("epsilon_net", "crowding", "hypervolume"):
        kept = survivors(RANKINGS[name], losses, 10)
        assert len(kept) == 10
        last = max(ranks[i] for i in kept)
        assert {i for i in range(30) if ranks[i] < last} <= kept
        assert all(ranks[i] <= last for i in kept)
    volume = moocore.hypervolume(front := scaled(losses)[ranks == 0], ref=[1.1] * 3)
    lost = [
        volume - moocore.hypervolume(np.delete(front, i, axis=0), ref=[1.1] * 3) for i in range(len(front))
    ]
    assert contribution(front).tolist() == sorted(range(len(front)), key=lambda i: (-round(lost[i], 12), i))


rows = st.lists(st.tuples(*[st.integers(0, 6).map(lambda n: n / 4)] * 2), min_size=1, max_size=15)


@pytest.mark.parametrize("name", sorted(RANKINGS))
@given(losses=rows, index=st.integers(0, 14), eta=st.integers(2, 4))
@settings(max_examples=80, deadline=None)
def test_who_dominates_all_is_kept_and_who_all_dominate_is_not(name, losses, index, eta):
    kept = RANKINGS[name].kept
    index %= len(losses)
    table = np.array(losses)
    quota = max(1.0, len(table) / eta)
    best, worst = table.copy(), table.copy()
    best[index] = [-1.0, -1.0]
    assert kept(best, quota)[index]
    if len(table) > 1:
        worst[index] = [9.0, 9.0]
        assert not kept(worst, quota)[index]


@given(losses=rows, eta=st.integers(2, 4))
@settings(max_examples=80, deadline=None)
def test_fronts_that_are_divided_keep_no_more_than_the_quota(losses, eta):
    quota = max(1.0, len(losses) / eta)
    for spread in (epsilon_net, crowding, contribution):
        # A position below 2.3: 0, 1 and 2.
        assert len(survivors(NonDominated(spread), np.array(losses), quota)) == int(np.ceil(quota))


@given(losses=rows, eta=st.integers(2, 4))
@settings(max_examples=80, deadline=None)
def test_broken_trials_do_not_push_a_sound_one_out(losses, eta):
    union, sound = RANKINGS["union"], np.array(losses)
    broken = np.vstack([sound, np.full((3, 2), np.inf)])
    before = union.kept(sound, max(1.0, len(sound) / eta))
    after = union.kept(broken, max(1.0, len(broken) / eta))
    assert (after[: len(sound)] >= before).all()


def test_the_rankings_a_space_may_name():
    assert SearchSettings().ranking == "adaptive"
    for name in [*RANKINGS, "ua", "ccc"]:
        assert SearchSettings(ranking=name).ranking == name
    with pytest.raises(ValidationError, match="epsilon_net"):
        SearchSettings(ranking="random")
    # As studies of version 0.1 have them in their space.yaml.
    assert SearchSettings(ranking="nondominated").ranking == "epsilon_net"
    assert SearchSettings(ranking="best_in_any").ranking == "either"
