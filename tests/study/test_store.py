"""A study on an object store: a folder, and a real S3 server on loopback."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from serhpo.errors import ConfigError, SerhpoError, StorageError, StudyError, StudyLockedError
from serhpo.study import Study, mirror
from serhpo.study.mirror import Mirror, mirrored
from serhpo.study.store import StudyStore, below, require_new_there
from serhpo.study.transit import bring, bring_kept, settle
from serhpo.training.checkpoint import read_checkpoint, write_checkpoint
from tests.cache.test_remote import s3, s3_server  # noqa: F401 - fixtures
from tests.search.conftest import Driver, make_space, make_study

TRIALS = {"epochs": 3, "trials": 4}


@pytest.fixture(autouse=True)
def no_upload_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "EVERY_S", 3600.0)


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> StudyStore:
    address = str(tmp_path / "store") if request.param == "folder" else request.getfixturevalue("s3")
    return StudyStore(address, "s")


@pytest.fixture
def folder(tmp_path: Path) -> StudyStore:
    return StudyStore(str(tmp_path / "store"), "s")


@pytest.fixture
def driver(tmp_path: Path) -> Driver:
    space = make_space(**TRIALS)
    return Driver(make_study(tmp_path / "here" / "s", space), space)


def fail(error: SerhpoError) -> None:
    raise error


def save(folder: Path, name: str, value: float) -> None:
    write_checkpoint(folder / name, {"epoch": value}, {"weights": torch.full((5,), value)})


def test_a_trials_checkpoint_goes_from_machine_to_machine(store: StudyStore, tmp_path: Path) -> None:
    one, two = tmp_path / "one" / "7", tmp_path / "two" / "7"
    for value in (1.0, 2.0):
        save(one, "last", value)
        store.push(one, "last")
    save(two, "last", 1.5)  # of an earlier turn there
    save(two, "best", 1.5)  # which the store does not have: of a study of the same name
    store.pull(two, "last", "best")
    state, tensors = read_checkpoint(two / "last")
    assert (state["epoch"], tensors["weights"][0]) == (2.0, 2.0)
    assert not (two / "best").exists()
    assert len(store.names("trials/7/last")) == 2  # nothing of the first one is left
    store.drop(7, "last")
    assert store.names() == []


def test_what_is_mirrored_is_brought_back_byte_by_byte(
    store: StudyStore, driver: Driver, tmp_path: Path
) -> None:
    there = tmp_path / "there" / "s"
    with Mirror(driver.study, store, fail) as mirrors:
        trial, _ = driver.start()
        driver.epoch(trial, 0, 1, 0.5, 0.1)
        passing = driver.study.path / "journal.log.lock"  # Optuna's, at the moment of a write
        passing.symlink_to(driver.study.path / "journal.log")
        mirrors.sync()
        passing.unlink()
        assert passing.name not in store.names()
        bring(store, there)
    for name in ("study.yaml", "space.yaml", "lock.json", "journal.log", "epochs.jsonl"):
        assert (there / name).read_bytes() == (driver.study.path / name).read_bytes()
    assert Study(there).counts()["RUNNING"] == 1
    with pytest.raises(StudyError, match="lies on the store already"):
        require_new_there(store)


def test_checkpoints_go_once_the_journal_there_says_that_they_are_needless(
    folder: StudyStore, driver: Driver, tmp_path: Path
) -> None:
    with Mirror(driver.study, folder, fail) as mirrors:
        for number, score in enumerate((0.5, 0.9)):
            trial, _ = driver.start()
            for name in ("last", "best"):
                save(tmp_path / str(number), name, score)
                folder.push(tmp_path / str(number), name)
            driver.train(trial, number, score, score)
        assert {name.split("/")[1] for name in folder.names("trials")} == {"0", "1"}
        mirrors.sync()
        assert {"/".join(name.split("/")[1:3]) for name in folder.names("trials")} == {"1/best"}
        assert mirrors._dropped == {(0, "last"), (0, "best"), (1, "last")}


def test_the_later_of_two_drivers_has_the_study(folder: StudyStore, driver: Driver) -> None:
    errors: list[SerhpoError] = []
    with (
        Mirror(driver.study, folder, errors.append) as first,
        Mirror(driver.study, folder, fail),
        pytest.raises(StudyLockedError, match="taken over"),
    ):
        first.sync()
    assert isinstance(errors[-1], StudyLockedError)


def test_a_local_folder_that_is_ahead_of_the_store_is_kept_and_one_behind_is_not(
    folder: StudyStore, driver: Driver, tmp_path: Path
) -> None:
    here, there = driver.study.path, tmp_path / "there" / "s"
    trial, _ = driver.start()
    with Mirror(driver.study, folder, fail) as mirrors:
        bring(folder, there)
        driver.epoch(trial, 0, 1, 0.5, 0.1)
        mirrors.sync()
        driver.epoch(trial, 0, 2, 0.6, 0.2)
        ahead = (here / "epochs.jsonl").read_bytes()
        bring(folder, here)  # killed before the last upload: it has more than the store
        assert (here / "epochs.jsonl").read_bytes() == ahead
        bring(folder, there)
        assert (there / "epochs.jsonl").read_bytes() == ahead.splitlines(keepends=True)[0]
        (here / "epochs.jsonl").write_bytes(ahead.replace(b"0.5", b"0.7"))  # two heads went on from one epoch
        bring(folder, here)
        assert (here / "epochs.jsonl").read_bytes() == ahead.splitlines(keepends=True)[0]


def test_the_journal_there_never_speaks_of_an_epoch_that_the_ledger_there_lacks(
    folder: StudyStore, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver is killed at each of an upload's files in turn."""
    trial, _ = driver.start()
    written: list[str] = []
    original = StudyStore.write

    def write(self: StudyStore, name: str, content: bytes) -> None:
        written.append(name)
        original(self, name, content)

    monkeypatch.setattr(StudyStore, "write", write)
    with Mirror(driver.study, folder, fail) as mirrors:
        driver.train(trial, 0, 0.5, 0.5)
        written.clear()
        mirrors.sync()
    assert written.index("epochs.jsonl") < written.index("journal.log")


class Silent:
    """A store that does not answer for so many requests."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, requests: int) -> None:
        self.left = requests
        original = StudyStore.write

        def write(store: StudyStore, name: str, content: bytes) -> None:
            self.left -= 1
            if self.left >= 0:
                raise StorageError("no answer", got="nothing")
            original(store, name, content)

        monkeypatch.setattr(StudyStore, "write", write)


def test_a_store_that_does_not_answer_for_a_while_gets_everything_later(
    folder: StudyStore, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, _ = driver.start()
    said: list[str] = []
    with Mirror(driver.study, folder, fail, said.append) as mirrors:
        driver.train(trial, 0, 0.5, 0.5)
        Silent(monkeypatch, 2)
        assert [mirrors._attempt() for _ in range(3)] == [None, None, True]
        for name in ("journal.log", "epochs.jsonl"):
            assert folder.read(name) == (driver.study.path / name).read_bytes()
    assert ["does not answer" in said[0], "answers again" in said[1], len(said)] == [True, True, 2]


def test_a_store_that_stays_silent_ends_the_search_with_one_error(
    folder: StudyStore, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[SerhpoError] = []
    with Mirror(driver.study, folder, errors.append) as mirrors:
        driver.start()
        Silent(monkeypatch, 10**6)
        monkeypatch.setattr(mirror, "PATIENCE_S", 0.0)
        monkeypatch.setattr(mirror, "LAST_S", 0.0)
        assert mirrors._attempt() is False
    assert {type(error) for error in errors} == {StorageError}


def test_a_mirror_that_breaks_is_heard_of(
    folder: StudyStore, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[SerhpoError] = []
    with Mirror(driver.study, folder, errors.append) as mirrors:
        monkeypatch.setattr(mirrors, "sync", lambda: 1 / 0)
        assert mirrors._attempt() is False
    assert "ZeroDivisionError" in errors[0].what


def test_a_line_that_is_half_written_is_not_uploaded(folder: StudyStore, driver: Driver) -> None:
    path = driver.study.path / "epochs.jsonl"
    with Mirror(driver.study, folder, fail) as mirrors:
        path.write_bytes(b'{"trial":0,"epoch":1}\n{"trial":0,"ep')
        mirrors.sync()
        assert folder.read("epochs.jsonl") == b'{"trial":0,"epoch":1}\n'
        path.write_bytes(b'{"trial":0,"epoch":1}\n')  # as the next driver cuts it off


def test_an_upload_cut_off_halfway_is_no_file_and_goes_in_the_end(
    folder: StudyStore, driver: Driver, tmp_path: Path
) -> None:
    with mirrored(driver.study, folder, fail):
        for name in ("journal.log.head.0f.tmp", "trials/0/last/checkpoint.json.w.0f.tmp"):
            folder.write(name, b"half of")
        bring(folder, tmp_path / "there" / "s")
    assert not list((tmp_path / "there" / "s").glob("*.tmp"))
    assert not [name for name in folder.names() if name.endswith(".tmp")]


def test_a_first_upload_cut_off_before_its_end_is_no_study_yet(
    folder: StudyStore, driver: Driver, tmp_path: Path
) -> None:
    folder.write("study.yaml", (driver.study.path / "study.yaml").read_bytes())
    require_new_there(folder)
    with pytest.raises(StudyError, match="No study named `s`"):
        settle(folder, tmp_path / "elsewhere" / "s")
    settle(folder, driver.study.path)  # its head is there again, and has all of it


def test_a_study_that_lies_here_only_moves_to_the_store_with_its_checkpoints(
    folder: StudyStore, driver: Driver
) -> None:
    trial, _ = driver.start()
    save(driver.study.trial_folder(0), "best", 1.0)
    driver.train(trial, 0, 0.5, 0.5)
    (driver.study.trial_folder(0) / "config.json").write_text("{}")
    settle(folder, driver.study.path)
    with Mirror(driver.study, folder, fail):
        pass
    (driver.study.trial_folder(0) / "config.json").unlink()
    bring_kept(Study(driver.study.path), folder)
    assert (driver.study.trial_folder(0) / "config.json").read_text() == "{}"
    assert read_checkpoint(driver.study.trial_folder(0) / "best")[0]["epoch"] == 1.0


def test_what_an_evaluation_predicted_goes_there_and_comes_back(
    folder: StudyStore, driver: Driver, tmp_path: Path
) -> None:
    table = driver.study.path / "evaluations" / "job.parquet"
    table.parent.mkdir()
    table.write_bytes(b"table")
    (driver.study.path / "evaluations.jsonl").write_text("{}\n")
    written = []
    write = folder.write
    folder.write = lambda name, content: written.append(name) or write(name, content)  # type: ignore[method-assign]
    with Mirror(driver.study, folder, fail):
        pass
    there = tmp_path / "there" / "s"
    bring(folder, there)
    assert (there / "evaluations" / "job.parquet").read_bytes() == b"table"
    # A line is there only after what it speaks of.
    assert written.index("evaluations/job.parquet") < written.index("evaluations.jsonl")


def test_another_study_of_the_name_is_never_overwritten(
    folder: StudyStore, driver: Driver, tmp_path: Path
) -> None:
    with Mirror(driver.study, folder, fail):
        pass
    other = make_study(tmp_path / "there" / "s", make_space(**TRIALS, seed=9))
    before = {path.name: path.read_bytes() for path in other.path.iterdir() if path.is_file()}
    with pytest.raises(StudyError, match="Another study of this name lies on this machine"):
        settle(folder, other.path)
    assert before == {path.name: path.read_bytes() for path in other.path.iterdir() if path.is_file()}


def test_who_brought_the_study_before_the_other_one_went_on_has_to_bring_it_again(
    folder: StudyStore, driver: Driver, tmp_path: Path
) -> None:
    trial, _ = driver.start()
    with Mirror(driver.study, folder, fail) as first:
        bring(folder, tmp_path / "there" / "s")
        driver.epoch(trial, 0, 1, 0.5, 0.1)
        first.sync()
    late = Mirror(Study(tmp_path / "there" / "s"), folder, fail)
    with pytest.raises(StudyLockedError, match="still running"), late:
        pass
    assert folder.read("epochs.jsonl") == (driver.study.path / "epochs.jsonl").read_bytes()


def test_a_state_whose_tensors_are_gone_is_no_checkpoint(folder: StudyStore, tmp_path: Path) -> None:
    save(tmp_path / "7", "last", 1.0)
    folder.push(tmp_path / "7", "last")
    (tensors,) = (name for name in folder.names() if name.endswith(".safetensors"))
    folder.remove(tensors)
    folder.remove(tensors)  # whoever else removes it
    folder.pull(tmp_path / "two" / "7", "last")
    with pytest.raises(StudyError):  # after which the trial starts over
        read_checkpoint(tmp_path / "two" / "7" / "last")


def test_a_bucket_that_is_not_there_is_one_error_before_anything_starts(s3: str) -> None:  # noqa: F811
    options = s3.partition("?")[2]
    with pytest.raises(StorageError, match="cannot be used") as caught:
        require_new_there(StudyStore(f"s3://no-such-bucket/x?{options}", "s"))
    assert "no-such-bucket" in (caught.value.got or "")
    assert "nothing was started" in (caught.value.hint or "")


def test_without_a_store_nothing_is_mirrored(driver: Driver) -> None:
    with mirrored(driver.study, None, fail) as soon:
        soon()


def test_no_such_study_on_the_store(folder: StudyStore, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="No study named `s` on the store"):
        bring(folder, tmp_path / "s")


def test_credentials_in_an_address_are_refused() -> None:
    with pytest.raises(ConfigError, match="holds no credentials") as caught:
        StudyStore("s3://key:secret@bucket/x", "s")
    assert "secret" not in str(caught.value)


def test_options_stay_at_the_end_of_an_address() -> None:
    assert below("s3://b/p/?region=x&scheme=http", "s") == "s3://b/p/s?region=x&scheme=http"
    assert below("/mnt/store", "s") == "/mnt/store/s"
