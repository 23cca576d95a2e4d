import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import kendalltau

from serhpo.pareto import Objective, standard_objectives
from serhpo.search.ranking import RANKINGS
from serhpo.search.rungs import Rungs, control_places, early_rungs, expected_epochs, rung_levels
from serhpo.search.settings import SearchSettings

BOTH = standard_objectives(4)
SETTINGS = {"epochs": 9, "grace_period": 1, "reduction_factor": 3, "ranking": "union", "controls": 0}


def rungs(**changed) -> Rungs:
    return Rungs(BOTH, SearchSettings(**{**SETTINGS, **changed}))


# --- The rules once more, from their descriptions, comparing all with all -----------------------------


def better(one, other) -> bool:
    """One dominates the other; a broken one dominates nothing and is dominated by every sound one."""
    if not all(map(math.isfinite, one)):
        return False
    if not all(map(math.isfinite, other)):
        return True
    return one != other and all(a >= b for a, b in zip(one, other, strict=True))


def front_after_front(values) -> list[list[int]]:
    left, fronts = list(range(len(values))), []
    while left:
        best = [i for i in left if not any(better(values[j], values[i]) for j in left)]
        fronts.append(best)
        left = [i for i in left if i not in best]
    return fronts


def on_the_unit_square(values) -> list[tuple[float, ...]]:
    """0 for the best of the sound ones at this rung, 1 for the worst."""
    sound = list(zip(*[row for row in values if all(map(math.isfinite, row))], strict=True))
    spans = [max(column) - min(column) or 1.0 for column in sound]
    return [
        tuple((max(column) - v) / span for v, column, span in zip(row, sound, spans, strict=True))
        for row in values
    ]


def by_net(points) -> list[int]:
    """Indices of a front, each next one farthest from all before it."""
    order = [min(range(len(points)), key=lambda i: (round(sum(points[i]), 9), i))]
    while len(order) < len(points):
        rest = [i for i in range(len(points)) if i not in order]
        order.append(
            max(rest, key=lambda i: (round(min(math.dist(points[i], points[j]) for j in order), 9), -i))
        )
    return order


def by_crowding(points) -> list[int]:
    """The largest sum of distances between both neighbours first; ends of a column before all."""
    lonely = [0.0] * len(points)
    for axis in range(len(points[0])):
        line = sorted(range(len(points)), key=lambda i: (points[i][axis], i))
        for before, here, after in zip(line, line[1:], line[2:], strict=False):
            lonely[here] += points[after][axis] - points[before][axis]
        lonely[line[0]] = lonely[line[-1]] = math.inf
    return sorted(range(len(points)), key=lambda i: (-round(lonely[i], 9), i))


def by_contribution(points) -> list[int]:
    """The largest area first that no other point covers, up to (1.1, 1.1)."""
    lost = []
    for x, y in points:
        others = [p for p in points if p != (x, y)]
        right = min([p[0] for p in others if p[0] > x and p[1] < y], default=1.1)
        up = min([p[1] for p in others if p[1] > y and p[0] < x], default=1.1)
        lost.append(0.0 if points.count((x, y)) > 1 else (right - x) * (up - y))
    return sorted(range(len(points)), key=lambda i: (-round(lost[i], 9), i))


DIVIDED = {"epsilon_net": by_net, "crowding": by_crowding, "hypervolume": by_contribution}


def best_in(values, index, quota, axes) -> bool:
    sound = [row for row in values if all(map(math.isfinite, row))]
    return any(sum(row[axis] > values[index][axis] for row in sound) < quota for axis in axes)


def kept(ranking, values, index, eta) -> bool:
    if not all(map(math.isfinite, values[index])):
        return False
    quota = max(1.0, len(values) / eta)
    if ranking in ("ua", "ccc"):
        return best_in(values, index, quota, [("ua", "ccc").index(ranking)])
    if ranking == "either":
        return best_in(values, index, quota, (0, 1))
    if ranking in ("union", "adaptive"):
        return kept("either", values, index, eta) or kept("epsilon_net", values, index, eta)
    points = on_the_unit_square(values)
    if ranking == "scalarised":
        sums = [
            round(sum(p), 9) for p, row in zip(points, values, strict=True) if all(map(math.isfinite, row))
        ]
        return sum(s < round(sum(points[index]), 9) for s in sums) < quota
    position = 0
    for members in front_after_front(values):
        if index in members:
            order = [members[i] for i in DIVIDED[ranking]([points[i] for i in members])]
            return position + order.index(index) < quota
        position += len(members)
    raise AssertionError


def foretold(seen, epoch, levels) -> bool:
    """Are the taus from rung to rung, up to the last, 0.4 or more when multiplied?

    Each is the smaller one of both objectives, over the last eight or more trials of both rungs.
    """
    pairs = list(itertools.pairwise(levels))
    left = [pair for pair in pairs if pair[0] >= epoch] or pairs[-1:]
    product = 1.0 if left else 0.0
    for earlier, later in left:
        early, late = seen.get(earlier, {}), seen.get(later, {})
        nowhere = (math.nan,)
        both = [t for t in late if all(map(math.isfinite, (*late[t], *early.get(t, nowhere))))]
        taus = [
            kendalltau([early[t][axis] for t in both], [late[t][axis] for t in both]).statistic
            for axis in range(2)
            if len(both) >= 8
        ]
        product *= min(taus) if len(taus) == 2 and min(taus) > 0 and not any(map(math.isnan, taus)) else 0.0
    return product >= 0.4


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


# --- Cut only beyond noise --------------------------------------------------------------------------------


def noisy(errors, objectives=BOTH, **changed) -> Rungs:
    """Rungs whose standard errors are ``errors[trial, other]``, or ``errors`` itself for any two."""
    known = errors.get if isinstance(errors, dict) else lambda pair: errors
    return Rungs(
        objectives,
        SearchSettings(**{**SETTINGS, **changed}),
        lambda trial, other, rung: known((trial, other)),
    )


sixteenths = st.integers(0, 16).map(lambda n: n / 16)


@given(stream=st.lists(sixteenths, min_size=1, max_size=12), error=sixteenths, eta=st.integers(2, 4))
@settings(max_examples=200, deadline=None)
def test_with_one_objective_a_trial_is_cut_beyond_one_error_of_the_last_survivor(stream, error, eta):
    decided = noisy([error], (Objective(metric="ua"),), ranking="ua", reduction_factor=eta)
    for trial, value in enumerate(stream):
        decision = decided.report(trial, 1, [value])
        so_far = stream[: trial + 1]
        quota = max(1.0, len(so_far) / eta)
        last = min(v for v in so_far if sum(other > v for other in so_far) < quota)
        assert decision.keep == (value >= last - error)
        assert decision.noise == (last - error <= value < last)


def test_the_error_is_that_of_the_nearest_survivor_and_of_each_objective():
    # Of five, two of each objective go on; the last trial is third in both, and nearest to trial 2.
    others = {(4, other): (1.0, 1.0) for other in (0, 1, 3)}
    for errors, kept in [
        ((0.05, 0.0), True),
        ((0.04, 0.09), False),
        ((0.0, 0.1), True),
        (None, False),
    ]:
        decided = noisy(others | {(4, 2): errors}, ranking="either")
        for trial, reached in enumerate([(0.9, 0.1), (0.1, 0.9), (0.6, 0.6), (0.2, 0.2)]):
            decided.report(trial, 1, reached)
        decision = decided.report(4, 1, (0.55, 0.5))
        assert (decision.keep, decision.noise) == (kept, kept)


def test_noise_saves_nobody_who_is_broken_and_no_control():
    watched = noisy((9.0, 9.0), trials=20, controls=1)
    for trial in range(9):
        watched.report(trial, 1, (0.5, 0.5))
    control = watched.report(9, 1, (0.1, 0.1))
    assert (control.control, control.noise) == (True, False)
    broken = watched.report(10, 1, (math.nan, 0.9))
    assert (broken.keep, broken.noise) == (False, False)
    assert watched.report(11, 1, (0.1, 0.1)).noise


def test_a_decision_taken_with_noise_stands_without_it():
    first = noisy((1.0, 1.0))
    first.report(0, 1, (0.5, 0.5))
    saved = first.report(1, 1, (0.4, 0.4))
    assert (saved.keep, saved.rank, saved.noise) == (True, 1, True)
    assert rungs().report(1, 1, (0.4, 0.4), saved.to_json()) == saved
    assert rungs().report(1, 1, (0.4, 0.4), {"rank": 0, "recorded": 1, "keep": True}).noise is False


# --- Three objectives -------------------------------------------------------------------------------------


def test_small_models_go_on_and_their_size_says_nothing_about_curves():
    sized = standard_objectives(4, ("ua", "ccc", "parameters"))
    decided = Rungs(sized, SearchSettings(**{**SETTINGS, "ranking": "adaptive"}))
    for trial in range(9):  # all of one size, each better than all before; the order lasts
        for epoch in (1, 3):
            decided.report(trial, epoch, (0.1 + trial / 100, 0.1 + trial / 100, 50_000))
    assert decided._ranking_at(decided._rungs[1]) is RANKINGS["epsilon_net"]
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


def test_rungs_before_the_peak_of_a_learning_rate_are_told():
    said = early_rungs([1, 3, 9], peak=9, epochs=27)
    assert said is not None
    assert "epoch 1, 3 already" in said
    assert "search.grace_period=9" in said
    assert early_rungs([9], peak=9, epochs=27) is None
