"""``serhpo evaluate`` as a user runs it: real Ray, real training, a kill, all of it told again from disk."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import create_trial

from serhpo.corpus import read_corpus
from serhpo.corpus.manifest import write
from serhpo.corpus.synthetic import synthesise
from serhpo.corpus.table import DIMENSIONS, Corpus
from serhpo.search.prepare import create_study, fill_features, make_plan
from serhpo.search.space import load_space_data
from serhpo.study.ledger import Ledger
from tests.cli.test_front import TRIALS
from tests.conftest import COMMAND, Done, environment
from tests.fakes import FakeTrial, make_study

SPACE = {
    "parameters": {"optimiser.lr": {"choice": [1e-3, 3e-3]}},
    "defaults": {"streams": ["mfcc"], "model": {"width": 16, "heads": 2}, "max_seconds": 1.0},
    "search": {"epochs": 2, "concurrent": 1},
}
BOTH = ["first", "--trial", "0", "--trial", "1", "--seeds", "1"]


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "evaluate", *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=environment(home),
    )


def read_until(process: subprocess.Popen[str], text: str) -> None:
    """Follow what it says until a line begins like this."""
    assert process.stderr
    for line in process.stderr:
        if line.startswith(text):
            return
    pytest.fail(f"it ended before it said {text!r}")


def finish_search(home: Path, corpus: Path) -> None:
    """A study of two complete trials, as a search leaves it, without the search."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERHPO_HOME", str(home))
        plan = make_plan(load_space_data(SPACE, "tiny"), "tiny", read_corpus(corpus))
        shards = fill_features(plan.corpus, plan.space.extractors(), lambda *told: None, ExitStack())
        study = create_study(plan, "first", shards)
    rates = CategoricalDistribution((1e-3, 3e-3))
    for rate, values in ((1e-3, (0.4, 0.3)), (3e-3, (0.5, 0.2))):
        trial = {"params": {"optimiser.lr": rate}, "distributions": {"optimiser.lr": rates}}
        study.journal.add_trial(create_trial(**trial, values=values, user_attrs={"epoch": 2}))
    ledger = Ledger(study.path / "epochs.jsonl")
    for number in (0, 1):
        ledger.append({"trial": number, "epoch": 1, "seconds": 2.0, "se_ua": 0.1, "se_ccc": 0.1})
    ledger.close()


@pytest.fixture(scope="module")
def searched(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Home folder of such a study."""
    home = tmp_path_factory.mktemp("home")
    finish_search(home, small_corpus)
    return home


@pytest.mark.slow
class TestOnARealStudy:
    @pytest.fixture
    def home(self, searched: Path) -> Path:
        return searched

    @pytest.fixture
    def evaluated(self, serhpo: Callable[..., Done], home: Path) -> Path:
        """The same folder when its test speakers have been read, by an earlier test or now."""
        done = serhpo("evaluate", *BOTH)
        assert done.code == 0, done.err
        return home

    def test_a_stopped_and_a_killed_evaluation_go_on_and_read_nothing_twice(
        self, serhpo: Callable[..., Done], home: Path
    ) -> None:
        path = home / "studies" / "first" / "evaluations.jsonl"
        lines = []
        for end, code in ((signal.SIGTERM, 130), (signal.SIGKILL, -9)):
            process = start(home, *BOTH)
            read_until(process, "1/")
            process.send_signal(end)
            assert process.stderr
            said = process.stderr.read()
            assert process.wait() == code
            assert code != 130 or "the same command goes on" in said
            whole = path.read_bytes().rpartition(b"\n")[0].splitlines()
            assert whole[: len(lines)] == lines
            lines = whole
        done = serhpo("evaluate", *BOTH, "--json")
        assert done.code == 0, done.err
        after = path.read_bytes().splitlines()
        assert after[: len(lines)] == lines
        rows = [json.loads(line) for line in after]
        assert [row["kind"] for row in rows].count("reading") == 1
        jobs = [row["id"] for row in rows if row["kind"] == "result"]
        assert len(jobs) == len(set(jobs)) == (2 + 2) * 2  # two trials and two controls on two folds
        assert {row["name"] for row in done.json["rows"]} >= {"trial 0", "trial 1", "class means"}
        assert done.json["test_speakers"] == ["3F", "3M"]
        assert done.json["published"] is None  # synthesised speech

    def test_it_is_told_again_from_disk_at_no_cost(
        self, serhpo: Callable[..., Done], evaluated: Path
    ) -> None:
        path = evaluated / "studies" / "first" / "evaluations.jsonl"
        before = path.read_bytes()
        done = serhpo("evaluate", *BOTH)
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

    def test_a_second_reading_is_refused_and_again_allows_it(
        self, serhpo: Callable[..., Done], evaluated: Path
    ) -> None:
        refused = serhpo("evaluate", "first", "--trial", "0", "--seeds", "2", "--json")
        assert refused.code == 2
        assert "has been measured on these test speakers" in refused.json["error"]["message"]
        done = serhpo("evaluate", "first", "--trial", "0", "--seeds", "1", "--again", "--dry-run", "--json")
        assert done.json["trainings"] == 3 * 2  # the trial and both controls, one further seed on two folds

    def test_another_protocol_counts_what_was_heard_and_leaves_one_speaker_out(
        self, serhpo: Callable[..., Done], evaluated: Path
    ) -> None:
        divide = [
            "evaluate",
            "first",
            "--trial",
            "0",
            "--protocol",
            "leave_one_speaker_out",
            "--dry-run",
            "--json",
        ]
        assert "has been measured" in serhpo(*divide).json["error"]["message"]
        assert serhpo(*divide, "--folds", "1F").json["trainings"] == 3 * 3  # nobody has tested on 1F
        assert serhpo(*divide, "--again", "--seeds", "1").json["trainings"] == 3 * 6

    def test_all_speakers_of_another_corpus_are_measured(
        self, serhpo: Callable[..., Done], tmp_path: Path, small_corpus: Path
    ) -> None:
        other = synthesise(tmp_path / "other", speakers=4, utterances=8, seed=9)
        asked = ["evaluate", "first", "--trial", "1", "--seeds", "1", "--folds", "fold1", "--json"]
        done = serhpo(*asked, "--corpus", other)
        assert done.code == 0, done.err
        assert done.json["corpus"] == "synthetic speech (other)"
        assert done.json["test_speakers"] == [f"synthetic speech:{name}" for name in ("1F", "1M", "2F", "2M")]
        assert "have no label" in done.err
        assert done.json["configurations_compared"] == 1
        leaked = serhpo(*asked, "--corpus", small_corpus)
        assert leaked.code == 3
        assert "byte for byte" in leaked.json["error"]["message"]


def test_test_speakers_of_whom_nothing_is_known_are_refused_before_a_training(
    serhpo: Callable[..., Done], home: Path, tmp_path: Path, small_corpus: Path
) -> None:
    corpus = read_corpus(small_corpus)
    rows = corpus.table.to_pylist()
    for row in rows:
        if row["group"] == "Session3":
            row.update(dict.fromkeys(("label", "label_dist", *DIMENSIONS)))
    withheld = Corpus.from_rows("withheld", tmp_path, rows, corpus.scheme)
    finish_search(home, write(withheld, tmp_path / "withheld.parquet"))
    done = serhpo("evaluate", *BOTH, "--json")
    assert done.code == 3, done.err
    assert "nothing to measure" in done.json["error"]["message"]
    assert [problem["key"] for problem in done.json["error"]["problems"]] == ["fold1", "fold2"]
    assert (home / "studies" / "first" / "evaluations.jsonl").read_bytes() == b""  # nobody was read


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
        (["--protocol", "leave_one"], 2, "Cannot divide by `leave_one`"),
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
