"""What must be there before a search starts, and what must be the same when it goes on."""

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from serhpo.corpus import read_corpus
from serhpo.corpus.manifest import write
from serhpo.corpus.table import Corpus
from serhpo.errors import ConfigError, CorpusError, StudyError
from serhpo.features.pretrained import Pretrained
from serhpo.search.lock import Shards, check_features
from serhpo.search.prepare import create_study, fill_features, make_context, make_plan, reopen
from serhpo.search.space import Space, load_space, load_space_data
from serhpo.training.trainer import TrialTraining
from tests.checkpoints import save_checkpoint


def ignore(*told: object) -> None:
    """Nobody watches the filling."""


def tiny_space(folder: Path, layer: int | str = "all") -> Space:
    data: dict[str, Any] = {
        "parameters": {"streams": {"subset": ["mfcc", "wav2vec2"]}},
        "defaults": {
            "features": {"wav2vec2": {"model": str(folder), "layer": layer}},
            "model": {"width": 16, "co_attention": "cross"},
        },
        "search": {"epochs": 2},
    }
    return load_space_data(data, "tiny")


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERHPO_HOME", str(tmp_path / "home"))


def test_the_full_space_needs_no_model(offline: None, small_corpus: Path) -> None:
    plan = make_plan(load_space("full"), "full", read_corpus(small_corpus))
    assert not any(isinstance(extractor, Pretrained) for extractor in plan.space.extractors())


@pytest.mark.parametrize("name", ["full-ssl", "paper"])
def test_a_space_with_pretrained_streams_names_the_missing_model(
    name: str, offline: None, small_corpus: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        make_plan(load_space(name), name, read_corpus(small_corpus))
    assert caught.value.where == "features.wav2vec2.model"
    assert "FOLDER" in str(caught.value.hint)


def test_a_pinned_folder_serves_such_a_space(
    offline: None, small_corpus: Path, checkpoint: Callable[[str], Path]
) -> None:
    pins = {
        f"features.{stream}.{field}": value
        for stream, kind in (("wav2vec2", "Wav2Vec2"), ("hubert", "WavLM"))
        for field, value in (("model", str(checkpoint(kind))), ("layer", 2))
    }
    plan = make_plan(load_space("full-ssl").pinned(pins), "full-ssl", read_corpus(small_corpus))
    assert {extractor.name for extractor in plan.space.extractors()} == set(plan.space.streams())


def test_a_trial_on_all_layers_of_a_model(small_corpus: Path, checkpoint: Callable[[str], Path]) -> None:
    plan = make_plan(tiny_space(checkpoint("Wav2Vec2")), "tiny", read_corpus(small_corpus))
    shards = fill_features(plan.corpus, plan.space.extractors(), ignore, ExitStack())
    context = make_context(plan, shards, create_study(plan, "pretrained", shards))
    config = plan.space.trial_config({"streams": "mfcc+wav2vec2"})
    data = context.data(config, {})
    assert data.stores["wav2vec2"].channels == 4 * 12
    result = TrialTraining(config, data, context.folds, seed=0, device="cpu").run_epoch()
    assert 0 <= result.ua <= 1


def test_a_study_goes_on_only_with_the_model_it_was_made_with(small_corpus: Path, tmp_path: Path) -> None:
    folder = save_checkpoint("Wav2Vec2", tmp_path / "model")
    plan = make_plan(tiny_space(folder, layer=1), "tiny", read_corpus(small_corpus))
    study = create_study(plan, "pretrained", {})
    assert reopen(study).folds == plan.folds
    shutil.rmtree(folder)
    save_checkpoint("Wav2Vec2", folder, seed=1)
    with pytest.raises(StudyError, match="pretrained model"):
        reopen(study)


def test_a_study_goes_on_only_with_the_recordings_it_was_made_with(
    small_corpus: Path, tmp_path: Path
) -> None:
    corpus = Path(shutil.copytree(small_corpus, tmp_path / "corpus"))
    space = load_space("smoke").pinned({"streams": "mfcc"})

    def features() -> Shards:
        plan = make_plan(space, "smoke", read_corpus(corpus))
        return fill_features(plan.corpus, plan.space.extractors(), ignore, ExitStack())

    study = create_study(make_plan(space, "smoke", read_corpus(corpus)), "heard", features())
    check_features(study, features())
    wav = next(corpus.rglob("*.wav"))
    content = wav.read_bytes()
    wav.write_bytes(content[:44] + content[44:][::-1])  # another sound of the same size
    assert reopen(study).corpus.digest == study.lock["corpus_digest"]
    with pytest.raises(StudyError, match="recording has changed"):
        check_features(study, features())


def test_a_class_that_nobody_shows_is_refused(small_corpus: Path, tmp_path: Path) -> None:
    corpus = Path(shutil.copytree(small_corpus, tmp_path / "corpus"))
    for labels in corpus.rglob("EmoEvaluation/*.txt"):
        labels.write_text(labels.read_text().replace("\tsad\t", "\txxx\t"))
    with pytest.raises(CorpusError, match="labelled sad"):
        make_plan(load_space("smoke"), "smoke", read_corpus(corpus))


def test_classes_count_where_they_take_part(small_corpus: Path, tmp_path: Path) -> None:
    """One that only stands in a part the protocol leaves out cannot be learnt."""
    corpus = read_corpus(small_corpus)
    parts = {"1": "train", "2": "dev", "3": "test"}
    rows = [{**row, "split": parts[row["speaker"][0]]} for row in corpus.table.to_pylist()]
    for row in rows:
        if row["label"] == "sad":
            row["split"] = "test2"
    path = write(Corpus.from_rows("parts", tmp_path, rows, corpus.scheme), tmp_path / "parts.parquet")
    space = load_space("smoke").pinned({"protocol.name": "predefined", "streams": "mfcc"})
    with pytest.raises(CorpusError, match="No utterance is labelled sad"):
        make_plan(space, "smoke", read_corpus(path))
