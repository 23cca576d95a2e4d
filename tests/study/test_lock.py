import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from filelock import FileLock

from serhpo.errors import StorageError, StudyLockedError
from serhpo.study.lock import held_by_one_process, holder_of

HOLDER = """
import sys
import threading
from pathlib import Path
from serhpo.study.lock import held_by_one_process, holder_of
with held_by_one_process(Path(sys.argv[1]), "study `x`"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds ``driver.lock`` until its input ends or it is killed."""
    root = Path(__file__).parents[1]
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "driver.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path, other):
    path = tmp_path / "driver.lock"
    with pytest.raises(StudyLockedError, match="Another process is running study `x`") as caught:
        ExitStack().enter_context(held_by_one_process(path, "study `x`"))
    assert f"process {other.pid} on {socket.gethostname()}, since 20" in caught.value.got
    assert caught.value.where == str(path)
    assert caught.value.exit_code == 5
    assert json.loads((tmp_path / "driver.json").read_text())["pid"] == other.pid  # untouched


def test_the_lock_of_a_killed_process_is_free(tmp_path, other):
    path = tmp_path / "driver.lock"
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert json.loads((tmp_path / "driver.json").read_text())["pid"] == other.pid  # left behind
    with held_by_one_process(path, "it"):
        assert json.loads((tmp_path / "driver.json").read_text())["pid"] == os.getpid()


def test_the_lock_of_a_finished_process_is_free(tmp_path, other):
    other.communicate("\n")
    assert other.returncode == 0
    assert not (tmp_path / "driver.json").exists()
    with held_by_one_process(tmp_path / "driver.lock", "it"):
        pass


def test_it_is_held_once_and_free_again_even_after_an_error(tmp_path):
    path = tmp_path / "driver.lock"

    def fail():
        with held_by_one_process(path, "it"):
            with pytest.raises(StudyLockedError) as caught, held_by_one_process(path, "it"):
                pytest.fail("held twice")
            assert f"process {os.getpid()}" in caught.value.got
            raise KeyError("inside")

    for _ in range(2):
        with pytest.raises(KeyError, match="inside"):
            fail()
        assert not (tmp_path / "driver.json").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"pid": 1}'])
def test_a_holder_without_a_readable_name_is_still_a_holder(tmp_path, text):
    path = tmp_path / "driver.lock"
    with held_by_one_process(path, "it"):
        (tmp_path / "driver.json").write_text(text)
        with pytest.raises(StudyLockedError, match="did not leave its name"):
            ExitStack().enter_context(held_by_one_process(path, "it"))


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        ExitStack().enter_context(held_by_one_process(tmp_path / "file" / "driver.lock", "it"))


def test_a_disk_without_room_for_the_name_does_not_keep_the_lock(tmp_path, monkeypatch):
    path = tmp_path / "driver.lock"

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(StorageError, match="full") as caught:
            ExitStack().enter_context(held_by_one_process(path, "it"))
    with held_by_one_process(path, "it"):  # though the error still holds the frame with the lock in it
        assert caught.value.where == str(path)


def test_the_holder_of_a_lock_is_named_while_it_lives(tmp_path, other):
    path = tmp_path / "driver.lock"
    assert holder_of(path)["pid"] == other.pid
    assert holder_of(path)["host"] == socket.gethostname()
    other.kill()
    other.wait()
    assert (tmp_path / "driver.json").exists()
    assert holder_of(path) is None


def test_a_name_left_behind_whose_number_another_process_has_is_no_holder(tmp_path):
    path = tmp_path / "driver.lock"
    who = {"pid": os.getpid(), "host": socket.gethostname(), "started": "2026-03-01"}
    (tmp_path / "driver.json").write_text(json.dumps(who))
    assert holder_of(path) is None


def test_nobody_holds_what_was_never_locked(tmp_path):
    assert holder_of(tmp_path / "driver.lock") is None


def test_a_look_at_the_holder_does_not_keep_a_driver_out(tmp_path, monkeypatch):
    path = tmp_path / "driver.lock"
    looking = FileLock(path, thread_local=False)
    looking.acquire()
    threading.Timer(0.1, looking.release).start()
    with held_by_one_process(path, "it"):
        pass
