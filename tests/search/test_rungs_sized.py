"""Three objectives: UA, CCC and the size of the model."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from serhpo.pareto import standard_objectives
from serhpo.search.ranking import RANKINGS
from serhpo.search.rungs import Rungs, expected_epochs
from serhpo.search.settings import SearchSettings
from tests.search.plain_rungs import SETTINGS, front_after_front, kept

SIZED = standard_objectives(4, ("ua", "ccc", "parameters"))
# Sizes from 10^4 to 10^8, some of them twice.
values = st.tuples(st.integers(0, 16), st.integers(0, 16), st.integers(0, 8)).map(
    lambda n: (n[0] / 16, n[1] / 16, 10.0 ** (4 + n[2] / 2))
)


def sized(ranking) -> Rungs:
    return Rungs(SIZED, SearchSettings(**{**SETTINGS, "ranking": ranking}))


@pytest.mark.parametrize(
    "ranking", ["union", "either", "epsilon_net", "crowding", "hypervolume", "scalarised"]
)
@given(stream=st.lists(values, min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_every_decision_is_that_of_the_plain_rule(ranking, stream):
    decided = sized(ranking)
    seen = []
    for trial, (ua, ccc, parameters) in enumerate(stream):
        seen.append((ua, ccc, -math.log10(parameters)))
        decision = decided.report(trial, 1, (ua, ccc, parameters))
        assert decision.keep == kept(ranking, seen, trial, 3)
        assert decision.rank == next(r for r, row in enumerate(front_after_front(seen)) if trial in row)


def test_small_models_go_on_and_their_size_says_nothing_about_curves():
    decided = sized("adaptive")
    for trial in range(9):  # all of one size, each better than all before; the order lasts
        for epoch in (1, 3):
            decided.report(trial, epoch, (0.1 + trial / 100, 0.1 + trial / 100, 50_000))
    assert decided._ranking_at(decided._rungs[1]) is RANKINGS["hypervolume"]  # with two, `epsilon_net`
    assert not decided.report(20, 1, (0.1, 0.1, 60_000)).keep
    small = decided.report(21, 1, (0.1, 0.1, 4_000))
    assert (small.keep, small.rank) == (True, 0)


def test_more_objectives_keep_more_trials():
    # 1 - (2/3)^3 = 19/27 of the trials go on: 27 + 19 * 2 + 13.37 * 6.
    assert expected_epochs(27, 9, 1, 3, "union", 3) == 145
    assert expected_epochs(27, 9, 1, 3, "epsilon_net", 3) == expected_epochs(27, 9, 1, 3, "epsilon_net")


def test_the_objectives_of_a_space():
    assert SearchSettings().objectives == ("ua", "ccc")
    assert SearchSettings(objectives=["ua", "ccc", "parameters"]).objectives[2] == "parameters"
    for wrong in (["ua"], ["ccc", "ua"], ["ua", "ccc", "ccc"], ["ua", "ccc", "seconds"], []):
        with pytest.raises(ValidationError):
            SearchSettings(objectives=wrong)
