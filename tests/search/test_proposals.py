"""What is proposed: no configuration twice, by samplers that may take their time."""

import hashlib
import itertools
import json
import threading

import optuna
import pytest
from optuna.trial import TrialState
from ray.tune.search import Searcher

from serhpo.search.optuna_samplers import SAMPLERS, make_sampler, trial_seed
from serhpo.search.settings import SearchSettings
from serhpo.study import Study
from serhpo.training.config import TrialConfig

# --- What is proposed -----------------------------------------------------------------------------------


def test_a_proposal_is_a_number_a_seed_and_a_whole_configuration(drive, space):
    driver = drive()
    for number in range(3):
        _, job = driver.start()
        assert job["number"] == number
        config = TrialConfig.model_validate(job["trial"])
        params = driver.study.journal.trials[number].params
        assert config == space.trial_config(params)
        assert job["seed"] == trial_seed(5, number)


def test_a_seed_is_a_hash_of_the_studys_and_the_number():
    for seed, number in itertools.product((0, 1, 7), (0, 1, 10)):
        digest = hashlib.blake2b(f"{seed}:{number}".encode(), digest_size=4).hexdigest()
        assert trial_seed(seed, number) == int(digest, 16) >> 1
    assert len({trial_seed(seed, number) for seed in range(20) for number in range(50)}) == 1000


@pytest.mark.parametrize("sampler", sorted(SAMPLERS.keys() - {"grid"}))
def test_equal_studies_begin_alike_and_others_do_not(new_driver, sampler):
    def proposals(name, seed):
        driver = new_driver(name, sampler=sampler, seed=seed)
        return [driver.start()[1]["trial"] for _ in range(3)]

    first = proposals("a", 1)
    assert proposals("b", 1) == first
    assert proposals("c", 2) != first


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("tpe", optuna.samplers.TPESampler),
        ("gp", optuna.samplers.GPSampler),
        ("nsga2", optuna.samplers.NSGAIISampler),
        ("nsga3", optuna.samplers.NSGAIIISampler),
        ("random", optuna.samplers.RandomSampler),
        ("qmc", optuna.samplers.QMCSampler),
    ],
)
def test_a_sampler_by_its_name(name, kind):
    assert type(make_sampler(SearchSettings(sampler=name), 0)) is kind


@pytest.mark.parametrize("sampler", sorted(SAMPLERS.keys() - {"grid"}))
def test_every_sampler_learns_from_a_study_with_conditions_and_stopped_trials(new_driver, sampler):
    startup, trials = (5, 6) if sampler == "gp" else (3, 12)  # a Gaussian process takes a second

    def proposals(name):
        driver = new_driver(name, sampler=sampler, startup_trials=startup, trials=trials)
        jobs = []
        while isinstance(job := driver.search.suggest(trial := f"t{len(jobs)}"), dict):
            jobs.append(job["trial"])
            driver.train(trial, job["number"], *((0.9, 0.3), (0.2, 0.1), (0.4, 0.8))[len(jobs) % 3])
        assert {"COMPLETE", "PRUNED"} == set(driver.states().values())
        return jobs

    first = proposals("a")
    assert len(first) == trials
    assert proposals("b") == first  # one at a time and the same seed: the same study


# --- Repetitions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", sorted(SAMPLERS.keys() - {"gp"}))
def test_a_space_that_is_used_up_ends_the_search(new_driver, four, sampler):
    driver = new_driver(parameters=four, sampler=sampler, startup_trials=2)
    jobs = []
    for count in range(4):
        job = driver.search.suggest(f"t{count}")
        jobs.append((json.loads(job["trial"])["model"]["width"], json.loads(job["trial"])["batch_size"]))
        if count % 2:  # every other trial is still running when the next ones are proposed
            driver.train(f"t{count}", job["number"], 0.5 + count / 10, 0.1)
    assert sorted(jobs) == list(itertools.product((16, 32), (16, 32)))
    assert driver.search.suggest("t4") is None  # a process may still die, and its trial be handed out again
    for number in (0, 2):
        driver.train(f"t{number}", number, 0.9, 0.9)
    proposed = len(driver.study.journal.trials)
    assert driver.search.suggest("t5") == driver.search.suggest("t6") == Searcher.FINISHED
    assert len(driver.study.journal.trials) == proposed <= 4 + 20 + 20
    assert sum(driver.study.counts().values()) == 4


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_sampler_that_repeats_a_finite_branch_is_helped_out_of_it(new_driver, seed):
    """Without λ there are two configurations; a sampler that finds them good goes on proposing them."""
    names = {"choice": ["dwa", "uncertainty", "fixed"]}
    weight = {"float": [0.0, 1.0], "when": {"weighting.name": "fixed"}}
    space = {"weighting.name": names, "weighting.lambda": weight}
    driver = new_driver(parameters=space, sampler="tpe", startup_trials=4, trials=40, seed=seed)
    for _ in range(40):
        trial, job = driver.start()
        good = job["trial"]["weighting"]["name"] != "fixed"
        driver.train(trial, job["number"], *((0.9, 0.9) if good else (0.3, 0.1)))
    assert driver.search.suggest("more") == Searcher.FINISHED
    assert not driver.search.exhausted
    params = [trial.params for trial in Study(driver.study.path).trials()]
    assert len({json.dumps(one, sort_keys=True) for one in params}) == 40


def test_a_repetition_takes_the_stored_result_and_does_not_count(new_driver, four):
    driver = new_driver(parameters=four)
    for end in ("COMPLETE", "COMPLETE", "PRUNED", "RUNNING"):
        trial, job = driver.start()
        if end == "COMPLETE":
            driver.train(trial, job["number"], 0.9, 0.9)
        elif end == "PRUNED":
            driver.train(trial, job["number"], 0.1, 0.1)
    assert driver.search.suggest("x") is None
    frozen = driver.study.journal.trials
    counted = [trial for trial in frozen if "duplicate_of" not in trial.user_attrs]
    repeated = [trial for trial in frozen if "duplicate_of" in trial.user_attrs]
    assert [trial.state.name for trial in counted] == ["COMPLETE", "COMPLETE", "PRUNED", "RUNNING"]
    assert len(repeated) >= 20
    by_number = {trial.number: trial for trial in counted}
    for trial in repeated:
        twin = by_number[trial.user_attrs["duplicate_of"]]  # the trial itself, not another repetition
        assert trial.params == twin.params
        assert trial.state == (
            TrialState.COMPLETE if twin.state == TrialState.COMPLETE else TrialState.PRUNED
        )
        assert trial.values == twin.values
    assert driver.study.counts() == {"COMPLETE": 2, "PRUNED": 1, "FAIL": 0, "RUNNING": 1, "WAITING": 0}
    assert {trial.number for trial in driver.study.front()} <= set(by_number)
    assert len(driver.ended) == 3


def test_a_failed_configuration_may_be_tried_again(new_driver):
    driver = new_driver(parameters={"model.width": {"choice": [16]}})
    trial, _ = driver.start()
    driver.search.on_trial_complete(trial, {"failed": "bad luck"})
    _, job = driver.start()
    assert job["number"] == 1
    assert driver.states() == {0: "FAIL", 1: "RUNNING"}


def test_a_proposal_that_is_no_configuration_is_not_handed_out(new_driver, uneven):
    driver = new_driver(parameters=uneven, checked=False, trials=12)
    jobs = []
    while isinstance(job := driver.search.suggest(f"t{len(jobs)}"), dict):
        jobs.append(json.loads(job["trial"])["model"])
    assert driver.record.fatal is None
    assert {(model["width"], model["heads"]) for model in jobs} == {(16, 2), (16, 16), (24, 2)}


def test_proposals_that_are_no_configuration_count_as_trials_that_failed(new_driver):
    hopeless = {"model.width": {"choice": [24]}, "model.heads": {"choice": [16]}}
    driver = new_driver(parameters=hopeless, checked=False, trials=3)
    assert driver.search.suggest("t") == Searcher.FINISHED
    assert driver.states() == dict.fromkeys(range(3), "FAIL")
    assert "heads must divide width" in driver.ended[0].notes["reason"]


def test_a_space_that_is_nearly_used_up_is_used_up(new_driver):
    parameters = {"model.width": {"choice": [16, 32]}, "batch_size": {"int": [16, 115]}}
    driver = new_driver(parameters=parameters, trials=500)
    seen = set()
    while isinstance(job := driver.search.suggest(trial := f"t{len(seen)}"), dict):
        config = json.loads(job["trial"])
        seen.add((config["model"]["width"], config["batch_size"]))
        driver.search.on_trial_complete(trial, {"failed": "x"} if len(seen) == 1 else {})
        driver.search._tell(job["number"], TrialState.PRUNED, {})  # its epochs do not matter here
    assert job == Searcher.FINISHED
    assert len(seen) == 200
    assert driver.search.exhausted


# --- A sampler that is slow -----------------------------------------------------------------------------


@pytest.fixture
def slow(new_driver, monkeypatch):
    """A search of three workers whose sampler answers only while ``gate`` is open."""
    driver = new_driver(trials=12, sampler="tpe", startup_trials=2)
    driver.gate = threading.Event()
    driver.gate.set()
    ask = driver.search._ot_study.ask

    def ask_when_open():
        assert driver.gate.wait(60)
        return ask()

    monkeypatch.setattr(driver.search._ot_study, "ask", ask_when_open)
    return driver


def test_nobody_waits_for_a_sampler_that_thinks(slow):
    trial, job = slow.start()
    slow.gate.clear()
    slow.search.wait_s = 0.0
    assert slow.search.suggest("a") is None
    slow.train(trial, job["number"], 0.9, 0.9)  # all its epochs, and its end
    assert slow.states() == {0: "RUNNING"}  # written after the proposal, which is made without it
    slow.gate.set()
    assert slow.search.suggest("b")["number"] == 1  # where nothing runs, nobody is kept waiting
    slow.search.settle()
    assert slow.states() == {0: "COMPLETE", 1: "RUNNING"}
    assert [record.number for record in slow.ended] == [0]


def test_a_trial_that_dies_while_the_sampler_finds_nothing_is_handed_out_again(new_driver, monkeypatch):
    driver = new_driver(trials=2)
    (trial, job), _ = driver.start(), driver.start()
    gate, look = threading.Event(), driver.search._proposals.next
    monkeypatch.setattr(driver.search._proposals, "next", lambda: gate.wait(60) and look())
    driver.search.wait_s = 0.0
    assert driver.search.suggest("a") is None
    driver.search.on_trial_complete(trial, None, error=True)
    driver.search.on_trial_complete("tune2", {"failed": "x"})
    gate.set()
    assert driver.search.suggest("b")["number"] == job["number"]


def test_the_same_order_of_results_gives_the_same_proposals_however_long_they_take(new_driver):
    def proposals(name, wait_s):
        driver = new_driver(name, trials=14, sampler="tpe", startup_trials=2)
        driver.search.wait_s = wait_s
        configs, running = {}, []

        def fill():
            while len(running) < 3 and len(configs) < 14:
                while not isinstance(job := driver.search.suggest(f"t{len(configs)}"), dict):
                    assert job is None
                running.append((f"t{len(configs)}", job["number"]))
                configs[job["number"]] = job["trial"]

        fill()
        while running:
            trial, number = running.pop(len(configs) % len(running))
            driver.train(trial, number, 0.3 + number / 30, 0.8 - number / 30)
            fill()
        return configs

    assert proposals("patient", 60.0) == proposals("hasty", 0.0)
