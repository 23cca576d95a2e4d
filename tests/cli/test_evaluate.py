"""``serhpo evaluate`` as a user runs it: real Ray, real training, a kill, all of it told again from disk."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_front import TRIALS
from tests.conftest import COMMAND, Done, environment
from tests.fakes import FakeTrial, make_study

SMALL = ["--space", "smoke", "--set", "streams=mfcc", "--set", "model.width=16", "--set", "search.epochs=3"]


@pytest.fixture(scope="module")
def searched(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Home folder of a search of two trials."""
    home = tmp_path_factory.mktemp("home")
    command = [*COMMAND, "search", *SMALL, "--corpus", str(small_corpus), "--name", "first", "--trials", "2"]
    command += ["--set", "search.grace_period=3"]  # both are completed
    subprocess.run(command, check=True, capture_output=True, env=environment(home), timeout=600)
    return home


@pytest.mark.slow
class TestOnARealStudy:
    @pytest.fixture
    def home(self, searched: Path) -> Path:
        return searched

    def test_a_killed_evaluation_goes_on_and_reads_nothing_twice(
        self, serhpo: Callable[..., Done], home: Path
    ) -> None:
        folder = home / "studies" / "first"
        command = [*COMMAND, "evaluate", "first", "--trial", "0", "--trial", "1", "--seeds", "1"]
        process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment(home)
        )
        assert process.stderr
        for line in process.stderr:
            if "trainings done" in line and not line.startswith("0"):
                break
        process.kill()
        process.wait()
        results = (folder / "evaluations.jsonl").read_text().splitlines()
        done = serhpo(*command[3:], "--json")
        assert done.code == 0, done.err
        after = (folder / "evaluations.jsonl").read_text().splitlines()
        assert after[: len(results)] == results
        rows = [json.loads(line) for line in after]
        assert [row["kind"] for row in rows].count("reading") == 1
        jobs = [row["id"] for row in rows if row["kind"] == "result"]
        assert len(jobs) == len(set(jobs)) == (2 + 2) * 2  # two trials and two controls on two folds
        assert {row["name"] for row in done.json["rows"]} >= {"trial 0", "trial 1", "class means"}
        assert done.json["test_speakers"] == ["3F", "3M"]
        assert done.json["published"] is None  # synthesised speech

    def test_it_is_told_again_from_disk_at_no_cost(self, serhpo: Callable[..., Done], home: Path) -> None:
        path = home / "studies" / "first" / "evaluations.jsonl"
        before = path.read_bytes()
        done = serhpo("evaluate", "first", "--trial", "0", "--trial", "1")
        assert done.code == 0, done.err
        assert path.read_bytes() == before
        assert done.err == ""
        for shown in (
            "Test of first",
            "class means",
            "trial 0",
            "λ=1",
            "no part of the search has read",
            "p (Holm)",
        ):
            assert shown in done.out
        assert "Bautista" not in done.out
        captions = " ".join(done.out.split()).count("no part of the search has read; 2 folds, 1 seed")
        assert captions == 8  # under every table

    def test_a_second_reading_is_refused_and_again_allows_it(self, serhpo: Callable[..., Done]) -> None:
        refused = serhpo("evaluate", "first", "--trial", "0", "--seeds", "2", "--json")
        assert refused.code == 2
        assert "has been measured on these test speakers" in refused.json["error"]["message"]
        done = serhpo("evaluate", "first", "--trial", "0", "--seeds", "1", "--again", "--dry-run", "--json")
        assert done.json["trainings"] == 3 * 2  # the trial and both controls, one further seed on two folds


@pytest.fixture
def study(home: Path):
    return make_study(home / "studies" / "demo", TRIALS, epochs=1)


def test_a_dry_run_tells_what_it_would_cost_and_writes_nothing(serhpo: Callable[..., Done], study) -> None:
    document = serhpo("evaluate", "demo", "--limit", "2", "--seeds", "2", "--dry-run", "--json").json
    assert document["trials"] == [1, 2]  # the knee, then the best UA
    assert document["controls"] == {"classes": 2, "dimensions": 0}
    assert document["trainings"] == 4 * 2 * 2
    assert document["training_hours"] > 0
    assert not (study.path / "evaluations.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--trial", "4"], 2, "No complete trial of that number"),
        (["--trial", "1", "--limit", "1"], 2, "one of --trial and --limit"),
        (["--folds", "3"], 2, "No fold `3`"),
        (["--classes", "5"], 2, "--classes is about the corpus of --corpus"),
        (["--corpus", "/nowhere"], 3, "no such corpus"),
    ],
)
def test_mistakes_are_told_before_anything_starts(
    serhpo: Callable[..., Done], study, arguments: list[str], code: int, message: str
) -> None:
    done = serhpo("evaluate", "demo", *arguments, "--dry-run", "--json")
    assert done.code == code
    assert message in done.json["error"]["message"]


def test_a_study_without_a_complete_trial_has_nothing_to_evaluate(
    serhpo: Callable[..., Done], home: Path
) -> None:
    make_study(home / "studies" / "young", [FakeTrial("RUNNING", [(0.3, 0.1)])])
    assert serhpo("evaluate", "young", "--dry-run").code == 4
