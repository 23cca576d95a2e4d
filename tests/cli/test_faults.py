"""What goes wrong in a user's hands: one clear error, its exit code, nothing half-made, no traceback."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Done

Serhpo = Callable[..., Done]

# A mount namespace of its own: real read-only and full file systems, gone when the command ends.
ISOLATED = ["unshare", "--map-root-user", "--mount", "sh", "-c"]


def can_mount() -> bool:
    try:
        return subprocess.run([*ISOLATED, "mount -t tmpfs tmpfs /mnt"], capture_output=True).returncode == 0
    except OSError:
        return False


needs_mount = pytest.mark.skipif(not can_mount(), reason="this machine lets nobody mount in a namespace")


@pytest.fixture
def corpus(small_corpus: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(small_corpus, tmp_path / "corpus"))


def error_of(done: Done) -> dict[str, object]:
    assert "Traceback" not in done.err + done.out
    error = json.loads(done.out)["error"]
    assert error["message"]
    return dict(error)


def labels(corpus: Path) -> Path:
    return next(iter(sorted(corpus.glob("Session1/dialog/EmoEvaluation/*.txt"))))


def turn_line(file: Path) -> int:
    """1-based number of the first line that describes a turn."""
    return next(n for n, line in enumerate(file.read_text().splitlines(), start=1) if line.startswith("["))


def test_broken_wav_is_named_with_its_label_line(corpus: Path, serhpo: Serhpo, home: Path) -> None:
    file = labels(corpus)
    number = turn_line(file)
    turn = file.read_text().splitlines()[number - 1].split("\t")[1]
    (wav,) = corpus.glob(f"Session*/sentences/wav/*/{turn}.wav")
    wav.write_bytes(wav.read_bytes()[:20])
    done = serhpo("search", "--space", "smoke", "--corpus", corpus, "--json")
    assert done.code == 3
    (problem,) = error_of(done)["problems"]  # type: ignore[misc]
    assert wav.name in problem["what"]
    assert (Path(problem["file"]).name, problem["line"]) == (file.name, number)
    assert not (home / "studies").exists()
    shown = serhpo("corpus", "show", corpus, "--json").json
    assert [(Path(p["file"]).name, p["line"]) for p in shown["problems"]] == [(file.name, number)]


def test_garbled_label_line_is_named(corpus: Path, serhpo: Serhpo) -> None:
    file = labels(corpus)
    lines = file.read_text().splitlines(keepends=True)
    number = turn_line(file)
    lines[number - 1] = lines[number - 1].replace("\t", " ")[:30] + "\n"
    file.write_text("".join(lines))
    done = serhpo("check", "--space", "smoke", "--corpus", corpus, "--json")
    assert done.code == 3
    problems = error_of(done)["problems"]
    assert (Path(problems[0]["file"]).name, problems[0]["line"]) == (file.name, number)  # type: ignore[index]


def test_unknown_key_in_a_space_names_the_nearest(corpus: Path, serhpo: Serhpo, tmp_path: Path) -> None:
    space = tmp_path / "mine.yaml"
    space.write_text("parameters:\n  optimiser.lr: {flaot: [1e-4, 1e-2], log: true}\n")
    done = serhpo("search", "--space", space, "--corpus", corpus, "--json")
    assert done.code == 3
    assert "`float`" in json.dumps(error_of(done))


def test_unknown_space_lists_those_that_exist(serhpo: Serhpo) -> None:
    done = serhpo("search", "--space", "nonsense")
    assert done.code == 2
    assert all(name in done.err for name in ("nonsense", "smoke", "quick", "paper", "full"))
    assert error_of(serhpo("search", "--space", "nonsense", "--json"))["kind"] == "UsageError"


def test_a_configuration_of_ones_own_that_is_misspelt_is_refused(
    corpus: Path, serhpo: Serhpo, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"corpus: {corpus}\nstreams: [mel]\nepoch: 2\n")
    done = serhpo("train", file, "--json")
    assert done.code == 3
    assert "epoch" in json.dumps(error_of(done))


def test_unknown_study_command_and_option(serhpo: Serhpo) -> None:
    assert serhpo("status", "nobody", "--json").code == 3
    assert serhpo("nonsense").code == 2
    done = serhpo("status", "--nonsense", "--json")
    assert done.code == 2
    assert error_of(done)["kind"] == "UsageError"


def test_missing_corpus_folder(serhpo: Serhpo, tmp_path: Path) -> None:
    done = serhpo("corpus", "show", tmp_path / "nowhere", "--json")
    assert done.code == 3
    assert str(tmp_path / "nowhere") in str(error_of(done)["where"])


def test_too_many_folds_for_the_sessions(corpus: Path, serhpo: Serhpo) -> None:
    done = serhpo("search", "--space", "smoke", "--corpus", corpus, "--set", "protocol.folds=9", "--json")
    assert done.code == 3
    assert error_of(done)["got"] == "9"


def test_several_problems_are_told_at_once(corpus: Path, serhpo: Serhpo, tmp_path: Path) -> None:
    space = tmp_path / "mine.yaml"
    space.write_text("parameters:\n  model.widht: {int: [8, 16]}\n")
    labels(corpus).write_text("nonsense\n")
    done = serhpo("check", "--space", space, "--corpus", corpus, "--json")
    assert done.code == 3
    text = json.dumps(error_of(done)["problems"])
    assert "model.widht" in text
    assert labels(corpus).name in text


def test_check_passes_on_what_would_start(corpus: Path, serhpo: Serhpo) -> None:
    done = serhpo("check", "--space", "smoke", "--corpus", corpus, "--json")
    assert done.code == 0
    assert done.json["ok"] is True


def test_dry_run_starts_nothing(corpus: Path, serhpo: Serhpo, home: Path) -> None:
    done = serhpo("search", "--space", "smoke", "--corpus", corpus, "--name", "x", "--dry-run", "--json")
    assert done.code == 0, done.err
    # 12 trials: all reach epoch 1, 5 in 9 of them epoch 3, 5 in 9 of those epoch 9
    assert done.json["epochs"] == {"rungs": [1, 3], "expected": 48, "unpruned": 108, "early": None}
    assert done.json["parameters"]["weighting.lambda"]["when"] == "weighting.name = fixed"
    assert done.json["places"]["study"] == str(home / "studies" / "x")
    assert not home.exists()


def test_a_name_taken_is_refused(corpus: Path, serhpo: Serhpo, home: Path) -> None:
    (home / "studies" / "x").mkdir(parents=True)
    done = serhpo("search", "--space", "smoke", "--corpus", corpus, "--name", "x", "--json")
    assert done.code == 3
    assert "--name" in str(error_of(done)["hint"])


@needs_mount
def test_read_only_study_folder(corpus: Path, serhpo: Serhpo, home: Path) -> None:
    (home / "studies").mkdir(parents=True)
    prefix = [*ISOLATED, f'mount -t tmpfs -o ro tmpfs {home / "studies"} && exec "$@"', "sh"]
    done = serhpo("search", "--space", "smoke", "--corpus", corpus, "--json", prefix=prefix)
    assert done.code == 5
    error = error_of(done)
    assert (error["kind"], error["message"]) == ("StorageError", "The file system is read-only")


@needs_mount
@pytest.mark.parametrize("folder", ["cache", "studies"])
def test_full_disk(folder: str, corpus: Path, serhpo: Serhpo, home: Path) -> None:
    (home / folder).mkdir(parents=True)
    prefix = [*ISOLATED, f'mount -t tmpfs -o size=8k tmpfs {home / folder} && exec "$@"', "sh"]
    done = serhpo("search", "--space", "smoke", "--corpus", corpus, "--json", prefix=prefix)
    assert done.code == 5
    error = error_of(done)
    assert (error["kind"], error["message"]) == ("StorageError", "The disk is full")
    assert str(home / folder) in str(error["where"])


@needs_mount
def test_disk_that_fills_in_mid_search_loses_nothing(corpus: Path, serhpo: Serhpo, home: Path) -> None:
    studies = home / "studies"
    studies.mkdir(parents=True)
    search = "--space smoke --set streams=mfcc --set model.width=16 --trials 3 --name cut"
    command = f"{sys.executable} -m serhpo.cli.app"
    script = (
        f"mount -t tmpfs -o size=400k tmpfs {studies} || exit 99\n"
        f"{command} search {search} --corpus {corpus} --json > {home}/error.json; test $? = 5 || exit 98\n"
        f"mount -o remount,size=100m {studies} || exit 97\n"
        f"{command} resume cut || exit 96\n"
        f"{command} status cut --json > {home}/status.json"
    )
    done = serhpo(prefix=[*ISOLATED, script, "sh"])
    assert done.code == 0, done.err
    error = json.loads((home / "error.json").read_text())["error"]
    assert (error["kind"], error["message"]) == ("StorageError", "The disk is full")
    assert "serhpo resume cut" in error["hint"]
    trials = json.loads((home / "status.json").read_text())["trials"]
    assert trials["COMPLETE"] + trials["PRUNED"] == sum(trials.values()) == 3


def test_help_loads_neither_torch_nor_ray() -> None:
    code = (
        "import sys; sys.argv = ['serhpo', '--help']\n"
        "from serhpo.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'ray', 'optuna', 'pyarrow'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "[]"
    assert "search" in done.stdout


def test_a_missing_pretrained_model_is_found_before_anything_starts(
    corpus: Path, serhpo: Serhpo, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    done = serhpo("check", "--space", "full-ssl", "--corpus", corpus, "--json")
    assert done.code == 3
    assert len(error_of(done)["problems"]) == 2
    done = serhpo("search", "--space", "full-ssl", "--corpus", corpus, "--json")
    assert done.code == 3
    assert "FOLDER" in str(error_of(done)["hint"])
    assert not (home / "studies").exists()
    assert serhpo("search", "--space", "full", "--corpus", corpus, "--dry-run").code == 0
