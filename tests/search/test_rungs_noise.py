"""Trials that are cut only beyond noise."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from serhpo.pareto import Objective
from serhpo.search.rungs import Rungs
from serhpo.search.settings import SearchSettings
from tests.search.plain_rungs import BOTH, SETTINGS, rungs


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
