"""Paired tests against SciPy, and Holm's correction by hand."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import permutation_test

from serhpo.evaluate.comparison import Comparison, compare, holm
from serhpo.metrics import ccc, confusion, ua
from tests.evaluate.test_summary import make_row

SIX = ["F1", "F2", "F3", "M1", "M2", "M3"]


def better(row, share=0.25, seed=4):
    """The same row with some of its mistakes put right."""
    generator = np.random.default_rng(seed)
    mend = generator.uniform(size=row.predicted.shape) < share
    nearer = row.tested.targets + 0.5 * (row.dimensions - row.tested.targets)
    return dataclasses.replace(
        row,
        name="trial 2",
        predicted=np.where(mend, np.maximum(row.tested.labels, 0), row.predicted),
        dimensions=np.where(mend[:, :, None], nearer, row.dimensions),
    )


def statistic(rows, figure):
    """Mean over the seeds of a figure, where ``owners[i]`` says whose answers unit i takes."""
    tested = rows[0].tested
    names = sorted(set(tested.speakers))
    place = np.array([names.index(name) for name in tested.speakers])

    def measured(owners):
        chosen = np.asarray(owners, dtype=int)[place]
        at = np.arange(len(place))
        values = []
        for seed in range(len(rows[0].seeds)):
            predicted = np.stack([row.predicted[seed] for row in rows])[chosen, at]
            ratings = np.stack([row.dimensions[seed] for row in rows])[chosen, at]
            known = tested.labels >= 0
            matrix = confusion(tested.labels[known], predicted[known], 2)
            cccs = [ccc(ratings[:, d], tested.targets[:, d]) for d in range(3)]
            values.append(ua(matrix) if figure == "ua" else np.mean(cccs))
        return np.mean(values)

    return lambda x, y: measured(x) - measured(y)


@pytest.mark.parametrize("figure", ["ua", "ccc"])
def test_exchanging_speakers_agrees_with_scipy(figure):
    first = make_row(SIX, seeds=2)
    second = better(first)
    found = compare(second, first, figure)
    exact = permutation_test(
        (np.ones(6), np.zeros(6)),
        statistic((first, second), figure),
        permutation_type="samples",
        n_resamples=np.inf,
        alternative="two-sided",
    )
    assert found.over == "speakers"
    assert found.difference == pytest.approx(exact.statistic)
    assert found.p == pytest.approx(min(1.0, exact.pvalue), abs=1e-9)


def test_few_speakers_leave_utterances_to_be_exchanged():
    first = make_row(["F1", "M1"], seeds=2, each=60)
    assert compare(better(first, 0.4), first, "ua").over == "utterances"
    assert compare(better(first, 0.4), first, "ua").p < 0.01
    same = compare(dataclasses.replace(first, name="twin"), first, "ua")
    assert (same.difference, same.p, same.se) == (0.0, 1.0, 0.0)


def test_the_error_of_a_difference_is_paired():
    first = make_row(SIX)
    second = better(first, 0.1)
    names = sorted(set(first.tested.speakers))
    left_out = []
    for name in names:
        kept = first.tested.speakers != name
        known = kept & (first.tested.labels >= 0)
        both = [
            np.mean([ua(confusion(row.tested.labels[known], p[known], 2)) for p in row.predicted])
            for row in (second, first)
        ]
        left_out.append(both[0] - both[1])
    expected = np.sqrt(5 / 6 * ((left_out - np.mean(left_out)) ** 2).sum())
    assert compare(second, first, "ua").se == pytest.approx(expected)


def test_only_seeds_that_both_have_are_compared():
    first = make_row(SIX, seeds=2)
    assert compare(first, dataclasses.replace(first, seeds=(5, 6)), "ua") is None
    shifted = dataclasses.replace(first, seeds=(1, 2), predicted=first.predicted[::-1])
    # Seed 1 is the first one's second repetition and the shifted one's first, which is the same array.
    assert compare(first, shifted, "ua").difference == 0


def test_rows_of_other_utterances_are_not_compared():
    first, other = make_row(SIX), make_row(SIX)
    other.tested.utterances[0] = "another"
    with pytest.raises(ValueError, match="same utterances"):
        compare(first, other, "ua")


def test_holm_by_hand():
    """0.01 · 4, then 0.02 · 3, then max(0.06, 0.03 · 2), then max(0.06, 0.04 · 1)."""
    family = [Comparison("a", "b", "ua", 0, 0, p, p, "speakers") for p in (0.04, 0.01, 0.03, 0.02)]
    assert [row.holm for row in holm(family)] == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert [row.holm for row in holm(family[:1])] == [0.04]
    assert [row.holm for row in holm([dataclasses.replace(family[0], p=0.9)] * 2)] == [1.0, 1.0]
