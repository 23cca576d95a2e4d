import errno
import io
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serhpo.errors import StorageError, StudyError
from serhpo.study.ledger import Ledger, cut_torn_tail, read_ledger


def row(trial: int, epoch: int, **more):
    return {"trial": trial, "epoch": epoch, "ua": 0.5, **more}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "epochs.jsonl"


def test_rows_come_back_as_they_went_in_and_in_that_order(path):
    rows = [row(1, 1, reason="é\n"), row(0, 1, ccc=None), row(1, 2, ua=1e-5)]
    ledger = Ledger(path)
    assert [ledger.append(r) for r in rows] == [True] * 3
    assert list(read_ledger(path)) == rows  # there at once, not at the end
    ledger.close()
    assert list(read_ledger(path)) == rows
    assert [json.loads(line) for line in path.read_text().splitlines()] == rows


def test_an_epoch_stands_once(path):
    ledger = Ledger(path)
    assert ledger.append(row(3, 1))
    before = path.read_bytes()
    assert not ledger.append(row(3, 1, ua=0.9))
    assert path.read_bytes() == before
    ledger.close()
    again = Ledger(path)
    assert not again.append(row(3, 1, ua=0.9))
    assert again.append(row(3, 2))
    assert again.append(row(1, 3))
    again.close()
    assert [(r["trial"], r["epoch"]) for r in read_ledger(path)] == [(3, 1), (3, 2), (1, 3)]


def test_a_ledger_that_is_not_there_has_no_rows(path):
    assert list(read_ledger(path)) == []
    cut_torn_tail(path)
    assert not path.exists()


def test_many_appends(path):
    ledger = Ledger(path)
    for epoch in range(1, 101):
        for trial in range(50):
            assert ledger.append(row(trial, epoch, seconds=epoch / 7))
    ledger.close()
    rows = list(read_ledger(path))
    assert len(rows) == 5000
    assert rows[-1] == row(49, 100, seconds=100 / 7)
    reopened = Ledger(path)
    assert not reopened.append(row(0, 1))
    assert path.read_bytes().count(b"\n") == 5000


@given(st.integers(0, 400))
@settings(max_examples=60, deadline=None)
def test_whatever_a_kill_leaves_the_whole_lines_stay(tmp_path_factory, cut):
    path = tmp_path_factory.getbasetemp() / "torn.jsonl"
    path.unlink(missing_ok=True)
    ledger = Ledger(path)
    for trial in range(6):
        ledger.append(row(trial, 1, note="x" * 7 * trial))
    ledger.close()
    whole = path.read_bytes()
    cut = min(cut, len(whole))
    path.write_bytes(whole[:cut])
    kept = whole[:cut].count(b"\n")
    assert [r["trial"] for r in read_ledger(path)] == list(range(kept))  # readers skip a torn tail
    assert path.read_bytes() == whole[:cut]  # and leave it
    Ledger(path).append(row(99, 1))  # the next driver cuts it
    assert [r["trial"] for r in read_ledger(path)] == [*range(kept), 99]


@pytest.mark.parametrize("tail", [b"{", b"\0" * 5000, b"x" * 65_536, b"y" * 200_000])
def test_a_tail_of_any_length_is_cut(path, tail):
    for head in (b"", b'{"trial":0,"epoch":1}\n', b'{"trial":0,"epoch":1}\n' * 4000):
        path.write_bytes(head + tail)
        cut_torn_tail(path)
        assert path.read_bytes() == head
        cut_torn_tail(path)
        assert path.read_bytes() == head


@pytest.mark.parametrize("damage", [b"{oops\n", b"\n", b"[1]\n", b'{"ua":1}\n', b"\xff\xfe\n", b"\0\n"])
def test_damage_in_the_middle_is_an_error_with_its_line(path, damage):
    good = b'{"trial":0,"epoch":1}\n'
    path.write_bytes(good + damage + good)
    with pytest.raises(StudyError, match="damaged") as caught:
        list(read_ledger(path))
    assert caught.value.where == f"{path}:2"
    with pytest.raises(StudyError, match="damaged"):
        Ledger(path)
    assert path.read_bytes() == good + damage + good


class FullDisk(io.FileIO):
    """Takes ``room`` bytes more, then is full: first a short write, then ENOSPC, as Linux does."""

    room = 0

    def write(self, data):
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = super().write(bytes(data)[: self.room])
        self.room -= written
        return written


@pytest.mark.parametrize("room", [0, 1, 20])
def test_a_full_disk_is_one_clear_error_and_leaves_no_half_line(path, room):
    ledger = Ledger(path)
    ledger.append(row(0, 1))
    before = path.read_bytes()
    ledger._file.close()
    disk = ledger._file = FullDisk(path, "ab")
    disk.room = room
    with pytest.raises(StorageError, match="disk is full") as caught:
        ledger.append(row(0, 2))
    assert caught.value.where == str(path)
    assert path.read_bytes() == before
    disk.room = 10_000  # someone made space: the epoch counts as not yet written
    assert ledger.append(row(0, 2))
    assert [r["epoch"] for r in read_ledger(path)] == [1, 2]


def test_a_half_line_that_could_not_be_taken_back_never_gets_a_neighbour(path, monkeypatch):
    ledger = Ledger(path)
    ledger._file.close()
    disk = ledger._file = FullDisk(path, "ab")
    disk.room = 5

    def broken(*_):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", broken)
        with pytest.raises(StorageError, match="disk is full"):
            ledger.append(row(0, 1))
    assert path.stat().st_size == 5
    disk.room = 10_000
    assert ledger.append(row(0, 2))
    assert [r["epoch"] for r in read_ledger(path)] == [2]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_a_disk_that_is_really_full(path):
    path.write_bytes(b"")
    ledger = Ledger(path)
    ledger._file.close()
    ledger._file = open("/dev/full", "ab", buffering=0)  # noqa: SIM115, PTH123
    with pytest.raises(StorageError, match="disk is full"):
        ledger.append(row(0, 1))


def test_a_row_that_is_not_finite_leaves_no_trace(path):
    ledger = Ledger(path)
    with pytest.raises(ValueError, match="JSON compliant"):
        ledger.append(row(0, 1, ccc=float("nan")))
    assert path.read_bytes() == b""
    assert ledger.append(row(0, 1))


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "epochs.jsonl", tmp_path / "gone" / "epochs.jsonl", tmp_path):
        with pytest.raises(StorageError) as caught:
            Ledger(place)
        assert str(tmp_path) in caught.value.where
