import json
from datetime import UTC, datetime

import pytest

from serhpo.report.compute import compute
from tests.fakes import STANDARD, FakeTrial, make_study, random_trials


def test_a_trial_carries_values_errors_and_curve_of_the_epoch_that_counts(tmp_path):
    trial = compute(make_study(tmp_path / "s")).trials[2]

    assert (trial.state, trial.epoch, trial.streams) == ("COMPLETE", 2, "mfcc+mel")
    assert trial.values == {"ua": 0.50, "ccc": 0.45}
    assert trial.errors == {"ua": 0.03, "ccc": 0.02}
    assert trial.curve.epochs == (1, 2, 3)
    assert trial.curve.values["ua"] == (0.30, 0.50, 0.48)


def test_streams_stand_apart_from_the_other_parameters(tmp_path):
    assert compute(make_study(tmp_path / "s")).trials[0].params == {"model.width": 16}


def test_the_front_runs_along_the_first_objective(tmp_path):
    numbers = compute(make_study(tmp_path / "s"))

    assert [trial.number for trial in numbers.front] == [2, 0]
    assert numbers.best("ua").number == 0
    assert numbers.best("ccc").number == 2


def test_pruned_failed_and_running_trials_show_the_last_epoch_they_reached(tmp_path):
    pruned, failed, running = compute(make_study(tmp_path / "s")).trials[3:]

    assert (pruned.rung, pruned.epoch, pruned.values["ua"]) == (1, 1, 0.30)
    assert (failed.reason, failed.epoch, failed.values["ua"]) == ("the loss is not finite", 1, 0.26)
    assert (running.epoch, running.values["ccc"], running.errors["ccc"]) == (2, 0.12, 0.02)
    assert not any(trial.on_front for trial in (pruned, failed, running))


def test_hypervolume_follows_the_order_in_which_trials_ended(tmp_path):
    steps = compute(make_study(tmp_path / "s")).hypervolume

    # Above (0.25, 0): trial 0 alone 0.35 · 0.30; trial 2 adds 0.25 · 0.15 beside it; 1 is dominated.
    assert [step.number for step in steps] == [0, 1, 2, 4, 3]
    assert [step.hypervolume for step in steps] == pytest.approx([0.105, 0.105, 0.1425, 0.1425, 0.1425])


def test_hours_begin_at_none_where_the_first_end_was_a_failure_without_an_epoch(tmp_path):
    trials = [FakeTrial("FAIL", []), FakeTrial("COMPLETE", [(0.5, 0.2)])]
    study = make_study(tmp_path / "s", trials, epochs=1, rungs=())
    assert [step.hours for step in compute(study).hypervolume] == [None, None]  # nothing is known of hours
    ledger = study.path / "epochs.jsonl"
    rows = [json.loads(line) | {"elapsed": 1800.0} for line in ledger.read_text().splitlines()]
    ledger.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [step.hours for step in compute(study).hypervolume] == [0.0, 0.5]


def test_hypervolume_ends_at_the_study_s_own(tmp_path):
    study = make_study(tmp_path / "s", random_trials(40), epochs=9, rungs=(1, 3))

    assert compute(study).hypervolume[-1].hypervolume == pytest.approx(study.hypervolume())


def test_pruning_saved_the_epochs_that_pruned_trials_did_not_take(tmp_path):
    numbers = compute(make_study(tmp_path / "s"))

    assert numbers.epochs == 3 + 3 + 3 + 1 + 1 + 2
    assert numbers.epochs_unpruned == numbers.epochs + 2


def test_a_rung_counts_who_came_and_who_was_stopped(tmp_path):
    (rung,) = compute(make_study(tmp_path / "s")).rungs

    assert (rung.epoch, rung.reached, rung.stopped) == (1, 6, 1)


def test_the_last_end_is_told_in_universal_time(tmp_path):
    ended = compute(make_study(tmp_path / "s")).last_end

    assert ended == datetime(2026, 3, 1, 12, 4).astimezone(UTC)
    assert ended.tzinfo is UTC


def test_a_front_needs_three_members_to_bend(tmp_path):
    two = compute(make_study(tmp_path / "two"))
    # The middle member lies farthest above the line through the ends.
    three = [FakeTrial("COMPLETE", [point]) for point in ((0.4, 0.5), (0.58, 0.45), (0.6, 0.1))]

    assert two.knee is None
    assert compute(make_study(tmp_path / "three", three, epochs=1, rungs=())).knee == 1


def test_baselines_keep_their_order_and_whose_configuration_it_was(tmp_path):
    numbers = compute(make_study(tmp_path / "s"))

    names = ["majority_class", "class_mean", "class_mean_posterior", "class_mean_oracle"]
    assert [row.name for row in numbers.baselines] == names
    assert numbers.baselines[1].values == {"ua": 0.58, "ccc": 0.36}
    assert numbers.baseline_trial == 1


def test_without_baselines_there_are_none(tmp_path):
    numbers = compute(make_study(tmp_path / "s", baselines=None))

    assert numbers.baselines is None
    assert numbers.baseline_trial is None


def test_without_a_ledger_the_journal_s_values_remain(tmp_path):
    numbers = compute(make_study(tmp_path / "s", ledger=False))

    assert numbers.epochs == 0
    assert numbers.trials[0].values == {"ua": 0.60, "ccc": 0.30}
    assert numbers.trials[0].errors == {}
    assert numbers.trials[5].values == {}  # running: nothing known


def test_an_empty_study_has_empty_numbers(tmp_path):
    numbers = compute(make_study(tmp_path / "s", ()))

    assert numbers.front == ()
    assert numbers.best("ua") is None
    assert numbers.hypervolume == ()
    assert numbers.last_end is None


def test_streams_are_ordered_by_size_whatever_the_order_of_trials(tmp_path):
    forward = compute(make_study(tmp_path / "f", STANDARD))
    backward = compute(make_study(tmp_path / "b", STANDARD[::-1]))

    assert forward.streams == backward.streams == ("mel", "waveform", "mfcc+mel")
