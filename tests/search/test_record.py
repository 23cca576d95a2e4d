import errno
import math
import pickle

import pytest

from serhpo.errors import StorageError, StudyError, StudyLockedError
from serhpo.pareto import Objective, standard_objectives
from serhpo.search.record import Record, best_epoch, objective_values
from serhpo.search.rungs import Rungs
from serhpo.study.ledger import read_ledger

BOTH = standard_objectives(4)


def rungs() -> Rungs:
    return Rungs(BOTH, epochs=9, grace_period=1, reduction_factor=3, ranking="union")


def row(trial: int, epoch: int, ua: float, ccc: float | None) -> dict:
    return {"trial": trial, "epoch": epoch, "ua": ua, "ccc": ccc}


ROWS = [
    row(0, 1, 0.5, 0.3),
    row(1, 1, 0.4, 0.2),
    row(0, 2, 0.6, 0.2),
    row(2, 1, 0.3, 0.1),
    row(0, 3, 0.5, 0.4),
]


def test_a_reopened_record_stands_where_the_last_one_ended(study):
    first = Record(study, rungs())
    decisions = []
    for r in ROWS:
        decisions.append(first.rungs.report(r["trial"], r["epoch"], (r["ua"], r["ccc"])))
        assert first.add(r)
    again = Record(study, rungs())
    assert [again.rungs.report(r["trial"], r["epoch"], (0, 0)) for r in ROWS] == decisions
    assert again.rungs.stopped(1) == first.rungs.stopped(1) == decisions[1]
    assert not decisions[1].keep
    for record in (first, again):
        assert record.last(0) == ROWS[4]
        assert record.last(7) is None
        assert record.best(0) == ROWS[4]
        assert record.epochs == 5
    assert not again.add(row(0, 2, 0.9, 0.9))
    assert again.last(0) == ROWS[4]
    assert list(read_ledger(study.path / "epochs.jsonl")) == ROWS


def test_a_full_disk_is_kept_as_the_end_of_the_search(study, monkeypatch):
    record = Record(study, rungs())
    record.add(ROWS[0])

    def full(row):
        raise StorageError("The disk is full", where="here")

    with monkeypatch.context() as patch:
        patch.setattr(record._ledger, "append", full)
        assert not record.add(row(0, 2, 0.6, 0.2))
    assert isinstance(record.fatal, StorageError)
    # What the ledger does not have, nobody may take for granted: a trial would end on it.
    assert record.last(0) == ROWS[0]
    assert record.epochs == 1


def test_only_errors_of_the_machine_end_a_search(study):
    record = Record(study, rungs())
    with record.guarded():
        raise StudyLockedError("first")
    with record.guarded():
        raise OSError(errno.ENOSPC, "No space left on device")
    with record.guarded():
        raise StorageError("second")
    assert record.fatal.what == "first"
    with pytest.raises(KeyError), record.guarded():
        raise KeyError("a bug of ours")
    other = Record(study, rungs())
    with other.guarded():
        raise OSError(errno.ENOSPC, "No space left on device")
    assert isinstance(other.fatal, StorageError)
    assert "full" in other.fatal.what


def test_a_ledger_that_cannot_be_used_is_told_at_once(study):
    (study.path / "epochs.jsonl").write_text("oops\n")
    with pytest.raises(StudyError, match="damaged"):
        Record(study, rungs())
    (study.path / "epochs.jsonl").unlink()
    (study.path / "epochs.jsonl").mkdir()
    with pytest.raises(StorageError):
        Record(study, rungs())


def test_a_closed_record_has_everything_on_disk(study):
    record = Record(study, rungs())
    record.add(ROWS[0])
    record.close()
    assert record.fatal is None
    assert list(study.epochs()) == ROWS[:1]


def test_a_record_in_a_snapshot_is_nothing(study):
    assert pickle.loads(pickle.dumps(Record(study, rungs()))) == {}


def test_missing_values_are_not_numbers():
    assert objective_values({"ccc": 1, "ua": 0.5, "more": 3}, BOTH) == [0.5, 1.0]
    for damaged in ({"ua": 0.5}, {"ua": 0.5, "ccc": None}, {"ua": 0.5, "ccc": math.nan}):
        ua, ccc = objective_values(damaged, BOTH)
        assert ua == 0.5
        assert math.isnan(ccc)


def test_one_epoch_stands_for_a_trial():
    rows = [row(0, 1, 0.5, 0.3), row(0, 2, 0.75, 0.25), row(0, 3, 0.25, 0.75), row(0, 4, 0.6, 0.3)]
    assert best_epoch(rows, BOTH)["epoch"] == 2  # 2 and 3 have the same sum: the first
    assert best_epoch(rows[::-1], BOTH)["epoch"] == 2
    assert best_epoch(rows[:1], BOTH)["epoch"] == 1
    broken = [row(0, 1, math.nan, 0.9), row(0, 2, 0.3, 0.1), row(0, 3, math.inf, 0.1), row(0, 4, 0.9, None)]
    assert best_epoch(broken, BOTH)["epoch"] == 2


def test_a_minimised_objective_counts_the_other_way_round():
    objectives = (Objective(metric="ua"), Objective(metric="loss", direction="minimise"))
    rows = [{"epoch": 1, "ua": 0.5, "loss": 0.9}, {"epoch": 2, "ua": 0.4, "loss": 0.1}]
    assert best_epoch(rows, objectives)["epoch"] == 2
