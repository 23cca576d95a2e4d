"""``--storage`` before and after a search: what is refused, what a dry run says, what `fetch` brings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serhpo.cli.machines import cache_beside, stored_at
from serhpo.study import Study, place_of
from serhpo.study.mirror import Mirror
from serhpo.study.store import StudyStore
from tests.search.conftest import Driver, make_space, make_study

Serhpo = Callable[..., Any]


def stored(tmp_path: Path) -> str:
    """Address of a store with a study ``s`` of one ended trial."""
    space = make_space(epochs=3, trials=4)
    driver = Driver(make_study(tmp_path / "head" / "s", space), space)
    address = str(tmp_path / "store")
    with Mirror(driver.study, StudyStore(address, "s"), lambda error: None):
        trial, _ = driver.start()
        driver.train(trial, 0, 0.5, 0.5)
    return address


def test_fetch_brings_a_study_from_its_store_again_and_again(
    serhpo: Serhpo, tmp_path: Path, home: Path
) -> None:
    address = stored(tmp_path)
    for _ in range(2):
        done = serhpo("fetch", "s", "--storage", address, "--json")
        assert (done.code, done.json["trials"]) == (0, {"COMPLETE": 1}), done.err
    assert Study(home / "studies" / "s").front()[0].number == 0
    assert (home / "studies" / "s" / "results.parquet").is_file()
    assert serhpo("fetch", "t", "--storage", address).code == 3
    assert serhpo("fetch", "t").code == 2


def test_a_dry_run_says_where_the_study_would_be_kept_and_leaves_nothing_there(
    serhpo: Serhpo, tmp_path: Path, small_corpus: Path
) -> None:
    plan = ["search", "--space", "smoke", "--corpus", small_corpus, "--dry-run", "--json"]
    done = serhpo(*plan, "--name", "x", "--storage", tmp_path / "store")
    assert done.json["places"]["store"] == str(tmp_path / "store" / "x")
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]


def test_a_store_that_cannot_be_written_or_has_the_study_is_one_error(
    serhpo: Serhpo, tmp_path: Path, small_corpus: Path, home: Path
) -> None:
    address = stored(tmp_path)
    search = ["search", "--space", "smoke", "--corpus", small_corpus, "--name", "s", "--json", "--storage"]
    taken = serhpo(*search, address)
    assert (taken.code, taken.json["error"]["message"]) == (
        3,
        "A study of this name lies on the store already",
    )
    (tmp_path / "file").touch()
    broken = serhpo(*search, tmp_path / "file")
    assert (broken.code, broken.json["error"]["message"]) == (5, "The study's store cannot be used")
    assert "nothing was started" in broken.json["error"]["hint"]
    assert not (home / "studies" / "s").exists()


def test_check_tries_the_store_and_leaves_nothing_there(
    serhpo: Serhpo, tmp_path: Path, small_corpus: Path
) -> None:
    check = ["check", "--space", "smoke", "--corpus", small_corpus, "--json", "--storage"]
    done = serhpo(*check, tmp_path / "store")
    assert done.code == 0, done.err
    assert any(str(tmp_path / "store") in finding for finding in done.json["checked"])
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    (tmp_path / "file").touch()
    assert serhpo(*check, tmp_path / "file").code == 5


def test_a_study_on_a_store_is_found_by_its_folder_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERHPO_HOME", str(home))
    (home / "studies" / "s").mkdir(parents=True)
    (home / "studies" / "s" / "storage.txt").write_text("s3://bucket/folder\n")
    assert place_of("s") == home / "studies" / "s"
    assert place_of(str(home / "studies" / "s")) == home / "studies" / "s"
    assert stored_at(None, place_of(str(home / "studies" / "s"))) == "s3://bucket/folder"
    assert stored_at("s3://other/one", place_of("s")) == "s3://other/one"


def test_features_lie_beside_studies_under_a_name_that_none_can_have() -> None:
    assert cache_beside("s3://b/p?region=x", None) == "s3://b/p/.features?region=x"
    assert cache_beside("s3://b/p", "/mnt/cache") == "/mnt/cache"
    assert cache_beside(None, None) is None
