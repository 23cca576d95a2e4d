"""A trial's model taken home: the same answers, from a folder alone."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import soundfile
import torch

from serhpo.corpus import read_corpus
from serhpo.corpus.table import Corpus
from serhpo.errors import AudioError, ConfigError, StudyError, UsageError
from serhpo.export import EmotionModel, card, export_trial, trial
from serhpo.export.onnx import Graph
from serhpo.study import Study
from serhpo.training.checkpoint import load_predictions, read_checkpoint
from tests.conftest import Done
from tests.trained import trained_study


@dataclass(frozen=True)
class Finished:
    """A study of one complete and one failed trial."""

    study: Study
    corpus: Corpus


@pytest.fixture(scope="module")
def finished(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    with trained_study(small_corpus, tmp_path_factory.mktemp("home")) as study:
        yield Finished(study, read_corpus(small_corpus))


@pytest.fixture(scope="module")
def exported(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "model"
    export_trial(finished.study, 0, out)
    return out


def test_a_reloaded_model_repeats_its_validation_predictions(finished: Finished, exported: Path) -> None:
    model = EmotionModel.from_pretrained(str(exported))
    predictions = load_predictions(finished.study.trial_folder(0) / "best")
    columns = [finished.corpus.column(name) for name in ("audio", "start", "end")]
    chosen = np.linspace(0, len(predictions.utterances) - 1, 12).astype(int)
    for place in chosen.tolist():
        audio, start, end = (column[predictions.utterances[place]] for column in columns)
        log_probabilities, dimensions = model.outputs(Path(audio), start, end)
        fold = predictions.folds[place]
        np.testing.assert_allclose(log_probabilities[fold], predictions.log_probabilities[place], atol=1e-5)
        np.testing.assert_allclose(dimensions[fold], predictions.dimensions[place], atol=1e-5)


def test_the_folds_answer_together_in_the_unit_of_the_corpus(finished: Finished, exported: Path) -> None:
    model = EmotionModel.from_pretrained(str(exported))
    audio = Path(finished.corpus.column("audio")[0])
    one, (logs, dimensions) = model.predict(audio), model.outputs(audio)
    assert len(logs) == 2
    assert sum(one.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert one.probabilities["sad"] == pytest.approx(logs.exp()[:, 3].mean().item(), abs=1e-6)
    assert one.emotion == max(one.probabilities, key=lambda name: one.probabilities[name])
    assert finished.corpus.scheme.dimensions == (1.0, 5.0)
    assert one.ratings["arousal"] == pytest.approx(3 + 2 * dimensions[:, 1].mean().item(), abs=1e-5)


def test_an_explanation_says_the_same_and_where_it_looked(finished: Finished, exported: Path) -> None:
    model = EmotionModel.from_pretrained(str(exported))
    audio = Path(finished.corpus.column("audio")[0])
    prediction, seen = model.explain(audio)
    plain = model.predict(audio)
    assert prediction.emotion == plain.emotion
    assert prediction.ratings == pytest.approx(plain.ratings, abs=1e-5)
    assert set(seen.frames) == {"mfcc", "waveform"}
    seconds = soundfile.info(audio).duration
    for stream, parts in seen.frames.items():
        assert seen.seconds[stream] == pytest.approx(seconds, abs=0.1)
        for shares in parts.values():
            assert shares.sum() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 2), (8_000, 1)])
def test_any_recording_will_do(exported: Path, tmp_path: Path, rate: int, channels: int) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (rate // 2, channels))
    soundfile.write(tmp_path / "a.flac", noise, rate)
    assert EmotionModel.from_pretrained(str(exported)).predict(tmp_path / "a.flac").emotion


def test_a_broken_recording_is_an_error_that_names_it(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    with pytest.raises(AudioError, match=r"broken\.wav"):
        EmotionModel.from_pretrained(str(exported)).predict(tmp_path / "broken.wav")


def test_the_folder_holds_no_pickle_and_says_what_it_is(finished: Finished, exported: Path) -> None:
    assert sorted(path.name for path in exported.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    told = (exported / "README.md").read_text()
    value = finished.study.front()[0].values
    assert value is not None
    assert f"| UA | {value['ua']:.3f} |" in told
    assert finished.study.settings.claim[1:] in told
    config = json.loads((exported / "config.json").read_text())
    assert config["classes"] == ["angry", "happy", "neutral", "sad"]
    assert config["origin"]["trial"] == 0


def test_whoever_may_read_the_settings_may_read_the_weights(exported: Path) -> None:
    modes = {path.name: path.stat().st_mode for path in exported.iterdir()}
    assert modes["model.safetensors"] == modes["config.json"]


def test_the_card_has_what_was_measured_on_test_speakers(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(folds: list[str], *rows: tuple[str, int | None, float]) -> dict:
        return {
            "corpus": "x",
            "protocol": "holdout",
            "level": "never heard",
            "folds": folds,
            "folds_of_protocol": 3,
            "rows": [
                {"kind": kind, "trial": trial, "seeds": [0], "figures": {"ua": {"value": value, "se": 0.012}}}
                for kind, trial, value in rows
            ],
        }

    documents = [
        measured(["1", "2", "3"], ("candidate", 1, 0.111)),
        measured(["1", "2"], ("candidate", 1, 0.111), ("candidate", 0, 0.222), ("baseline", None, 0.333)),
        measured(["1"], ("candidate", 0, 0.444)),
    ]
    monkeypatch.setattr(card, "documents", lambda study: documents)
    export_trial(finished.study, 0, tmp_path / "model")
    text = (tmp_path / "model" / "README.md").read_text()
    assert "Never heard; 2 of 3 folds (1, 2), 1 seed." in text
    assert "| UA | 0.222 | 0.012 |" in text
    assert "0.111" not in text
    assert "0.333" not in text
    assert "0.444" not in text  # a part of what stands there

    def damaged(study: Study) -> None:
        raise StudyError("The record is damaged")

    monkeypatch.setattr(card, "documents", damaged)
    export_trial(finished.study, 0, tmp_path / "other")
    assert "cannot be read: The record is damaged." in (tmp_path / "other" / "README.md").read_text()


def test_of_a_dimension_that_nobody_rated_nothing_is_said(
    finished: Finished, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = set(read_checkpoint(finished.study.trial_folder(0) / "best")[0]["speakers"][0]["train"])
    rows = finished.corpus.table.to_pylist()
    kept = [row if row["speaker"] in first else {**row, "dominance": None} for row in rows]
    table = pa.Table.from_pylist(kept, finished.corpus.table.schema)  # one fold's network has heard of it
    corpus = dataclasses.replace(finished.corpus, table=table)
    monkeypatch.setattr(trial, "study_corpus", lambda study: corpus)
    export_trial(finished.study, 0, tmp_path / "model")

    audio = Path(corpus.column("audio")[0])
    whole, part = (EmotionModel.from_pretrained(str(folder)) for folder in (exported, tmp_path / "model"))
    ratings = whole.predict(audio).ratings
    assert part.predict(audio).ratings == {name: ratings[name] for name in ("valence", "arousal")}
    assert torch.equal(part.outputs(audio)[1], whole.outputs(audio)[1][:, :2])
    graph = Graph(part._networks, part.settings.trial, (1.0, 5.0), part._rated)
    assert graph(*graph.noise(0.1))[1].shape == (2,)
    told = (tmp_path / "model" / "README.md").read_text()
    assert "sad, and valence, arousal\n" in told
    assert "; valence, arousal from 1 to 5." in told


def test_a_folder_of_the_first_format_says_all_three(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "old")
    config = tmp_path / "old" / "config.json"
    settings = json.loads(config.read_text())
    assert settings.pop("rated") == ["valence", "arousal", "dominance"]
    config.write_text(json.dumps(settings | {"format": 1}))
    model = EmotionModel.from_pretrained(str(tmp_path / "old"))
    assert model.settings == EmotionModel.from_pretrained(str(exported)).settings


def test_saved_again_it_is_the_same(exported: Path, tmp_path: Path) -> None:
    EmotionModel.from_pretrained(str(exported)).save_pretrained(tmp_path / "again")
    for name in ("README.md", "config.json", "model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (exported / name).read_bytes()


@pytest.mark.parametrize("number", [1, 7])
def test_only_complete_trials_are_exported(finished: Finished, tmp_path: Path, number: int) -> None:
    with pytest.raises(UsageError, match="No complete trial"):
        export_trial(finished.study, number, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(finished: Finished, exported: Path) -> None:
    with pytest.raises(UsageError, match="something already"):
        export_trial(finished.study, 0, exported)


def test_a_corpus_that_has_changed_is_refused(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(finished.study.lock, "corpus_digest", "00")
    with pytest.raises(StudyError, match="corpus has changed"):
        export_trial(finished.study, 0, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_weights_that_are_gone_are_told(finished: Finished, tmp_path: Path) -> None:
    folder = finished.study.trial_folder(0)
    (folder / "best").rename(folder / "away")
    try:
        with pytest.raises(StudyError, match="weights are gone"):
            export_trial(finished.study, 0, tmp_path / "out")
    finally:
        (folder / "away").rename(folder / "best")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"format": 2', '"format": 3', "newer serhpo"),
        ('"width": 16', '"width": 24', "not those of the configuration"),
        ('"classes"', '"sorts"', "config.json"),
    ],
)
def test_a_folder_that_was_tampered_with_is_one_error(
    exported: Path, tmp_path: Path, old: str, new: str, message: str
) -> None:
    EmotionModel.from_pretrained(str(exported)).save_pretrained(tmp_path / "bad")
    config = tmp_path / "bad" / "config.json"
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        EmotionModel.from_pretrained(str(tmp_path / "bad"))


def test_damaged_weights_are_one_error(exported: Path, tmp_path: Path) -> None:
    EmotionModel.from_pretrained(str(exported)).save_pretrained(tmp_path / "bad")
    weights = tmp_path / "bad" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    with pytest.raises(ConfigError, match="cannot be read"):
        EmotionModel.from_pretrained(str(tmp_path / "bad"))


def test_the_command_draws_where_the_model_looked(
    finished: Finished, exported: Path, tmp_path: Path, serhpo: Callable[..., Done]
) -> None:
    audio = finished.corpus.column("audio")[0]
    done = serhpo("predict", exported, audio, "--explain", tmp_path / "look.html", "--json")
    assert done.code == 0, done.err
    assert done.json["predictions"][0]["audio"] == audio
    assert f"drawn: {tmp_path / 'look.html'}" in done.err
    assert f'<h2 id="recording-1">{Path(audio).name}</h2>' in (tmp_path / "look.html").read_text()
    done = serhpo("predict", exported, audio, audio, "--explain", tmp_path / "look.png")
    assert done.code == 2
    assert "shows one recording" in done.err
    assert done.out == ""
