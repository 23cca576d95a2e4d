import errno
import math
import pickle
import random
import shutil

import pytest

from serhpo.errors import StorageError, StudyError, StudyLockedError
from serhpo.pareto import Objective, standard_objectives
from serhpo.search.record import Record, best_epoch, objective_values
from serhpo.search.rungs import Rungs
from serhpo.search.settings import SearchSettings
from serhpo.study import Study
from serhpo.study.ledger import Ledger, read_ledger

BOTH = standard_objectives(4)


def rungs() -> Rungs:
    return Rungs(BOTH, SearchSettings(epochs=9, grace_period=1, reduction_factor=3))


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
    written = [{**r, "decision": d.to_json()} if d else r for r, d in zip(ROWS, decisions, strict=True)]
    again = Record(study, rungs())
    assert [again.rungs.report(r["trial"], r["epoch"], (0, 0)) for r in ROWS] == decisions
    assert again.rungs.stopped(1) == first.rungs.stopped(1) == decisions[1]
    assert not decisions[1].keep
    for record in (first, again):
        assert record.last(0) == written[4]
        assert record.last(7) is None
        assert record.best(0) == written[4]
        assert record.epochs == 5
    assert not again.add(row(0, 2, 0.9, 0.9))
    assert again.last(0) == written[4]
    assert list(read_ledger(study.path / "epochs.jsonl")) == written
    assert written[1]["decision"] == {
        "rank": 1,
        "recorded": 2,
        "keep": False,
        "control": False,
        "noise": False,
    }


def test_a_decision_in_the_ledger_stands_whatever_the_rule_says_today(study):
    first = Record(study, rungs())
    first.rungs.report(0, 1, (0.5, 0.3))
    first.add(ROWS[0])
    first.rungs.report(1, 1, (0.4, 0.2))
    first.add(ROWS[1])
    other = Record(study, Rungs(BOTH, SearchSettings(epochs=9, reduction_factor=2, ranking="ccc")))
    for trial in (0, 1):
        assert other.rungs.decision(trial, 1) == first.rungs.decision(trial, 1)


def test_a_ledger_of_an_older_version_is_decided_anew(study):
    ledger = Ledger(study.path / "epochs.jsonl")
    for r in ROWS:
        ledger.append(r)
    ledger.close()
    record = Record(study, rungs())
    assert [record.rungs.decision(trial, 1).keep for trial in (0, 1, 2)] == [True, False, False]


@pytest.mark.parametrize("seed", range(6))
def test_a_search_killed_at_random_decides_as_if_it_had_never_stopped(tmp_path, study, seed):
    """Interleaved trials of random values; a kill before, between or after a decision and its line."""
    rng = random.Random(seed)
    stream = [(rng.randrange(40), (rng.random(), rng.random())) for _ in range(160)]
    settings = SearchSettings(epochs=9, trials=40, controls=2)
    studies = [study, Study(shutil.copytree(study.path, tmp_path / "killed"))]
    kills = {i: rng.choice(["before", "decided", "written"]) for i in rng.sample(range(160), 25)}
    for study in studies:
        record, reached = Record(study, Rungs(BOTH, settings)), {}
        for turn, (trial, values) in enumerate(stream):
            epoch = reached.get(trial, 0) + 1
            if epoch > 9 or record.rungs.stopped(trial):
                continue
            kill = kills.get(turn) if study is studies[1] else None
            if kill == "before":
                record = Record(study, Rungs(BOTH, settings))
            record.rungs.report(trial, epoch, values)
            if kill == "decided":  # the epoch is trained again, and decided again
                record = Record(study, Rungs(BOTH, settings))
                record.rungs.report(trial, epoch, values)
            record.add(row(trial, epoch, *values))
            if kill == "written":
                record = Record(study, Rungs(BOTH, settings))
            reached[trial] = epoch
    whole, killed = (list(study.epochs()) for study in studies)
    assert killed == whole
    decisions = [r["decision"] for r in whole if "decision" in r]
    assert {d["keep"] for d in decisions} == {True, False}
    assert any(d["control"] for d in decisions)


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


def test_a_count_does_not_choose_the_epoch():
    objectives = standard_objectives(4, ("ua", "ccc", "parameters"))
    # Of equal sums the first: adding a count of millions would leave their last digits to chance.
    rows = [
        {**row(0, epoch, 0.1 * epoch, 0.7 - 0.1 * epoch), "parameters": 12_345_678} for epoch in (1, 2, 3)
    ]
    rows.append({**row(0, 4, 0.4, 0.3 + 1e-9), "parameters": 12_345_678})
    assert best_epoch(rows, objectives)["epoch"] == best_epoch(rows, BOTH)["epoch"] == 4
