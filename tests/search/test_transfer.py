"""Configurations that come from files, spaces and other studies."""

import json
from pathlib import Path

import pytest

from serhpo.corpus.folds import Fold
from serhpo.errors import LeakageError, SpaceError, StudyError, UsageError
from serhpo.search.sampler import StudySearch
from serhpo.search.space import load_space
from serhpo.search.transfer import enqueued, fit, refuse_leak, warm_trials, whole
from serhpo.study import Study
from tests.search.conftest import Driver, make_space, make_study

FOLDS = [Fold("1", ("1F", "1M"), ("2F", "2M"), ("3F", "3M"))]
WHOLE = {"streams": "mfcc+mel", "model.width": 32, "model.dropout": 0.25, "weighting.name": "dwa"}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SERHPO_HOME", str(tmp_path))
    return tmp_path / "studies"


@pytest.fixture
def other(home, space):
    """A finished study of the same space; trials that ended: all but the last."""
    study = make_study(home / "other", space)
    driver = Driver(study, space)
    for ua in (0.5, 0.7, 0.3):
        trial, job = driver.start()
        driver.train(trial, job["number"], ua, ua / 2)
    driver.start()
    return study


def read(space, source):
    return enqueued(space, str(source), FOLDS, "data")


def test_a_configuration_and_its_assignment_are_each_other(space):
    for draw in (WHOLE, {**WHOLE, "weighting.name": "fixed", "weighting.lambda": 0.5, "streams": "mel"}):
        assert fit(space, whole(space, draw)) == (draw, [])


def test_a_configuration_outside_a_space_says_why(space):
    config = whole(space, WHOLE)
    _, reasons = fit(space, {**config, "model": {**config["model"], "width": 48}, "streams": ["waveform"]})
    assert [reason.split(" (")[0] for reason in reasons] == [
        "streams = waveform is not in the space",
        "model.width = 48 is not in the space",
    ]
    assert fit(space, {**config, "batch_size": 64})[1] == ["batch_size is 64, and 16 here"]
    assert fit(space, {**config, "epochs": 1})[1] == []  # the search's own affair


def test_files_hold_dotted_or_nested_partial_or_whole_configurations(space, tmp_path):
    file = tmp_path / "first.yaml"
    file.write_text(
        "- {streams: [mel, mfcc], model.width: 16}\n"
        "- {streams: mel, model: {dropout: 0.1}, weighting: {name: fixed, lambda: 5e-1}}\n"
    )
    assert read(space, file).assignments == (
        {"streams": "mfcc+mel", "model.width": 16},
        {"streams": "mel", "model.dropout": 0.1, "weighting.name": "fixed", "weighting.lambda": 0.5},
    )
    job = tmp_path / "config.json"
    job.write_text(json.dumps({"number": 3, "seed": 1, "trial": whole(space, WHOLE)}))
    assert read(space, job).assignments == (WHOLE,)


def test_a_value_brings_what_it_depends_on_or_asks_for_it(space, tmp_path):
    file = tmp_path / "first.yaml"
    file.write_text("- {weighting.lambda: 0.5}\n")  # without `fixed` the sampler might choose another scheme
    assert read(space, file).assignments == ({"weighting.lambda": 0.5, "weighting.name": "fixed"},)
    file.write_text("- {model.heads: 2}\n")
    with pytest.raises(SpaceError) as caught:
        read(load_space("full"), file)
    (problem,) = caught.value.problems
    assert problem.what.startswith("needs model.self_attention beside it")


def test_every_mistake_of_a_file_is_told_at_once(space, tmp_path):
    file = tmp_path / "first.yaml"
    file.write_text(
        "- {streams: mfcc+mle, model.widht: 16, model.dropout: 0.9}\n"
        "- {weighting.name: dwa, weighting.lambda: 0.5}\n- 7\n"
    )
    with pytest.raises(SpaceError) as caught:
        read(space, file)
    told = {problem.key: problem.what for problem in caught.value.problems}
    assert list(told) == [
        "configuration 1: streams",
        "configuration 1: model.widht",
        "configuration 1: model.dropout",
        "configuration 2: weighting.lambda",
        "configuration 3",
    ]
    assert "Did you mean `mfcc+mel`?" in told["configuration 1: streams"]
    assert "Did you mean `model.width`?" in told["configuration 1: model.widht"]
    assert "allowed: float [0, 0.4]" in told["configuration 1: model.dropout"]
    assert "only when weighting.name = fixed" in told["configuration 2: weighting.lambda"]


def test_the_papers_configurations_fit_where_their_streams_are():
    found = enqueued(load_space("paper"), "paper", FOLDS, "data")
    assert len(found.assignments) == 2
    assert not found.dropped
    file = Path(__file__).parents[2] / "search_spaces" / "paper.yaml"
    assert enqueued(load_space("paper"), str(file), FOLDS, "data").assignments == found.assignments
    full = enqueued(load_space("full"), "paper", FOLDS, "data")
    assert [a["streams"] for a in full.assignments] == ["mfcc+short_term+mel+waveform"]
    assert "wav2vec2" in full.dropped[0]


def test_the_front_of_a_study_goes_by_its_name(space, other):
    found = read(space, "other")
    assert list(found.assignments) == [trial.params for trial in other.front()]
    narrow = make_space({"model.width": {"choice": [16, 32]}})
    assert read(narrow, "other").assignments == ()
    assert len(read(narrow, "other").dropped) == len(other.front())


def test_an_unknown_name_lists_what_there_is(space, home):
    with pytest.raises(UsageError, match="papr") as caught:
        read(space, "papr")
    assert "paper" in caught.value.hint
    with pytest.raises(UsageError, match="Cannot read"):
        read(space, "missing.yaml")


def test_enqueued_configurations_are_the_first_trials_and_count(home, space):
    first = [WHOLE, {"streams": "mel", "model.width": 16}, WHOLE]
    study = make_study(home / "mine", space, enqueue=first)
    driver = Driver(study, space)
    assert driver.search.missing == 6
    jobs = [driver.start()[1] for _ in range(3)]
    trials = {trial.number: trial.params for trial in Study(study.path).trials()}
    assert trials[jobs[0]["number"]] == WHOLE
    assert trials[jobs[1]["number"]].items() >= first[1].items()
    assert trials[jobs[2]["number"]] != WHOLE  # the repeated one is not trained again
    again = Driver(study, space)  # killed here: those handed out go on
    assert again.search.to_continue == 3
    assert again.search.missing == 6
    assert again.start()[1]["trial"] == jobs[0]["trial"]


def test_the_trials_of_another_study_teach_the_sampler_and_count_for_nothing_else(home, space, other):
    trials, dropped = warm_trials(space, other)
    assert dropped == {"its state is RUNNING": 1}
    study = make_study(home / "mine", space, warm=trials)
    driver = Driver(study, space)
    assert driver.search.missing == 6
    assert sum(study.counts().values()) == 0
    assert study.front() == []
    values = [trial.values for trial in driver.search._ot_study.get_trials() if trial.values]
    assert values == [list(t.values.values()) for t in other.trials() if t.state == "COMPLETE"]
    _, job = driver.start()
    assert job["number"] == len(trials)
    assert study.counts()["RUNNING"] == 1


def test_a_trial_of_another_study_is_no_reason_not_to_measure_it_here(home, space, other):
    best = other.front()[0]
    study = make_study(home / "mine", space, warm=warm_trials(space, other)[0], enqueue=[best.params])
    driver = Driver(study, space)
    _, job = driver.start()
    assert study.trials()[0].params == best.params
    assert isinstance(driver.search, StudySearch)
    assert study.trials()[0].number == job["number"]


def test_a_study_that_does_not_compare_is_refused(home, space, other):
    with pytest.raises(StudyError, match="number of epochs"):
        warm_trials(make_space(epochs=4), other)
    with pytest.raises(StudyError, match="did not measure parameters"):
        warm_trials(make_space(objectives=["ua", "ccc", "parameters"]), other)
    with pytest.raises(StudyError, match="No trial of the other study fits"):
        warm_trials(make_space({"streams": {"subset": ["waveform"]}}), other)


@pytest.mark.parametrize(
    ("train", "test", "corpus", "leaks"),
    [
        (["1F"], ["3F"], "data", False),  # both keep 3 for the end
        (["1F", "3F"], [], "data", True),
        (["3M"], ["1F"], "data", True),
        (["3M"], ["1F"], "elsewhere", False),
    ],
)
def test_what_saw_the_held_out_speakers_is_refused(home, space, train, test, corpus, leaks):
    lock = {"folds": [{"name": "1", "train": train, "validation": ["2F"], "test": test}]}
    study = make_study(home / "theirs", space, lock=lock)
    if leaks:
        with pytest.raises(LeakageError, match="`theirs` has seen"):
            refuse_leak(study, FOLDS, corpus)
    else:
        refuse_leak(study, FOLDS, corpus)


def test_speakers_that_every_fold_tests_once_are_not_held_out(home, space):
    turns = [Fold("1", ("1F",), ("2F",), ("3F",)), Fold("2", ("2F",), ("3F",), ("1F",))]
    lock = {"folds": [{"name": "1", "train": ["3F", "1F"], "validation": ["2F"], "test": []}]}
    refuse_leak(make_study(home / "theirs", space, lock=lock), turns, "data")
