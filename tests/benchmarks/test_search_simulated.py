"""The benchmarks of searches: small runs as a user types them, and the parts that could lie."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from serhpo import pareto

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SPACE = {
    "parameters": {
        "streams": {"subset": ["mfcc", "mel"]},
        "optimiser.lr": {"float": [1e-4, 1e-2], "log": True},
        "model.width": {"choice": [16, 32, 64]},
        "weighting.name": {"choice": ["fixed", "dwa"]},
        "weighting.lambda": {"float": [0.0, 2.0], "when": {"weighting.name": "fixed"}},
    }
}


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, BENCHMARKS / script, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(BENCHMARKS.parent)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def problems(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import replayed_problems

    return replayed_problems


@pytest.fixture
def search(problems):
    import replayed_search

    return replayed_search


def test_a_quick_run_prints_a_table_and_goes_on_where_it_stopped(tmp_path):
    out = tmp_path / "runs.jsonl"
    picture = tmp_path / "runs.png"
    arguments = ("--quick", "--out", out, "--png", picture, "well-behaved curves", "crossing curves")
    first = run("search_simulated.py", *arguments).stdout
    assert first.count("| tpe | adaptive |") == first.count("| random | none |") == 2
    lines = out.read_text().splitlines()
    assert len(lines) == 2 * 3 * 2
    assert picture.read_bytes().startswith(b"\x89PNG")
    out.write_text("\n".join(lines[:5]) + "\n")
    assert run("search_simulated.py", *arguments).stdout == first  # equal seeds, equal searches


def test_a_lead_is_paired_by_seed(tmp_path):
    """Leads of 0.1 and 0.3 of the front: 0.2 on average, with a standard error of 0.1."""
    front = math.pi / 4  # what lies below a quarter circle
    last = {
        ("tpe, adaptive", 3): 0.7,
        ("tpe, none", 3): 0.6,
        ("tpe, adaptive", 4): 0.8,
        ("tpe, none", 4): 0.5,
    }
    rows = [
        {"problem": "crossing curves", "method": method, "seed": seed, "trace": [0.0, value * front]}
        for (method, seed), value in [*last.items(), (("tpe, none", 2), 9.0)]
    ]
    out = tmp_path / "runs.jsonl"
    out.write_text("".join(json.dumps(row) + "\n" for row in rows))
    methods = ("--method", "tpe, adaptive", "--method", "tpe, none", "--less", "tpe, adaptive")
    known = ("--from-seed", 3, "--seeds", 5, "--out", out, "crossing curves")
    table = run("search_simulated.py", *methods, *known).stdout
    assert "| tpe | none | +0.000 ± 0.000 | +0.200 ± 0.100 | 2 |" in table


def test_curves_are_recorded_once_and_can_be_searched(tmp_path, problems, monkeypatch):
    monkeypatch.setenv("SERHPO_HOME", str(tmp_path / "home"))
    out = tmp_path / "curves-x.parquet"
    common = ("--space", "smoke", "--epochs", 2, "--utterances", 40, "--out", out)
    run("record_curves.py", *common, "--configurations", 2)
    again = run("record_curves.py", *common, "--configurations", 3)
    assert "3/3" in again.stderr
    assert "2/3" not in again.stderr
    recorded = problems.Recorded(out)
    assert recorded.recorded.shape == (3, 2, 2)
    assert set(recorded.held_out_error) == {"ua", "ccc", "ua of the mean", "ccc of the mean"}


def test_a_configuration_as_a_point(problems):
    space = problems.Space.model_validate(SPACE)
    point = {"streams": "mel", "optimiser.lr": 1e-3, "model.width": 32, "weighting.name": "dwa"}
    half = np.sqrt(0.5)
    assert problems.encode(space, point) == pytest.approx([0, 1, 0.5, 0.5, 0, half, -1])
    point |= {"streams": "mfcc+mel", "weighting.name": "fixed", "weighting.lambda": 0.5}
    assert problems.encode(space, point) == pytest.approx([1, 1, 0.5, 0.5, half, 0, 0.25])


def test_neighbours_are_who_is_alike_in_what_matters(problems):
    rng = np.random.default_rng(0)
    points = rng.random((60, 4))  # the first column decides, the others do nothing
    curves = np.repeat(points[:, None, :1], 27, axis=1) * [1.0, 0.5]
    weights = problems.similar(points, curves, 5)
    others = rng.random((40, 4))
    shares = weights(others)
    assert shares.sum(axis=1) == pytest.approx(1)
    assert ((shares > 0).sum(axis=1) >= 5).all()
    wrong = np.abs(shares @ curves[:, -1, 0] - others[:, 0]).mean()
    nearest = np.linalg.norm(points[None] - others[:, None], axis=2).argsort(axis=1)[:, :5]
    assert wrong < 0.5 * np.abs(points[nearest, 0].mean(axis=1) - others[:, 0]).mean()


def test_the_error_of_the_surrogate_is_that_of_configurations_it_has_not_seen(problems, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    space = {"parameters": {"optimiser.lr": {"float": [0.0, 1.0]}}}
    rows = [
        {"configuration": i, "parameters": json.dumps({"optimiser.lr": at}), "diverged": False, **curves}
        for i, (at, curves) in enumerate(
            (at, {"ua": [at, 2 * at], "ccc": [0.0, 0.5], "seconds": [1.0, 3.0]})
            for at in (0.0, 0.2, 0.4, 0.9)
        )
    ]
    rows.append({**rows[0], "diverged": True})  # is not learned from
    path = tmp_path / "curves-0.parquet"
    pq.write_table(pa.Table.from_pylist(rows).replace_schema_metadata({"space": json.dumps(space)}), path)
    recorded = problems.Recorded(path)
    assert recorded.recorded.shape == (4, 2, 2)
    assert recorded.seconds({"optimiser.lr": 0.1}) == pytest.approx(2.0)
    assert recorded.truth({"optimiser.lr": 0.1})[1] == pytest.approx(0.5)
    assert recorded.held_out_error["ccc"] == pytest.approx(0)
    assert recorded.held_out_error["ua"] > 0.2  # it never answers for itself
    # Of the mean: the others' last UA is (0.4 + 0.8 + 1.8) / 3 = 1 for the first, and so on.
    wrong = [1.0, abs((0.8 + 1.8) / 3 - 0.4), abs((0.4 + 1.8) / 3 - 0.8), 1.8 - 0.4]
    assert recorded.held_out_error["ua of the mean"] == pytest.approx(np.mean(wrong))


@pytest.mark.parametrize("crossing", [False, True])
def test_a_test_problem_has_the_front_it_says(problems, crossing):
    problem = problems.QuarterCircle(crossing=crossing, noise=0.0)
    best = {"a": 0.7, "b": 0.2, "c": 0.4, "d": 0.9, "rate": 0.3, "branch": "left", "depth": 0.5}
    ends = [problem.truth({**best, "angle": angle}) for angle in np.linspace(0, 1, 200)]
    assert np.linalg.norm(ends, axis=1) == pytest.approx(1)
    assert pareto.hypervolume(ends, problem.objectives) == pytest.approx(problem.best, abs=5e-3)
    rng = np.random.default_rng(1)
    others = [
        {**best, **dict(zip("abcd", rng.random(4), strict=True)), "angle": rng.random()} for _ in range(99)
    ]
    assert all(np.linalg.norm(problem.truth(other)) < 1 for other in others)
    curve = problem.curves({**best, "angle": 0.5}, rng)
    assert curve[-1] == pytest.approx(problem.truth({**best, "angle": 0.5}))
    assert (np.diff(curve, axis=0) > 0).all()
    fast = problem.curves({**best, "angle": 0.5, "rate": 1.0}, rng)
    assert (fast[0] > curve[0]).all() == crossing  # ahead at first,
    assert (fast[-1] < curve[-1]).all()  # and behind in the end


def test_a_problem_with_sizes_has_an_eighth_of_a_sphere_for_a_front(problems):
    problem = problems.QuarterCircle(crossing=False, noise=0.0, sized=True)
    best = {"a": 0.7, "b": 0.2, "c": 0.4, "d": 0.9, "rate": 0.3, "branch": "left", "depth": 0.5}
    places = np.linspace(0, 1, 60)
    front = np.array([problem.truth({**best, "angle": x, "size": y}) for x in places for y in places])
    axes = front[:, 0], front[:, 1], (8 - np.log10(front[:, 2])) / 4
    assert np.linalg.norm(axes, axis=0) == pytest.approx(1)
    assert pareto.hypervolume(front, problem.objectives) == pytest.approx(4 * math.pi / 6, rel=0.05)
    assert problem.best == pytest.approx(4 * math.pi / 6)
    curve = problem.curves({**best, "angle": 0.5, "size": 0.5}, np.random.default_rng(0))
    assert curve[:, 2] == pytest.approx(10**6)  # known from the first epoch on
    assert (np.diff(curve[:, :2], axis=0) > 0).all()


@pytest.mark.parametrize("pruning", ["adaptive", "hypervolume", "mean", "none"])
def test_a_search_with_three_objectives_is_replayed(problems, search, pruning):
    problem = problems.QuarterCircle(crossing=True, sized=True)
    trace = search.replay(problem, search.Method("random", pruning), 0, 270)
    assert 0 < trace[-1] < problem.best


def test_what_a_noisy_problem_says_about_its_noise(problems):
    plain = problems.QuarterCircle(crossing=False, noise=0.0)
    noisy = problems.QuarterCircle(crossing=False, noise=0.06, lasting=0.5)
    assert noisy.name == "noisy well-behaved curves"
    at = {"angle": 0.5, "a": 0.7, "b": 0.2, "c": 0.4, "d": 0.9, "rate": 0.3, "branch": "right"}
    rng = np.random.default_rng(0)
    luck = np.array([noisy.curves(at, rng) - plain.curves(at, rng) for _ in range(2000)])
    assert np.std(luck[::2] - luck[1::2]) == pytest.approx(noisy.paired_error, rel=0.03)
    assert np.mean(luck[:, 0] * luck[:, 26]) == pytest.approx(0.06**2 / 2, rel=0.15)


def test_trials_within_noise_go_on(problems, search):
    noisy = problems.QuarterCircle(crossing=False, noise=0.06, lasting=0.5)
    told = []
    curves = noisy.curves
    noisy.curves = lambda assignment, rng: told.append(1) or curves(assignment, rng)
    for noise in (False, True):
        told.append(0)
        search.replay(noisy, search.Method("random", "epsilon_net", noise=noise), 0, 540)
    strict, lenient = "".join(map(str, told)).split("0")[1:]
    assert len(lenient) < len(strict)  # fewer trials for the same epochs


def test_pruning_trains_more_configurations_for_the_same_epochs(problems, search):
    problem = problems.QuarterCircle(crossing=False)
    told = []
    plain = problem.curves
    problem.curves = lambda assignment, rng: told.append(1) or plain(assignment, rng)
    for pruning in ("none", "union", "epsilon_net"):
        told.append(0)
        search.replay(problem, search.Method("random", pruning), 0, 540)
    counts = "".join(map(str, told)).split("0")[1:]
    assert len(counts[0]) < len(counts[1]) < len(counts[2])
