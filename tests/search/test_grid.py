import json

import pytest
from ray.tune.search import Searcher

from serhpo.errors import SpaceError
from serhpo.search.grid import is_finite, points, require_finite, sized, untried
from serhpo.search.space import load_space_data

PARAMETERS = {
    "weighting.name": {"choice": ["fixed", "dwa"]},
    "weighting.lambda": {"float": [0.0, 1.0], "step": 0.5, "when": {"weighting.name": "fixed"}},
    "model.width": {"int": [16, 32], "step": 16},
}


def make_space(parameters=PARAMETERS, **search):
    return load_space_data({"parameters": parameters, "search": search}, "x")


def test_every_point_once_and_only_parameters_that_exist():
    fixed, dwa = {"weighting.name": "fixed"}, {"weighting.name": "dwa"}
    expected = [
        *({**fixed, "weighting.lambda": at, "model.width": w} for at in (0.0, 0.5, 1.0) for w in (16, 32)),
        *({**dwa, "model.width": w} for w in (16, 32)),
    ]
    found = list(points(make_space()))
    assert len(found) == len(expected)
    assert all(point in found for point in expected)


def test_a_grid_has_as_many_trials_as_points_at_most():
    assert sized(make_space(trials=100)).search.trials == 8
    assert sized(make_space(trials=5)).search.trials == 5


def test_the_next_point_is_one_that_nobody_tried():
    space = make_space()
    every = list(points(space))
    assert untried(space, []) == every[0]
    assert untried(space, every[:3]) == every[3]
    rounded = [
        {**p, "weighting.lambda": 0.5 + 1e-12} if p.get("weighting.lambda") == 0.5 else p for p in every
    ]
    assert untried(space, rounded) is None


def test_points_that_are_no_configuration_are_left_out(uneven):
    space = make_space({**uneven, "model.width": {"choice": [16, 32]}, "model.heads": {"choice": [2, 16]}})
    assert len(list(points(space))) == 4


def test_a_continuous_parameter_is_refused_and_named():
    space = make_space({**PARAMETERS, "model.dropout": {"float": [0.0, 0.4]}})
    assert not is_finite(space)
    with pytest.raises(SpaceError, match=r"finitely many") as refused:
        require_finite(space, "x")
    assert "parameters.model.dropout" in str(refused.value)
    require_finite(space.pinned({"model.dropout": [0.0, 0.2]}), "x")


def test_a_list_is_what_a_parameter_may_be():
    space = make_space({**PARAMETERS, "streams": {"subset": ["mfcc", "mel", "waveform"]}})
    swept = space.pinned(
        {"weighting.lambda": [0.25, 0.75], "model.width": 16, "streams": [["mfcc"], ["mel"]]}
    )
    assert {(p["streams"], p.get("weighting.lambda")) for p in points(swept)} == {
        (stream, at) for stream in ("mfcc", "mel") for at in (0.25, 0.75, None)
    }
    assert swept.trial_config(next(points(swept))).streams == ("mfcc",)
    both = space.pinned({"streams": ["mfcc", "mel"]})
    assert "streams" not in both.parameters
    assert space.pinned({"weighting.name": ["dwa"]}).parameters.keys() >= {"weighting.name"}
    assert "weighting.lambda" not in space.pinned({"weighting.name": ["dwa"]}).parameters
    with pytest.raises(SpaceError, match="single members"):
        space.pinned({"streams": [["mfcc", "mel"], ["waveform"]]})


def test_a_grid_is_tried_point_by_point_over_a_kill_and_then_ends(new_driver):
    driver = new_driver(parameters=PARAMETERS, sampler="grid", trials=50)
    jobs = []
    while len(jobs) < 3:
        trial, job = driver.start()
        jobs.append(job["trial"])
        driver.train(trial, job["number"], 0.5, 0.5)
    driver.start()  # and dies while this one runs
    resumed = type(driver)(driver.study, driver.search._search_space)
    assert resumed.search.to_continue == 1
    while isinstance(job := resumed.search.suggest(trial := f"r{len(jobs)}"), dict):
        jobs.append(json.loads(job["trial"]))
        resumed.train(trial, job["number"], 0.5, 0.5)
    assert job == Searcher.FINISHED
    assert len(jobs) == 8
    assert len({json.dumps(job, sort_keys=True) for job in jobs}) == 8
    assert resumed.search.exhausted
    assert len(resumed.study.journal.trials) == 8  # none proposed twice on the way
