"""Directions of the rules, and that no single cue gives the class away."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from serhpo.corpus.prosody import CUES, Speaker, cast, express
from serhpo.corpus.ratings import CLASS_MEAN, MEAN, rate

PLAIN = dataclasses.replace(
    cast(np.random.default_rng(0), 1, "F"), habit=np.zeros(len(CUES)), expression=np.ones(len(CUES))
)


def average(speaker: Speaker, acted: str, felt: np.ndarray, times: int = 400) -> dict[str, float]:
    drawn = [express(np.random.default_rng([7, i]), speaker, acted, felt) for i in range(times)]
    return {cue: float(np.mean([cues[cue] for cues in drawn])) for cue in CUES}


def test_neutral_and_average_is_no_change() -> None:
    assert all(abs(value) < 0.15 for value in average(PLAIN, "neutral", MEAN).values())


@pytest.mark.parametrize(
    ("dimension", "rises", "falls"),
    [
        (1, ["pitch", "range", "tempo", "loudness", "accents"], ["pauses"]),  # activation
        (0, ["pitch", "tempo"], ["accents"]),  # evaluation
        (2, [], ["pitch", "slope"]),  # power
    ],
)
def test_directions_of_the_dimensions(dimension: int, rises: list[str], falls: list[str]) -> None:
    """As Schröder (2006) has them."""
    step = np.eye(3)[dimension] * 0.7
    low, high = (average(PLAIN, "neutral", MEAN + sign * step) for sign in (-1, 1))
    changes = {cue: high[cue] - low[cue] for cue in CUES}
    assert all(changes[cue] > 0.1 for cue in rises), changes
    assert all(changes[cue] < -0.1 for cue in falls), changes


def test_directions_of_the_classes() -> None:
    voices = {acted: average(PLAIN, acted, MEAN) for acted in CLASS_MEAN}
    assert voices["sad"]["tempo"] < voices["neutral"]["tempo"] < voices["angry"]["tempo"]
    assert voices["sad"]["loudness"] < voices["neutral"]["loudness"] < voices["angry"]["loudness"]
    assert voices["sad"]["breathiness"] > voices["neutral"]["breathiness"] + 1
    assert voices["sad"]["range"] < voices["neutral"]["range"] < voices["happy"]["range"]
    assert voices["angry"]["roughness"] > voices["happy"]["roughness"] + 1
    assert voices["angry"]["slope"] < -1 < 1 < voices["happy"]["slope"]


def recall(cues: np.ndarray, classes: np.ndarray, speakers: np.ndarray, columns: list[int]) -> float:
    """Mean recall of linear discriminants; every speaker judged by the others."""
    names, hits = np.unique(classes), []
    for speaker in np.unique(speakers):
        train, test = speakers != speaker, speakers == speaker
        means = np.array([cues[train & (classes == name)][:, columns].mean(axis=0) for name in names])
        centred = cues[train][:, columns] - means[np.searchsorted(names, classes[train])]
        inverse = np.linalg.inv(np.atleast_2d(np.cov(centred.T)))
        distances = cues[test][:, None, columns] - means[None]
        nearest = names[np.einsum("nkd,de,nke->nk", distances, inverse, distances).argmin(axis=1)]
        hits += [(name, truth == name) for name, truth in zip(classes[test], nearest, strict=True)]
    return float(np.mean([np.mean([hit for name, hit in hits if name == wanted]) for wanted in names]))


def test_all_cues_tell_the_class_fairly_and_none_alone() -> None:
    drawn = []
    for number in range(10):
        speaker = cast(np.random.default_rng([5, number]), number // 2 + 1, "FM"[number % 2])
        rng = np.random.default_rng([6, number])
        for label in list(CLASS_MEAN) * 40:
            rating = rate(rng, label)
            drawn.append((label, number, list(express(rng, speaker, rating.acted, rating.felt).values())))
    classes, speakers = np.array([d[0] for d in drawn]), np.array([d[1] for d in drawn])
    cues = np.array([d[2] for d in drawn])

    alone = [recall(cues, classes, speakers, [column]) for column in range(len(CUES))]
    # What could be known if every cue were measured without error; the recordings give away far less.
    assert max(alone) < 0.6
    assert 0.8 < recall(cues, classes, speakers, list(range(len(CUES)))) < 0.95


def test_speakers_of_a_session_differ() -> None:
    women = [cast(np.random.default_rng(seed), session, "F") for seed, session in ((1, 1), (2, 2), (1, 6))]
    assert len({speaker.voice for speaker in women}) == 2  # five variants: the sixth woman has the first's
    assert len({speaker.tract for speaker in women}) == 2
