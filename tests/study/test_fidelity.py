import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from serhpo.study import Study, agreement, agreement_sentence
from serhpo.study.fidelity import Agreement, kendall_tau
from tests.fakes import FakeTrial, make_study

numbers = st.integers(0, 5)


@given(st.lists(st.tuples(numbers, numbers), max_size=12))
@settings(max_examples=200, deadline=None)
def test_tau_is_that_of_an_independent_library(pairs):
    one, other = [a for a, _ in pairs], [b for _, b in pairs]
    expected = kendalltau(one, other).statistic if len(pairs) > 1 else float("nan")
    tau = kendall_tau(one, other)
    assert tau == (None if expected != expected else pytest.approx(expected))


def mark(study: Study, trials: set[int]) -> Study:
    """Write decisions at epoch 1 into the ledger; these trials are controls."""
    path = study.path / "epochs.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        if row["epoch"] == 1:
            row["decision"] = {"rank": 0, "recorded": 1, "keep": True, "control": row["trial"] in trials}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return study


TRIALS = (
    FakeTrial("COMPLETE", [(0.1, 0.3), (0.5, 0.9)]),
    FakeTrial("COMPLETE", [(0.2, 0.2), (0.6, 0.8)]),
    FakeTrial("COMPLETE", [(0.3, 0.1), (0.4, 0.9)]),
    FakeTrial("COMPLETE", [(0.9, 0.9), (0.1, 0.1)]),
    FakeTrial("RUNNING", [(0.8, 0.9)]),
)


def test_only_complete_controls_are_asked(tmp_path):
    study = mark(make_study(tmp_path / "s", TRIALS, epochs=2), {0, 1, 2, 4})
    # UA: 1 2 3 against 2 3 1, one pair of three in order. CCC: 3 2 1 against a tie of 3 and 1 above 2.
    assert agreement(study) == [
        Agreement(1, "ua", pytest.approx(-1 / 3), 3),
        Agreement(1, "ccc", pytest.approx(0), 3),
    ]
    assert agreement_sentence(agreement(study)) == (
        "Rank correlation (Kendall's τ) with final values over 3 trials never pruned: "
        "epoch 1: UA -0.33, CCC 0.00."
    )


def test_without_controls_there_is_nothing_to_tell(tmp_path):
    assert agreement(make_study(tmp_path / "old", TRIALS, epochs=2)) == []
    assert agreement(mark(make_study(tmp_path / "none", TRIALS, epochs=2), set())) == []
    (one, _) = agreement(mark(make_study(tmp_path / "one", TRIALS, epochs=2), {0}))
    assert (one.tau, one.trials) == (None, 1)
    assert agreement_sentence([one]) == agreement_sentence([]) == ""
