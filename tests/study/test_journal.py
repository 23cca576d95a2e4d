"""The journal's file: entries that wait for each other are seen at once, and synced together."""

import os

import pytest
from optuna.storages.journal import JournalFileBackend

from serhpo.study.journal import JournalFile

ENTRIES = [{"op_code": number, "text": "é"} for number in range(4)]


@pytest.fixture
def synced(monkeypatch) -> list[int]:
    calls: list[int] = []
    plain = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (calls.append(descriptor), plain(descriptor)))
    return calls


def test_entries_are_optunas_own(tmp_path):
    ours, theirs = JournalFile(tmp_path / "ours"), JournalFileBackend(str(tmp_path / "theirs"))
    for backend in (ours, theirs):
        backend.append_logs(ENTRIES[:3])
        backend.append_logs(ENTRIES[3:])
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    assert list(ours.read_logs(1)) == ENTRIES[1:]


def test_what_could_not_be_written_whole_is_taken_back(tmp_path, small_files):
    journal = JournalFile(tmp_path / "journal")
    journal.append_logs(ENTRIES[:1])
    whole = (tmp_path / "journal").read_bytes()
    with small_files(len(whole) + 5), pytest.raises(OSError, match=r"."):
        journal.append_logs(ENTRIES[1:])
    assert (tmp_path / "journal").read_bytes() == whole
    journal.append_logs(ENTRIES[1:])  # there is room again
    assert list(journal.read_logs(0)) == ENTRIES


def test_every_entry_is_synced_unless_it_may_wait(tmp_path, synced):
    journal, reader = JournalFile(tmp_path / "journal"), JournalFileBackend(str(tmp_path / "journal"))
    journal.append_logs(ENTRIES[:1])
    assert len(synced) == 1
    with journal.one_sync():
        journal.append_logs(ENTRIES[1:2])
        with journal.one_sync():
            journal.append_logs(ENTRIES[2:3])
        assert len(synced) == 1
        assert list(reader.read_logs(0)) == ENTRIES[:3]
    assert len(synced) == 2
    with journal.one_sync():
        pass
    assert len(synced) == 2
    journal.append_logs(ENTRIES[3:])
    assert len(synced) == 3


def test_what_was_written_before_an_error_is_synced_too(tmp_path, synced):
    journal = JournalFile(tmp_path / "journal")

    def break_off() -> None:
        with journal.one_sync():
            journal.append_logs(ENTRIES)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert len(synced) == 1
