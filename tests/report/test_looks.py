"""Where trials look: in the report, and as the picture of a recording."""

import shutil

import numpy as np
import pytest
import torch

from serhpo.config import parse
from serhpo.errors import ConfigError, StorageError, UsageError
from serhpo.model.attended import Attended
from serhpo.report import Picture, check_pictures, loudness, write_pictures
from serhpo.report.content import collect
from serhpo.report.look_figures import course_figure, fusion_figure, profile_figure
from serhpo.report.looks import BINS, UTTERANCES, _utterances, looks
from serhpo.report.page import render
from serhpo.study.corpus import study_corpus
from serhpo.training.checkpoint import load_predictions, read_checkpoint
from serhpo.training.config import TrialConfig
from serhpo.training.networks import fold_networks, network_tensors
from tests.trained import MODEL, trained_study


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def study(small_corpus, home):
    with trained_study(small_corpus, home, {**MODEL, "fusion": "attention"}) as made:
        yield made


def test_a_trial_is_looked_at_through_its_validation_utterances(study):
    ((look,), missing) = looks(study, [0])

    assert missing == ""
    assert 8 <= look.utterances <= UTTERANCES
    assert sum(look.fusion.values()) == pytest.approx(1, abs=1e-4)
    assert list(look.profiles) == ["mfcc", "waveform"]
    for stream in look.profiles:
        assert list(look.profiles[stream]) == ["self-attention", "co-attention", "pooling"]
        for part, values in look.profiles[stream].items():
            assert values.shape == (BINS,)
            assert values.mean() == pytest.approx(1, abs=1e-4)
            assert 0 < look.spreads[stream][part] <= 1 + 1e-9


def test_each_utterance_goes_through_the_network_that_predicted_it(study):
    state, tensors = read_checkpoint(study.trial_folder(0) / "best")
    predictions = load_predictions(study.trial_folder(0) / "best")
    config = parse(TrialConfig, state["config"], study.path)
    networks = fold_networks(config, 4, 2, network_tensors(tensors))
    folds = set()
    for fold, frames in _utterances(config, study_corpus(study), predictions):
        batch = {stream: torch.from_numpy(values)[None] for stream, values in frames.items()}
        lengths = {stream: torch.tensor([len(values)]) for stream, values in frames.items()}
        with torch.inference_mode():
            logs = networks[fold](batch, lengths).logits.log_softmax(dim=1).numpy()
        distances = np.abs(predictions.log_probabilities - logs).max(axis=1)
        assert distances.min() < 1e-4
        assert predictions.folds[distances.argmin()] == fold
        folds.add(fold)
    assert folds == {0, 1}


def test_the_report_shows_it(study):
    content = collect(study)
    assert [look.number for look in content.looks] == [0]
    text = render(study)
    assert 'data-figure="looks-0"' in text
    assert "Where chosen trials look" in text
    assert "Trial 0, " in text


def test_without_cache_corpus_or_checkpoint_the_report_says_so_and_goes_on(study, home, tmp_path):
    assert "checkpoint is gone" in looks(study, [7])[1]
    shutil.move(home / "cache", tmp_path / "away")
    try:
        assert "trial 0: its features mfcc are not in the cache of this machine" in looks(study, [0])[1]
        assert "Nothing to show: trial 0: its features" in render(study)
    finally:
        shutil.rmtree(home / "cache", ignore_errors=True)
        shutil.move(tmp_path / "away", home / "cache")
    study.lock["corpus_digest"], kept = "0" * 32, study.lock["corpus_digest"]
    try:
        assert "corpus has changed" in looks(study, [0])[1]
    finally:
        study.lock["corpus_digest"] = kept


@pytest.fixture
def picture():
    frames = {
        "mfcc": {"self-attention": np.array([0.5, 0.25, 0.25]), "pooling": np.array([0.2, 0.2, 0.6])},
        "<b>mel</b>": {"pooling": np.array([0.5, 0.5])},
    }
    seen = Attended(frames, {"mfcc": 0.3, "<b>mel</b>": 0.7}, {"mfcc": 1.5, "<b>mel</b>": 1.5})
    return Picture("<img src=x>.wav", "sad 0.61, angry 0.39", seen, np.array([0.0, 0.2, 0.1]))


def test_a_course_has_each_part_over_the_seconds_above_the_loudness(picture):
    figure = course_figure(picture)
    shade, attention, pooling, _ = figure.data
    assert list(shade.y) == [0, 1, 0.5]
    assert attention.name == "mfcc, self-attention"
    assert list(attention.x) == [0.25, 0.75, 1.25]
    assert list(attention.y) == [1.5, 0.75, 0.75]
    assert list(pooling.y) == [0.6, 0.6, 1.8]
    assert "&lt;b&gt;" in figure.data[-1].name


def test_the_fusion_is_a_bar_for_each_stream_or_nothing(picture):
    (bars,) = fusion_figure(picture.attended.fusion).data
    assert list(bars.x) == [0.7, 0.3]
    assert fusion_figure({}) is None


def test_a_profile_is_drawn_over_the_course_of_an_utterance(study):
    ((look,), _) = looks(study, [0])
    figure = profile_figure(look)
    assert len(figure.data) == 6
    assert figure.data[0].x[0] == 2.5
    assert {trace.line.dash for trace in figure.data} == {"solid", "dash", "dot"}


def test_loudness_of_a_tone_and_of_less_than_a_step():
    tone = np.concatenate([np.zeros(320), np.full(320, 0.5), np.ones(10)]).astype(np.float32)
    np.testing.assert_allclose(loudness(tone, 16_000), [0, 0.5])
    np.testing.assert_allclose(loudness(np.full(5, 0.5, np.float32), 16_000), [0.5])


def test_pictures_of_recordings_are_one_page(picture, tmp_path):
    path = write_pictures("my-model", [picture, picture], tmp_path / "look.html")
    text = path.read_text()
    assert 'data-figure="course-2"' in text
    assert 'data-figure="fusion-1"' in text
    assert "<img" not in text
    assert "<b>mel" not in text


@pytest.mark.parametrize(("name", "start"), [("look.png", b"\x89PNG"), ("look.PDF", b"%PDF")])
def test_a_picture_of_one_recording_on_paper(picture, tmp_path, name, start):
    pytest.importorskip("matplotlib")
    assert write_pictures("my-model", [picture], tmp_path / name).read_bytes().startswith(start)
    with pytest.raises(StorageError):
        write_pictures("my-model", [picture], tmp_path / "none" / name)


def test_what_cannot_be_drawn_is_told_before_anything_is_computed(tmp_path, picture, monkeypatch):
    with pytest.raises(UsageError, match="Unknown kind"):
        check_pictures(tmp_path / "look.gif", 1)
    with pytest.raises(UsageError, match="shows one recording") as caught:
        check_pictures(tmp_path / "look.png", 3)
    assert "look.html" in caught.value.hint
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(ConfigError) as missing:
        write_pictures("my-model", [picture], tmp_path / "look.png")
    assert "serhpo[figures]" in missing.value.hint
