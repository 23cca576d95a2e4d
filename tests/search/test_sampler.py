import errno
import hashlib
import itertools
import json
import pickle
import threading

import optuna
import pytest
from optuna.trial import TrialState
from ray.tune.search import Searcher

from serhpo.errors import StorageError
from serhpo.search import deaths
from serhpo.search.optuna_samplers import SAMPLERS, make_sampler, trial_seed
from serhpo.search.settings import SearchSettings
from serhpo.study import Study
from serhpo.training.config import TrialConfig

# --- How a trial ends -----------------------------------------------------------------------------------


def test_a_trial_that_reaches_its_last_epoch_is_complete_with_its_best_one(drive):
    driver = drive()
    trial, job = driver.start()
    curve = [
        (0.3, 0.1),
        (0.5, 0.2),
        (0.6, 0.4),
        (0.7, 0.25),
        (0.4, 0.55),
        (0.1, 0.1),
        (0, 0),
        (0, 0),
        (0.9, 0.0),
    ]
    for epoch, (ua, ccc) in enumerate(curve, start=1):
        driver.epoch(trial, job["number"], epoch, ua, ccc)
    (record,) = Study(driver.study.path).trials()
    # (0.6 + 0.4), the best sum, at epoch 3; never UA of one epoch and CCC of another.
    assert (record.state, record.epoch, record.values) == ("COMPLETE", 3, {"ua": 0.6, "ccc": 0.4})
    assert driver.ended == [record]
    assert driver.study.journal.trials[0].values == [0.6, 0.4]


def test_a_stopped_trial_is_pruned_with_its_last_values_epoch_and_rung(drive):
    driver = drive()
    good, job = driver.start()
    driver.train(good, job["number"], 0.9, 0.9)
    trial, job = driver.start()
    assert driver.epoch(trial, job["number"], 1, 0.95, 0.05)  # leads in UA, goes on to rung 3
    assert driver.epoch(trial, job["number"], 2, 0.8, 0.5)
    assert not driver.epoch(trial, job["number"], 3, 0.2, 0.15)
    record = Study(driver.study.path).trials()[1]
    assert (record.state, record.epoch, record.values) == ("PRUNED", 3, {"ua": 0.2, "ccc": 0.15})
    assert record.notes["rung"] == 3
    assert driver.ended[-1] == record
    frozen = driver.study.journal.trials[1]
    assert frozen.values is None  # Optuna's pruned trials of several objectives have none
    assert frozen.user_attrs["values"] == {"ua": 0.2, "ccc": 0.15}
    assert [t.number for t in driver.study.journal.best_trials] == [0]
    assert [t.number for t in driver.study.front()] == [0]


def test_a_trial_that_is_not_finite_has_failed_and_says_why(drive):
    driver = drive()
    trial, job = driver.start()
    driver.epoch(trial, job["number"], 1, 0.4, 0.1)
    driver.search.on_trial_complete(trial, {"trial": 0, "failed": "A prediction is not finite", "done": True})
    record = Study(driver.study.path).trials()[0]
    assert (record.state, record.epoch, record.values) == ("FAIL", 1, None)
    assert record.notes["reason"] == "A prediction is not finite"
    assert driver.ended == [record]
    assert driver.study.front() == []


def test_a_worker_that_raised_is_not_tried_again_and_says_why(new_driver):
    driver = new_driver(max_failures=2)
    trial, _ = driver.start()
    driver.search._record.errors[0] = "Traceback ...\nray.exceptions.RayTaskError(ValueError): no such GPU"
    driver.search.on_trial_complete(trial, None, error=True)
    (record,) = driver.ended
    assert record.state == "FAIL"
    assert "no such GPU" in record.notes["reason"]


def test_a_trial_whose_process_died_goes_on_until_it_has_died_too_often(new_driver):
    driver = new_driver(max_failures=2)
    trial, job = driver.start()
    driver.epoch(trial, 0, 1, 0.4, 0.1)
    for _ in range(2):
        driver.search.on_trial_complete(trial, {"trial": 0, "epoch": 1}, error=True)
        assert driver.states() == {0: "RUNNING"}
        trial, again = driver.start()
        assert again == {**job, "known": 1}
    driver.search.on_trial_complete(trial, None, error=True)
    record = Study(driver.study.path).trials()[0]
    assert (record.state, record.epoch) == ("FAIL", 1)
    assert "died 3 times" in record.notes["reason"]
    assert driver.start()[1]["number"] == 1


def test_a_trial_that_may_not_die_at_all_says_that_it_died_once(new_driver):
    driver = new_driver(max_failures=0)
    trial, _ = driver.start()
    driver.search.on_trial_complete(trial, None, error=True)
    assert Study(driver.study.path).trials()[0].notes["reason"].startswith("its process died once; ")


@pytest.mark.parametrize(
    ("silent_s", "words", "hung"), [(7.0, "", True), (4.0, "", False), (7.0, "node", False)]
)
def test_a_process_that_ended_after_the_time_limit_hung_unless_its_machine_was_lost(
    new_driver, monkeypatch, silent_s, words, hung
):
    driver = new_driver(max_failures=2, epoch_limit_s=5.0)
    trial, _ = driver.start()
    driver.record.heard[trial] = 100.0
    monkeypatch.setattr("serhpo.search.sampler.monotonic", lambda: 100.0 + silent_s)
    driver.record.errors[0] = deaths.LOST_MACHINE[0] if words else "ActorDiedError: exit code 1"
    driver.search.on_trial_complete(trial, None, error=True)
    assert driver.states() == {0: "FAIL" if hung else "RUNNING"}
    if hung:  # on a store its traceback is lost, not why it failed
        assert driver.ended[0].notes["reason"] == "epoch 1 took longer than search.epoch_limit_s (5 s)"


@pytest.mark.parametrize("words", deaths.LOST_MACHINE)
def test_a_machine_that_is_lost_is_no_fault_of_its_trial_while_the_trial_gets_on(new_driver, words):
    driver = new_driver(max_failures=0)
    trial, _ = driver.start()

    def lose():
        driver.search._record.errors[0] = f"ray.exceptions.ActorDiedError: The actor 7 {words}. Node Id: 1"
        driver.search.on_trial_complete(trial, None, error=True)

    for _ in range(deaths.LOSSES):
        lose()
        assert driver.states() == {0: "RUNNING"}
        trial, _ = driver.start()
    driver.epoch(trial, 0, 1, 0.4, 0.1)  # it gets on: the count begins anew
    for _ in range(deaths.LOSSES):
        lose()
        trial, _ = driver.start()
    lose()
    record = Study(driver.study.path).trials()[0]
    assert (record.state, record.epoch) == ("FAIL", 1)
    assert f"machine was lost {deaths.LOSSES + 1} times" in record.notes["reason"]


def test_a_late_word_on_a_process_that_died_does_not_end_its_successor(new_driver):
    driver = new_driver(max_failures=2)
    first, job = driver.start()
    driver.search.on_trial_complete(first, None, error=True)
    second, again = driver.start()
    assert again == job
    driver.search.on_trial_complete(first, None, error=True)
    assert driver.start()[1]["number"] == 1  # and not the first trial a second time beside itself
    driver.train(second, 0, 0.9, 0.9)
    assert driver.states() == {0: "COMPLETE", 1: "RUNNING"}


@pytest.mark.parametrize("epochs", [0, 2])
def test_a_search_that_is_stopped_leaves_its_trials_running(drive, epochs):
    driver = drive()
    trial, job = driver.start()
    for epoch in range(1, epochs + 1):
        driver.epoch(trial, job["number"], epoch, 0.4, 0.1)
    driver.search.on_trial_complete(trial, {"trial": 0, "epoch": epochs, "done": True} if epochs else None)
    assert driver.states() == {0: "RUNNING"}
    assert driver.ended == []


def test_an_end_is_told_once(drive):
    driver = drive()
    trial, job = driver.start()
    driver.train(trial, job["number"], 0.9, 0.9)
    for repeat in ({"failed": "late"}, {"epoch": 9}, None):
        driver.search.on_trial_complete(trial, repeat, error=repeat is None)
    driver.search.on_trial_complete("unknown to this search", {"failed": "x"})
    assert driver.states() == {0: "COMPLETE"}
    assert len(driver.ended) == 1
    assert "reason" not in Study(driver.study.path).trials()[0].notes


def test_checkpoints_are_kept_for_the_front_and_for_who_still_runs(drive):
    driver = drive()
    # A front of 0 and 1; then 2 beats 1; 3 is cut; 4 fails; 5 still runs.
    goals = [(0.9, 0.3), (0.5, 0.6), (0.6, 0.7), (0.3, 0.1)]
    for number in range(6):
        trial, job = driver.start()
        for name in ("last", "best"):
            (driver.study.trial_folder(job["number"]) / name).mkdir(parents=True)
        (driver.study.trial_folder(job["number"]) / "config.json").write_text("{}")
        if number < 4:
            driver.train(trial, number, *goals[number])
        elif number == 4:
            driver.search.on_trial_complete(trial, {"failed": "x"})
    assert driver.states() == dict(enumerate(["COMPLETE"] * 3 + ["PRUNED", "FAIL", "RUNNING"]))
    kept = {(p.parent.name, p.name) for p in driver.study.path.glob("trials/*/*") if p.is_dir()}
    assert kept == {("0", "best"), ("2", "best"), ("5", "best"), ("5", "last")}
    assert len(list(driver.study.path.glob("trials/*/config.json"))) == 6


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


# --- Tune, and a disk that is full ----------------------------------------------------------------------


def test_nothing_of_a_search_gets_into_tunes_snapshot(drive, tmp_path):
    search = drive().search
    assert type(pickle.loads(pickle.dumps(search))) is Searcher
    search.save(str(tmp_path / "snapshot.pkl"))
    assert not (tmp_path / "snapshot.pkl").exists()


def test_a_full_disk_ends_the_search_without_an_error_in_tunes_loop(drive, monkeypatch):
    driver = drive()
    trial, job = driver.start()

    def full(logs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(driver.study.journal._storage._backend, "append_logs", full)
    assert driver.search.suggest("next") == "FINISHED"  # with None, Tune would wait
    driver.train(trial, job["number"], 0.9, 0.9)
    assert isinstance(driver.record.fatal, StorageError)
    assert "full" in driver.record.fatal.what
    monkeypatch.undo()
    resumed = drive()
    assert resumed.states()[0] == "COMPLETE"  # its epochs were written; the telling is made up for
    assert resumed.record.fatal is None


def test_after_a_torn_write_nothing_more_is_written(drive, monkeypatch):
    driver = drive()
    one, two = driver.start(), driver.start()
    backend = driver.study.journal._storage._backend
    journal = driver.study.path / "journal.log"
    whole = journal.read_bytes()

    def torn(logs):
        monkeypatch.undo()  # the next write would find room again, and spoil the journal for good
        with journal.open("ab") as file:
            file.write(json.dumps(logs[0]).encode()[:7])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(backend, "append_logs", torn)
    driver.search.on_trial_complete(one[0], {"failed": "x"})
    assert driver.record.fatal is not None
    driver.search.on_trial_complete(two[0], {"failed": "x"})
    assert driver.search.suggest("more") == "FINISHED"
    with driver.study.driving():
        assert journal.read_bytes() == whole
    assert drive().search.to_continue == 2


@pytest.mark.parametrize("room", [0, 1, 40])
def test_a_journal_that_the_kernel_cuts_off_is_mended_and_goes_on(drive, small_files, room):
    driver = drive()
    trial, job = driver.start()
    journal = driver.study.path / "journal.log"
    with small_files(journal.stat().st_size + room):
        driver.search.on_trial_complete(trial, {"failed": "x"})
        assert isinstance(driver.record.fatal, StorageError)
        assert driver.search.suggest("more") == "FINISHED"
    with driver.study.driving():  # as the next driver does first
        assert journal.read_bytes().endswith(b"\n")
    resumed = drive()
    assert resumed.search.to_continue == 1
    again, same = resumed.start()
    assert same == job
    assert resumed.train(again, job["number"], 0.9, 0.9) == 9
    assert resumed.states()[0] == "COMPLETE"


def test_a_trial_whose_epoch_hung_fails_and_is_not_tried_again(new_driver):
    driver = new_driver()
    trial, job = driver.start()
    driver.epoch(trial, job["number"], 1, 0.5, 0.2)
    hung = driver.study.trial_folder(job["number"]) / "hung.txt"
    hung.parent.mkdir(parents=True)
    hung.write_text("Timeout (2:00:00)!\n")
    driver.search.on_trial_complete(trial, error=True)
    (record,) = driver.ended
    assert record.state == "FAIL"
    assert record.notes["reason"].startswith("epoch 2 took longer than search.epoch_limit_s (7200 s)")
    assert driver.start()[1]["number"] != job["number"]
