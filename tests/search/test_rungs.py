import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serhpo.pareto import Objective
from serhpo.search.ranking import RANKINGS
from serhpo.search.rungs import Rungs, control_places, early_rungs, expected_epochs, rung_levels
from serhpo.search.settings import SearchSettings
from tests.search.plain_rungs import SETTINGS, foretold, front_after_front, kept, rungs

# Thirds of the ranges do not fall on equal distances by rounding alone.
values = st.tuples(*[st.integers(0, 16).map(lambda n: n / 16)] * 2) | st.sampled_from(
    [(math.nan, 0.5), (0.9, math.inf), (-math.inf, -math.inf)]
)
streams = st.lists(st.tuples(st.integers(0, 7), values), max_size=60)
# Many trials, each an own level of both objectives and a little noise: rungs agree, or not at all.
agreeing = st.tuples(st.integers(0, 2**32), st.sampled_from([0.0, 0.1, 2.0])).map(lambda pair: crowd(*pair))


def crowd(seed, noise):
    rng = random.Random(seed)
    goals = [rng.random() for _ in range(40)]
    turns = [rng.randrange(40) for _ in range(160)]
    return [
        (t, tuple(round(goals[t] * (1 + axis) + noise * rng.random(), 3) for axis in range(2))) for t in turns
    ]


def replay(stream, eta, ranking="union"):
    """Feed interleaved trials, each one epoch further at its turn until it stops or is through."""
    decided, epochs, stopped, seen = rungs(reduction_factor=eta, ranking=ranking), {}, set(), {}
    for trial, reached in stream:
        epoch = epochs.get(trial, 0) + 1
        if trial in stopped or epoch > 9:
            continue
        epochs[trial] = epoch
        decision = decided.report(trial, epoch, reached)
        yield decided, seen, trial, epoch, reached, decision
        if decision and not decision.keep:
            stopped.add(trial)


@pytest.mark.parametrize("ranking", [*RANKINGS, "ua", "ccc"])
@given(stream=streams | agreeing, eta=st.integers(2, 4))
@settings(max_examples=60, deadline=None)
def test_every_decision_is_that_of_the_plain_rule(ranking, stream, eta):
    levels = {eta**k for k in range(4) if eta**k < 9}
    for _, seen, trial, epoch, reached, decision in replay(stream, eta, ranking):
        assert (decision is not None) == (epoch in levels)
        if decision is None:
            continue
        at_rung = seen.setdefault(epoch, {})
        at_rung[trial] = reached
        recorded, index = list(at_rung.values()), list(at_rung).index(trial)
        rule = "epsilon_net" if ranking == "adaptive" and foretold(seen, epoch, sorted(levels)) else ranking
        assert decision.keep == kept(rule, recorded, index, eta)
        assert (decision.trial, decision.rung, decision.recorded) == (trial, epoch, len(recorded))
        rank = next(r for r, members in enumerate(front_after_front(recorded)) if index in members)
        assert decision.rank == rank


@given(streams, st.integers(2, 4))
@settings(max_examples=100, deadline=None)
def test_a_replayed_stream_decides_the_same_and_repeats_change_nothing(stream, eta):
    first = [(t, e, r, d) for _, _, t, e, r, d in replay(stream, eta)]
    again = rungs(reduction_factor=eta)
    for trial, epoch, reached, decision in first:
        assert again.report(trial, epoch, reached) == decision
        # A worker that died and repeats its epoch, even with other numbers, stands there once.
        assert again.report(trial, epoch, (1.0, 1.0)) == decision
    for trial, epoch, _, decision in first:
        assert again.report(trial, epoch, (0.0, 0.0)) == decision
    for trial in range(8):
        cut = [d for t, _, _, d in first if t == trial and d and not d.keep]
        assert again.stopped(trial) == (cut[0] if cut else None)


@pytest.mark.parametrize("ranking", [*RANKINGS, "ua", "ccc"])
@given(stream=st.lists(values, min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_who_dominates_all_so_far_goes_on_and_who_is_broken_never_does(ranking, stream):
    decided = rungs(ranking=ranking)
    for trial, reached in enumerate(stream):
        decision = decided.report(trial, 1, reached)
        if not all(map(math.isfinite, reached)):
            assert not decision.keep
    assert decided.report(100, 1, (1.5, 1.5)).keep
    assert not decided.report(101, 1, (math.nan, 2.0)).keep


def test_the_order_of_reports_decides():
    reports = {0: (0.30, 0.10), 1: (0.50, 0.30), 2: (0.40, 0.20), 3: (0.35, 0.40)}
    forward, backward = rungs(), rungs()
    # 0 is alone, 1 beats it; 2 is behind 1 in both; 3 is worse in UA but best in CCC.
    assert [forward.report(t, 1, reports[t]).keep for t in (0, 1, 2, 3)] == [True, True, False, True]
    # 3 is alone; 2 is best in UA; 1 too; 0 is last in everything.
    assert [backward.report(t, 1, reports[t]).keep for t in (3, 2, 1, 0)] == [True, True, True, False]


def test_the_second_best_survives_once_the_rung_is_big_enough():
    crowd = rungs()
    for trial in range(6):
        crowd.report(trial, 1, (0.30 - trial / 100, 0.10 - trial / 100))
    # Seven recorded, a third of them is 2.33: positions 0, 1 and 2 go on.
    assert crowd.report(6, 1, (0.295, 0.095)).keep
    assert [crowd.report(t, 1, (0.0, 0.0)).keep for t in range(7)] == [True, *[False] * 5, True]
    assert not crowd.report(7, 1, (0.285, 0.085)).keep  # three are ahead, eight thirds are 2.67


def test_rungs_are_independent_of_each_other():
    decided = rungs()
    assert decided.report(0, 1, (0.3, 0.1)).keep
    assert decided.report(0, 2, (0.3, 0.1)) is None
    assert decided.report(1, 1, (0.4, 0.2)).keep
    assert decided.report(1, 3, (0.2, 0.0)).keep  # the first at its rung
    cut = decided.report(2, 1, (0.2, 0.0))
    assert not cut.keep
    assert decided.stopped(2) == cut
    assert decided.stopped(0) is decided.stopped(1) is decided.stopped(77) is None


def test_a_minimised_objective_is_better_when_smaller():
    objectives = (Objective(metric="loss", direction="minimise"), Objective(metric="ua"))
    decided = Rungs(objectives, SearchSettings(**SETTINGS))
    decided.report(0, 1, (1.0, 0.5))
    assert not decided.report(1, 1, (2.0, 0.4)).keep
    assert decided.report(2, 1, (0.5, 0.1)).keep


@pytest.mark.parametrize(
    ("epochs", "grace", "factor", "levels"),
    [
        (9, 1, 3, [1, 3]),
        (10, 1, 3, [1, 3, 9]),
        (27, 3, 3, [3, 9]),
        (27, 1, 2, [1, 2, 4, 8, 16]),
        (1, 1, 3, []),
        (5, 5, 2, []),
    ],
)
def test_rungs_lie_at_powers_below_the_last_epoch(epochs, grace, factor, levels):
    assert rung_levels(epochs, grace, factor) == levels


def test_the_epochs_a_search_spends_at_least():
    assert expected_epochs(9, 9, 1, 3, "epsilon_net") == 9 * 1 + 3 * 2 + 1 * 6
    assert expected_epochs(27, 9, 3, 3, "epsilon_net") == 27 * 3 + 9 * 6
    assert expected_epochs(5, 4, 4, 2, "epsilon_net") == 20
    assert expected_epochs(1, 9, 1, 3, "epsilon_net") == 9  # a trial alone is never stopped
    # union of two objectives keeps 1 - (2/3)^2 = 5/9: 12 + 12*5/9*2 + 12*25/81*6 = 47.6
    assert expected_epochs(12, 9, 1, 3, "union") == 48


# --- Control trials ---------------------------------------------------------------------------------------


def test_controls_are_spread_over_the_search_and_few_in_a_short_one():
    assert control_places(60, 3) == {10, 30, 50}
    assert control_places(100, 5) == {10, 30, 50, 70, 90}
    assert control_places(45, 3) == {11, 34}  # one in twenty at most
    assert control_places(19, 3) == control_places(100, 0) == frozenset()


def test_a_control_goes_on_whatever_its_rank_and_stays_a_control():
    watched = rungs(trials=20, controls=1)  # the tenth to reach the first rung
    for trial in range(9):
        watched.report(trial, 1, (0.5, 0.5))
    assert watched.report(77, 1, (0.1, 0.1)).control
    assert watched.stopped(77) is None
    cut = watched.report(10, 1, (0.1, 0.1))
    assert (cut.keep, cut.control) == (False, False)
    watched.report(0, 3, (0.9, 0.9))
    later = watched.report(77, 3, (0.1, 0.1))
    assert (later.keep, later.control, later.rank) == (True, True, 1)
    again = rungs(trials=20, controls=1)
    for trial, epoch in [*[(t, 1) for t in range(9)], (77, 1), (10, 1), (0, 3)]:
        again.report(trial, epoch, (0.5, 0.5), watched.decision(trial, epoch).to_json())
    assert again.report(77, 3, (0.0, 0.0)).control  # known from its first rung


def test_a_broken_trial_is_no_control():
    watched = rungs(trials=20, controls=1)
    for trial in range(9):
        watched.report(trial, 1, (0.5, 0.5))
    broken = watched.report(9, 1, (math.nan, 0.5))
    assert (broken.keep, broken.control) == (False, False)


# --- Strict or lenient ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("reversed_later", "kept_on"), [(False, False), (True, True)])
def test_the_adaptive_ranking_is_strict_where_a_rung_has_foretold_the_next(reversed_later, kept_on):
    """Nine trials pass both rungs, in the same order or turned round; then one that is best in CCC alone."""
    decided = rungs(ranking="adaptive")
    for trial in range(9):  # each better than all before in everything: all go on
        decided.report(trial, 1, (0.1 + trial / 100, 0.1 + trial / 100))
    for trial in range(9):
        at = 8 - trial if reversed_later else trial
        decided.report(trial, 3, (0.3 + at / 100, 0.3 + at / 100))
    front = [(0.5, 0.2), (0.4, 0.3), (0.3, 0.4), (0.2, 0.5), (0.45, 0.25)]
    for trial, reached in enumerate(front, start=20):
        decided.report(trial, 1, reached)
    # Fifteen recorded, five go on: among the front of six it is the most crowded, in UA the fifth.
    decision = decided.report(30, 1, (0.44, 0.26))
    assert decision.rank == 0
    assert decision.keep == kept_on


def test_rungs_before_the_peak_of_a_learning_rate_are_told():
    said = early_rungs([1, 3, 9], peak=9, epochs=27)
    assert said is not None
    assert "epoch 1, 3 already" in said
    assert "search.grace_period=9" in said
    assert early_rungs([9], peak=9, epochs=27) is None
