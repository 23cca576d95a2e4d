import json
from pathlib import Path

import pytest
import torch

from serhpo.errors import StorageError, StudyError
from serhpo.training import checkpoint
from serhpo.training.checkpoint import load_predictions, read_checkpoint, write_checkpoint

OLD, NEW = {"w": torch.arange(3.0)}, {"w": torch.arange(3.0) + 1}


def test_state_and_tensors_come_back(tmp_path):
    write_checkpoint(tmp_path / "new", {"epoch": 2}, OLD)
    state, tensors = read_checkpoint(tmp_path / "new")
    assert state["epoch"] == 2
    assert torch.equal(tensors["w"], OLD["w"])


def test_a_newer_checkpoint_takes_the_place_of_the_old_one(tmp_path):
    write_checkpoint(tmp_path, {"epoch": 1}, OLD)
    write_checkpoint(tmp_path, {"epoch": 2}, NEW)
    assert read_checkpoint(tmp_path)[0]["epoch"] == 2
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("survives", range(2))
def test_a_kill_in_between_leaves_the_old_checkpoint(tmp_path, monkeypatch, survives):
    write_checkpoint(tmp_path, {"epoch": 1}, OLD)
    replaced = []

    def killed(self, target):
        if len(replaced) == survives:
            raise KeyboardInterrupt
        replaced.append(target)
        return Path.rename(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(tmp_path, {"epoch": 2}, NEW)
    state, tensors = read_checkpoint(tmp_path)
    assert state["epoch"] == 1
    assert torch.equal(tensors["w"], OLD["w"])
    monkeypatch.undo()
    write_checkpoint(tmp_path, {"epoch": 2}, NEW)
    assert len(list(tmp_path.iterdir())) == 2


def test_what_a_killed_save_left_behind_is_cleared_by_the_next(tmp_path):
    (tmp_path / ".writing").write_bytes(b"half")
    (tmp_path / "tensors-0.safetensors").write_bytes(b"never named")
    write_checkpoint(tmp_path, {"epoch": 1}, OLD)
    assert read_checkpoint(tmp_path)[0]["epoch"] == 1
    assert len(list(tmp_path.iterdir())) == 2


def test_a_full_disk_is_one_clear_error(tmp_path, monkeypatch):
    write_checkpoint(tmp_path, {"epoch": 1}, OLD)

    def full(path, content):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(checkpoint, "_replace", full)
    with pytest.raises(StorageError, match="The disk is full"):
        write_checkpoint(tmp_path, {"epoch": 2}, NEW)
    assert read_checkpoint(tmp_path)[0]["epoch"] == 1


def damage_tensors(folder):
    (path,) = folder.glob("tensors-*")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def damage_state(folder):
    (folder / "checkpoint.json").write_text("{")


def remove_tensors(folder):
    next(folder.glob("tensors-*")).unlink()


def pickle_instead(folder):
    (path,) = folder.glob("tensors-*")
    torch.save({"w": torch.zeros(1)}, path)


def from_the_future(folder):
    path = folder / "checkpoint.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))


def list_instead(folder):
    (folder / "checkpoint.json").write_text("[]")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_tensors, "damaged: the tensors are not"),
        (damage_state, "damaged"),
        (list_instead, "damaged"),
        (remove_tensors, "No checkpoint here"),
        (pickle_instead, "damaged"),
        (from_the_future, "newer serhpo"),
    ],
)
def test_a_damaged_checkpoint_is_refused(tmp_path, damage, message):
    write_checkpoint(tmp_path, {"epoch": 1}, OLD)
    damage(tmp_path)
    with pytest.raises(StudyError, match=message):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("name", ["checkpoint.json", "tensors"])
def test_a_checkpoint_that_cannot_be_read_is_the_disks_fault(tmp_path, name):
    write_checkpoint(tmp_path, {"epoch": 1}, OLD)
    (path,) = tmp_path.glob(f"{name}*")
    path.unlink()
    path.mkdir()
    with pytest.raises(StorageError, match=r"Cannot read the checkpoint: Is a directory") as caught:
        read_checkpoint(tmp_path)
    assert caught.value.where == str(path)


def test_a_folder_without_checkpoint_or_predictions_says_so(tmp_path):
    with pytest.raises(StudyError, match="No checkpoint here"):
        load_predictions(tmp_path)
    write_checkpoint(tmp_path, {}, OLD)
    with pytest.raises(StudyError, match="before the first epoch"):
        load_predictions(tmp_path)


def test_a_disk_that_is_really_full_leaves_the_old_checkpoint(tmp_path, small_files):
    write_checkpoint(tmp_path, {"epoch": 1}, {"w": torch.zeros(10)})
    with small_files(2000), pytest.raises(StorageError):
        write_checkpoint(tmp_path, {"epoch": 2}, {"w": torch.ones(1000)})
    state, tensors = read_checkpoint(tmp_path)
    assert (state["epoch"], tensors["w"].sum()) == (1, 0)
    assert len(list(tmp_path.iterdir())) == 2
    write_checkpoint(tmp_path, {"epoch": 2}, {"w": torch.ones(1000)})
    assert read_checkpoint(tmp_path)[0]["epoch"] == 2
