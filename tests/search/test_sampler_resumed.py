import optuna
import pytest
from optuna.trial import TrialState
from ray.tune.search import Searcher

from serhpo.training.config import TrialConfig


def test_interrupted_trials_come_first_with_their_number_seed_and_configuration(drive):
    killed = drive()
    started = [killed.start() for _ in range(4)]
    killed.train(*started[1][:1], 1, 0.9, 0.9)
    killed.epoch(started[3][0], 3, 1, 0.95, 0.95)
    resumed = drive()
    assert resumed.search.to_continue == 3
    jobs = [resumed.start()[1] for _ in range(4)]
    known = {0: 0, 2: 0, 3: 1}  # epochs that need not be reported again
    assert jobs[:3] == [{**started[number][1], "known": known[number]} for number in (0, 2, 3)]
    assert jobs[3]["number"] == 4
    assert resumed.ended == []
    assert resumed.states() == {0: "RUNNING", 1: "COMPLETE", 2: "RUNNING", 3: "RUNNING", 4: "RUNNING"}


def test_a_resumed_trial_ends_as_if_it_had_never_stopped(drive):
    killed = drive()
    killed.train(killed.start()[0], 0, 0.9, 0.9)
    trial, _ = killed.start()
    for epoch in (1, 2):
        killed.epoch(trial, 1, epoch, 0.95, 0.9)
    resumed = drive()
    trial, job = resumed.start()
    resumed.epoch(trial, job["number"], 2, 0.95, 0.9)  # the epoch whose report was lost, or was not
    assert resumed.train(trial, job["number"], 0.1, 0.1, first=3) == 3
    assert resumed.states() == {0: "COMPLETE", 1: "PRUNED"}
    assert [(r["trial"], r["epoch"]) for r in resumed.study.epochs()][9:] == [(1, 1), (1, 2), (1, 3)]


def test_ends_that_stand_in_the_ledger_are_told_at_once(drive, study):
    killed = drive()
    for number, goal in enumerate([(0.9, 0.9), (0.95, 0.95), (0.1, 0.1), (0.99, 0.99)]):
        trial, _ = killed.start()
        # Killed between the last epoch and the telling: the ledger is ahead of the journal.
        killed.search.on_trial_complete = lambda *_: None
        if number < 3:
            killed.train(trial, number, *goal)
        else:
            killed.epoch(trial, number, 1, *goal)
    assert set(killed.states().values()) == {"RUNNING"}
    resumed = drive()
    assert resumed.states() == {0: "COMPLETE", 1: "COMPLETE", 2: "PRUNED", 3: "RUNNING"}
    assert [trial.number for trial in resumed.ended] == [0, 1, 2]
    assert resumed.study.trials()[1].values == {"ua": 0.95, "ccc": 0.95}
    assert resumed.study.trials()[2].epoch == 1
    assert resumed.search.to_continue == 1
    assert drive().ended == []  # a third driver has nothing left to tell


def test_a_trial_killed_between_its_notes_and_its_state_is_told_in_full(drive):
    killed = drive()
    trial, _ = killed.start()
    storage = killed.study.journal._storage
    storage.set_trial_user_attr(killed.study.journal.trials[0]._trial_id, "epoch", 9)
    killed.search.on_trial_complete = lambda *_: None
    killed.train(trial, 0, 0.9, 0.8)
    record = drive().study.trials()[0]
    assert (record.state, record.epoch, record.values) == ("COMPLETE", 9, {"ua": 0.9, "ccc": 0.8})


def test_a_trial_that_was_about_to_fail_and_completes_after_all_has_no_reason(drive):
    killed = drive()
    trial, _ = killed.start()
    storage = killed.study.journal._storage
    storage.set_trial_user_attr(killed.study.journal.trials[0]._trial_id, "reason", "its process died")
    killed.search.on_trial_complete = lambda *_: None
    killed.train(trial, 0, 0.9, 0.8)
    assert "reason" not in drive().study.trials()[0].notes


@pytest.mark.parametrize("asked", [0, 1, 2, 3, 4])
def test_a_trial_killed_while_being_proposed_gets_the_values_it_lacks(drive, study, space, asked):
    trial = study.journal.ask()
    steps = [
        ("streams", lambda: trial.suggest_categorical("streams", ("mfcc", "mel", "mfcc+mel"))),
        ("model.width", lambda: trial.suggest_categorical("model.width", (16, 32))),
        ("model.dropout", lambda: trial.suggest_float("model.dropout", 0.0, 0.4)),
        ("weighting.name", lambda: trial.suggest_categorical("weighting.name", ("fixed", "dwa"))),
    ]
    kept = {name: suggest() for name, suggest in steps[:asked]}
    driver = drive()
    assert driver.search.to_continue == 1
    _, job = driver.start()
    params = driver.study.journal.trials[0].params
    assert job["number"] == 0
    assert {name: params[name] for name in kept} == kept
    assert set(space.parameters) - set(params) <= {"weighting.lambda"}
    assert ("weighting.lambda" in params) == (params["weighting.name"] == "fixed")
    assert TrialConfig.model_validate(job["trial"]) == space.trial_config(params)
    assert drive().start()[1] == job  # the same once more, after another kill


def test_a_trial_killed_as_no_configuration_does_not_block_the_study(new_driver, uneven):
    driver = new_driver(parameters=uneven, checked=False)
    trial = driver.study.journal.ask()
    for name, parameter in uneven.items():
        kind = optuna.distributions.CategoricalDistribution(parameter["choice"])
        driver.study.journal._storage.set_trial_param(trial._trial_id, name, 1, kind)  # the second choice
    resumed = type(driver)(driver.study, driver.search._search_space)
    assert resumed.states()[0] == "FAIL"
    assert resumed.search.to_continue == 0
    assert isinstance(resumed.search.suggest("t"), dict)


def test_a_repetition_killed_before_its_state_was_told_stays_uncounted(new_driver, four):
    driver = new_driver(parameters=four)
    trial, _ = driver.start()
    driver.train(trial, 0, 0.9, 0.9)
    torn = driver.study.journal.ask(dict(driver.study.journal.trials[0].distributions))
    torn.set_user_attr("duplicate_of", 0)
    resumed = type(driver)(driver.study, driver.search._search_space)
    assert resumed.search.to_continue == 0
    assert resumed.study.journal.trials[1].state == TrialState.PRUNED
    assert resumed.study.counts()["PRUNED"] == 0
    assert resumed.ended == []


def test_a_repetition_killed_before_it_was_noted_as_one_stays_uncounted(new_driver, four):
    driver = new_driver(parameters=four)
    trial, _ = driver.start()
    driver.train(trial, 0, 0.9, 0.9)
    first = driver.study.journal.trials[0]
    driver.study.journal.enqueue_trial(first.params)
    driver.search._search_space.suggest(driver.study.journal.ask())
    resumed = type(driver)(driver.study, driver.search._search_space)
    assert resumed.search.to_continue == 0
    assert resumed.study.counts()["COMPLETE"] == 1
    assert resumed.study.journal.trials[1].values == first.values
    assert resumed.states() == {0: "COMPLETE"}


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_a_resumed_sampler_goes_on_instead_of_beginning_again(new_driver, sampler):
    first = new_driver(sampler=sampler)
    before = [first.start()[1]["trial"]["model"]["dropout"] for _ in range(3)]
    resumed = type(first)(first.study, first.search._search_space)
    continued = [resumed.start()[1]["trial"]["model"]["dropout"] for _ in range(3)]
    new = [resumed.start()[1]["trial"]["model"]["dropout"] for _ in range(3)]
    assert continued == before
    assert not set(new) & set(before)
    assert len(set(new)) == 3


def test_a_search_hands_out_as_many_trials_as_were_asked_for_however_often_it_is_killed(drive, study):
    seen = []
    for _ in range(4):
        driver = drive()
        assert driver.search.missing == 6 - len(study.trials()) + driver.search.to_continue
        for _ in range(3):
            job = driver.search.suggest(trial := f"t{len(seen)}")
            if isinstance(job, dict):
                seen.append(job["number"])
                if job["number"] % 2:
                    driver.train(trial, job["number"], 0.5, 0.5)
    driver = drive()
    while isinstance(job := driver.search.suggest("t"), dict):
        driver.search.on_trial_complete("t", {"failed": "x"})
        seen.append(job["number"])
    assert job == Searcher.FINISHED
    assert set(seen) == set(range(6)) == set(driver.states())
    assert driver.study.counts()["RUNNING"] == 0
    assert driver.search.missing == 0
    study.journal.set_user_attr("asked", 8)
    grown = drive()
    assert (grown.search.missing, grown.search.to_continue) == (2, 0)
    assert [grown.start()[1]["number"] for _ in range(2)] == [6, 7]
    assert grown.search.suggest("t") is None


def test_checkpoints_that_a_killed_driver_had_no_time_to_clear_are_cleared(drive, study):
    driver = drive()
    for number, score in enumerate((0.4, 0.9)):
        trial, _ = driver.start()
        driver.train(trial, number, score, score)
    for number in (0, 1):
        for name in ("last", "best"):
            (study.trial_folder(number) / name).mkdir(parents=True, exist_ok=True)
    drive()
    left = {str(path.relative_to(study.path)) for path in study.path.glob("trials/*/*")}
    assert left == {"trials/1/best"}  # the front's
