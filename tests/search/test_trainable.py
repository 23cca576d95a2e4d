"""A trial in its worker, without Ray around it: what it reports and which checkpoints it leaves."""

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from safetensors.numpy import load_file

from serhpo.errors import StorageError
from serhpo.search.trainable import TrialTrainable
from serhpo.study.store import StudyStore
from serhpo.training.checkpoint import read_checkpoint
from serhpo.training.trainer import TrialTraining
from serhpo.training.uncertainty import paired_error
from tests.training.conftest import FOLDS, make_config, make_data

CONFIG = make_config(streams=("mfcc",), epochs=4)


@pytest.fixture
def worker(tmp_path):
    """Makes a process' worth of trainable, at the trial ``number`` with ``known`` epochs in the ledger."""
    data = make_data(per_speaker=8, streams=("mfcc",))

    def make(known=0, number=7, noise_at=(), store=None, trials=tmp_path):
        trainable = TrialTrainable.__new__(TrialTrainable)
        trainable._context = SimpleNamespace(
            trials=trials,
            epoch_limit_s=600.0,
            noise_at=noise_at,
            store=store,
            about=lambda: {"corpus": "/data"},
            training=lambda config, seed, stores: TrialTraining(config, data, FOLDS, seed),
        )
        trainable._stores = {}
        trainable._begin({"number": number, "seed": 1, "trial": CONFIG.model_dump_json(), "known": known})
        return trainable

    return make


def epoch_of(folder):
    return read_checkpoint(folder)[0]["epoch"]


def test_reports_every_epoch_and_is_done_at_the_last(worker):
    trainable = worker()
    results = [trainable.step() for _ in range(4)]
    assert [result["epoch"] for result in results] == [1, 2, 3, 4]
    assert [result["done"] for result in results] == [False, False, False, True]
    assert {result["trial"] for result in results} == {7}


def test_epochs_that_the_ledger_lacks_are_reported_from_the_checkpoint(worker, monkeypatch):
    first = worker()
    trained = [first.step() for _ in range(3)]
    again = worker(known=1)
    monkeypatch.setattr(TrialTraining, "run_epoch", None)  # nothing may be trained
    assert [again.step() for _ in range(2)] == trained[1:]


def test_a_lost_checkpoint_is_trained_again_to_the_same_numbers(worker, tmp_path):
    trained = [worker().step()]
    (tmp_path / "7" / "last" / "checkpoint.json").write_text("{")
    again = worker(known=1).step()
    assert {**again, "seconds": 0} == {**trained[0], "seconds": 0}


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EACCES])
def test_a_checkpoint_that_cannot_be_read_now_ends_the_search_and_stays(worker, tmp_path, monkeypatch, code):
    worker().step()
    read = Path.read_bytes

    def hiccup(path):
        if path.suffix == ".safetensors":
            raise OSError(code, os.strerror(code), str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", hiccup)
    result = worker(known=1).step()
    assert "failed" not in result
    assert os.strerror(code) in result["storage_error"].what
    monkeypatch.undo()
    assert worker(known=1).step()["epoch"] == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [({"format": 99}, "written by a newer serhpo"), ({"folds": [{}] * 9}, "another model than this version")],
)
def test_a_checkpoint_of_another_version_fails_the_trial_and_stays(worker, tmp_path, change, message):
    worker().step()
    path = tmp_path / "7" / "last" / "checkpoint.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    left = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert message in worker(known=1).step()["failed"]
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == left


def test_a_kill_between_the_two_checkpoints_keeps_the_best(worker, tmp_path, monkeypatch):
    save = TrialTraining.save

    def killed(training, folder):
        if folder.name == "last":
            raise SystemExit
        save(training, folder)

    trainable = worker()
    monkeypatch.setattr(TrialTraining, "save", killed)
    with pytest.raises(SystemExit):
        trainable.step()
    monkeypatch.setattr(TrialTraining, "save", save)
    again = worker()
    results = [again.step() for _ in range(4)]
    best = max(results, key=lambda result: result["ua"] + result["ccc"])["epoch"]
    assert epoch_of(tmp_path / "7" / "best") == best
    assert epoch_of(tmp_path / "7" / "last") == 4


def test_a_trial_leaves_its_noise_at_the_rungs_before_it_reports(worker, tmp_path, monkeypatch):
    saved = []
    save = TrialTraining.save

    def watched(training, folder):
        saved.append((folder.name, sorted(path.name for path in (tmp_path / "7").glob("rung-*"))))
        save(training, folder)

    monkeypatch.setattr(TrialTraining, "save", watched)
    trainable = worker(noise_at=(1, 3))
    results = [trainable.step() for _ in range(4)]
    assert [files for name, files in saved if name == "last"] == [
        ["rung-1.safetensors"],
        ["rung-1.safetensors"],
        ["rung-1.safetensors", "rung-3.safetensors"],
        ["rung-1.safetensors", "rung-3.safetensors"],
    ]
    left = load_file(tmp_path / "7" / "rung-3.safetensors")
    # Four speakers, so an utterance each; of a model and one without noise it is the model's own error.
    alone = {name: paired_error(values, 0 * values) for name, values in left.items()}
    assert alone == pytest.approx({"ua": results[2]["se_ua"], "ccc": results[2]["se_ccc"]}, rel=0.3)
    assert len(left["ua"]) == 32


def test_a_trial_that_raises_says_why_and_leaves_its_traceback(worker, tmp_path, monkeypatch):
    def diverge(training):
        raise ZeroDivisionError("lr")

    monkeypatch.setattr(TrialTraining, "run_epoch", diverge)
    assert worker().step() == {"trial": 7, "failed": "ZeroDivisionError: lr", "done": True}
    assert "ZeroDivisionError" in (tmp_path / "7" / "error.txt").read_text()


def test_a_figure_that_is_not_finite_fails_the_trial(worker, tmp_path, monkeypatch):
    run = TrialTraining.run_epoch

    def broken(training):
        result = run(training)
        object.__setattr__(result, "ccc", float("nan"))
        return result

    monkeypatch.setattr(TrialTraining, "run_epoch", broken)
    assert worker().step()["failed"] == "epoch 1 is not finite: ccc"
    assert not (tmp_path / "7" / "last").exists()


def test_a_full_disk_is_not_the_trials_fault(worker, monkeypatch):
    def full(training, folder):
        raise StorageError("The disk is full", where=folder)

    monkeypatch.setattr(TrialTraining, "save", full)
    result = worker().step()
    assert "failed" not in result
    assert result["storage_error"].what == "The disk is full"


def test_an_epoch_that_hangs_ends_its_process_and_leaves_its_traceback(tmp_path):
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom serhpo.search.trainable import time_limit\n"
        "with time_limit(60, Path(sys.argv[1])): pass\n"
        "assert not Path(sys.argv[1]).exists()\n"
        "with time_limit(0.05, Path(sys.argv[1])): time.sleep(60)\n"
    )
    path = tmp_path / "3" / "hung.txt"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, timeout=120)
    assert done.returncode == 1, done.stderr
    assert path.read_text().startswith("Timeout")
    assert 'File "<string>", line 6' in path.read_text()


def test_on_a_store_another_machine_goes_on_where_the_last_report_was(worker, tmp_path):
    store = StudyStore(str(tmp_path / "store"), "s")
    one, two = (worker(store=store, trials=tmp_path / name, noise_at=(1,)) for name in ("one", "two"))
    whole = [one.step(), one.step()]
    shutil.rmtree(tmp_path / "one")  # the machine is gone
    two._job["known"] = 2
    third = two.step()
    assert [row["epoch"] for row in (*whole, third)] == [1, 2, 3]
    assert json.loads(store.read("trials/7/config.json"))["number"] == 7
    assert store.has("trials/7/rung-1.safetensors")
    two.cleanup()
    assert not list((tmp_path / "two").iterdir())


def test_a_store_that_does_not_answer_for_a_while_holds_a_trial_up_but_ends_nothing(
    worker, tmp_path, monkeypatch
):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    store = StudyStore(str(tmp_path / "store"), "s")
    left = iter(range(3))
    push = StudyStore.push

    def silent(self, folder, name):
        for _ in left:
            raise StorageError("no answer")
        push(self, folder, name)

    monkeypatch.setattr(StudyStore, "push", silent)
    trainable = worker(store=store, trials=tmp_path / "one")
    assert trainable.step()["epoch"] == 1
    assert next(left, None) is None
    assert store.has("trials/7/last/checkpoint.json")


def test_a_store_that_stays_silent_ends_the_search_not_the_trial(worker, tmp_path, monkeypatch):
    monkeypatch.setattr("serhpo.study.store.PATIENCE_S", 0.0)

    def silent(self, folder, *names):
        raise StorageError("no answer")

    monkeypatch.setattr(StudyStore, "pull", silent)
    result = worker(store=StudyStore(str(tmp_path / "store"), "s"), trials=tmp_path / "one").step()
    assert isinstance(result["storage_error"], StorageError)


def test_of_a_trial_that_fails_configuration_and_traceback_lie_on_the_store(worker, tmp_path, monkeypatch):
    def broken(self):
        raise MemoryError

    monkeypatch.setattr(TrialTraining, "run_epoch", broken)
    store = StudyStore(str(tmp_path / "store"), "s")
    assert "failed" in worker(store=store, trials=tmp_path / "one").step()
    assert store.names() == ["trials/7/config.json", "trials/7/error.txt"]


def test_a_number_given_again_after_a_head_was_lost_begins_from_scratch(worker, tmp_path):
    store = StudyStore(str(tmp_path / "store"), "s")
    lost, new = (worker(store=store, trials=tmp_path / name) for name in ("one", "two"))
    lost.step()
    new._config = CONFIG.model_copy(update={"batch_size": CONFIG.batch_size * 2})
    assert new.step()["epoch"] == 1
    assert len(read_checkpoint(new._folder / "last")[0]["history"]) == 1
    assert json.loads(store.read("trials/7/config.json"))["trial"]["batch_size"] == new._config.batch_size
    assert new.step()["epoch"] == 2


def test_a_process_whose_trial_another_one_has_taken_over_leaves_that_ones_files_alone(
    worker, tmp_path, monkeypatch
):
    store = StudyStore(str(tmp_path / "store"), "s")
    old, new = (worker(store=store, trials=tmp_path / "trials") for _ in range(2))
    old.step()
    monkeypatch.setattr(os, "getpid", lambda: 1)
    new.step()
    monkeypatch.undo()
    old.cleanup()
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert new.step()["epoch"] == 2
