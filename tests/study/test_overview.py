import pytest

from serhpo.config import write_yaml
from serhpo.study.overview import ROWS, Overviews, weighting
from tests.fakes import STANDARD, FakeTrial, make_study, random_trials


def test_a_glance_at_a_study(tmp_path):
    overview = Overviews(make_study(tmp_path / "s")).reread()

    assert (overview.done, overview.asked, overview.epochs) == (5, 6, 13)
    assert overview.front_size == 2
    assert overview.hypervolume == pytest.approx(0.1425)
    assert (overview.grown_by, overview.stalled) == (2, 2)  # trials 4 and 3 ended after it


def test_running_trials_come_first_then_the_last_that_ended(tmp_path):
    rows = Overviews(make_study(tmp_path / "s")).reread().rows

    assert [row.number for row in rows] == [5, 3, 4, 2, 1, 0]
    running, pruned = rows[:2]
    assert (running.epoch, running.rung, running.values) == (2, 1, {"ua": 0.41, "ccc": 0.12})
    assert (pruned.state, pruned.weighting, pruned.encoders) == ("PRUNED", "λ 0.50", "waveform")
    assert [row.number for row in rows if row.on_front] == [2, 0]


def test_no_more_rows_than_a_screen_has_room_for(tmp_path):
    study = make_study(tmp_path / "s", random_trials(40), epochs=9, rungs=(1, 3))

    assert len(Overviews(study).reread().rows) == ROWS


def test_rows_noted_one_by_one_give_what_reading_again_gives(tmp_path):
    study = make_study(tmp_path / "s")
    noted = Overviews(study)
    for row in study.epochs():
        noted.take([row])

    assert noted.now() == Overviews(study).reread()


def test_the_budget_and_the_end_to_expect(tmp_path):
    study = make_study(tmp_path / "s", [*STANDARD[:3], FakeTrial("RUNNING", [(0.3, 0.1)])])
    write_yaml(study.path / "space.yaml", {"search": {"hours": 2, "gpus_per_trial": 0.5, "total_epochs": 80}})
    overviews = Overviews(study)
    overviews.take([{"trial": 0, "epoch": 1, "seconds": 3600, "elapsed": 1800}])
    overview = overviews.now()

    assert overview.used == "0.50 of 2 h, 0.50 GPU h, 1 of 80 epochs"
    assert overview.seconds_left == 600  # three trials took 1800 s, one is to come


def test_nothing_has_stalled_before_there_is_a_front(tmp_path):
    pruned, complete = FakeTrial("PRUNED", [(0.3, 0.1)]), FakeTrial("COMPLETE", [(0.5, 0.2)])
    for trials, stalled in (((pruned,) * 3, 0), ((pruned, complete, pruned), 1)):
        study = make_study(tmp_path / str(stalled), trials, epochs=1, rungs=())
        assert Overviews(study).reread().stalled == stalled


def test_an_empty_study_has_nothing_to_tell(tmp_path):
    overview = Overviews(make_study(tmp_path / "s", ())).reread()

    assert (overview.done, overview.rows, overview.grown_by, overview.seconds_left) == (0, (), None, None)


def test_weightings_in_short():
    assert weighting({"weighting.name": "fixed", "weighting.lambda": 0.333}) == "λ 0.33"
    assert weighting({"weighting.name": "dwa"}) == "dwa"
    assert weighting({}) == ""
