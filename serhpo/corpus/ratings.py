"""What listeners say about a synthetic turn: class, votes, valence, arousal and dominance.

The dimensions follow IEMOCAP: class means, standard deviations and correlations over its 5,531
four-class turns (order valence, arousal, dominance). Only these aggregates are used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CLASS_SHARE = {"angry": 1103, "happy": 1636, "neutral": 1708, "sad": 1084}
"""Turns of each class in IEMOCAP; `happy` holds happiness and excitement."""

SPEAKER_COUNTS = {
    1: {"F": (147, 132, 171, 78), "M": (82, 146, 213, 116)},
    2: {"F": (67, 166, 135, 113), "M": (70, 161, 227, 84)},
    3: {"F": (92, 128, 130, 172), "M": (148, 158, 190, 133)},
    4: {"F": (205, 185, 76, 62), "M": (122, 118, 182, 81)},
    5: {"F": (78, 159, 221, 132), "M": (92, 283, 163, 113)},
}
"""The same by session and speaker, classes in the same order."""

CLASS_MEAN = {
    "angry": (1.90, 3.66, 3.97),
    "happy": (3.97, 3.40, 3.24),
    "neutral": (2.99, 2.73, 2.85),
    "sad": (2.24, 2.57, 2.82),
}
MEAN = np.array([2.91, 3.08, 3.18])
DEVIATION = np.array([0.96, 0.74, 0.80])
CORRELATION = np.array([[1.0, 0.06, -0.16], [0.06, 1.0, 0.63], [-0.16, 0.63, 1.0]])

# Flattened: in IEMOCAP the last four together are under two per cent of the turns.
OTHER_SHARE = {"xxx": 0.46, "fru": 0.30, "sur": 0.10, "fea": 0.05, "oth": 0.05, "dis": 0.04}
_RESEMBLES = {"fru": "angry", "dis": "angry", "sur": "happy", "fea": "sad"}

RATERS = 2
RATER_NOISE = 0.35  # our choice; adds to the rounding to whole numbers
ACTED_AS_LABELLED = 0.92  # our choice: how often listeners hear what the actor meant

_WORDS = {
    "ang": "Anger",
    "hap": "Happiness",
    "exc": "Excited",
    "neu": "Neutral",
    "sad": "Sadness",
    "fru": "Frustration",
    "sur": "Surprise",
    "fea": "Fear",
    "oth": "Other",
    "dis": "Disgust",
}
_CODES = {"angry": "ang", "neutral": "neu", "sad": "sad"}
_CONFUSED = {
    "angry": ("neutral", "sad", "happy"),
    "happy": ("neutral", "angry", "neutral"),
    "neutral": ("sad", "happy", "angry"),
    "sad": ("neutral", "neutral", "angry"),
}

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rating:
    """How one turn is acted and what its listeners write down.

    Attributes:
        code: Three-letter label of the turn.
        acted: Class the actor means; usually the label's.
        felt: Valence, arousal and dominance before any rater's noise, shape (3,), 1 to 5.
        votes: One emotion word from each of three external raters.
        scores: Whole-number ratings of the external raters, shape (raters, 3).
        self_vote: The actor's own word.
        self_scores: The actor's own ratings, shape (3,).
    """

    code: str
    acted: str
    felt: FloatArray
    votes: tuple[str, ...]
    scores: FloatArray
    self_vote: str
    self_scores: FloatArray

    @property
    def summary(self) -> FloatArray:
        """Mean of the external raters: what IEMOCAP's summary line gives."""
        mean: FloatArray = self.scores.mean(axis=0)
        return mean


def covariance_within() -> FloatArray:
    """Covariance of the dimensions inside a class, shape (3, 3).

    Law of total covariance: the covariance over all turns less that of the class means.
    """
    share = np.array(list(CLASS_SHARE.values()), dtype=float)
    share /= share.sum()
    means = np.array([CLASS_MEAN[name] for name in CLASS_SHARE])
    centred = means - share @ means
    between = centred.T @ (centred * share[:, None])
    within: FloatArray = CORRELATION * np.outer(DEVIATION, DEVIATION) - between
    return within


def _felt_covariance() -> FloatArray:
    """Covariance inside a class before the raters' noise and rounding (variance 1/12) are added."""
    return covariance_within() - np.eye(3) * (RATER_NOISE**2 + 1 / 12) / RATERS


def draw_classes(rng: np.random.Generator, count: int) -> list[str]:
    """Classes of one speaker's labelled turns, shuffled: about IEMOCAP's shares, each at least once.

    Args:
        rng: Speakers differ in their shares, as IEMOCAP's do.
        count: Number of turns, at least four.
    """
    names = list(CLASS_SHARE)
    share = rng.dirichlet(40 * np.array(list(CLASS_SHARE.values())) / sum(CLASS_SHARE.values()))
    exact = share * (count - len(names)) + 1
    whole = np.floor(exact).astype(int)
    for index in np.argsort(whole - exact, kind="stable")[: count - whole.sum()]:
        whole[index] += 1
    classes = [name for name, times in zip(names, whole, strict=True) for _ in range(times)]
    return [classes[index] for index in rng.permutation(count)]


def draw_other_codes(rng: np.random.Generator, count: int) -> list[str]:
    """Codes of turns that carry none of the four classes."""
    codes = list(OTHER_SHARE)
    return [codes[index] for index in rng.choice(len(codes), size=count, p=list(OTHER_SHARE.values()))]


def rate(rng: np.random.Generator, label: str) -> Rating:
    """Draw how a turn is acted and rated.

    Args:
        rng: Of this turn.
        label: One of the four classes, or another three-letter code.
    """
    if label in CLASS_MEAN:
        heard, mean = label, np.array(CLASS_MEAN[label])
    else:  # between a class and the middle: neither is clear
        heard = _RESEMBLES.get(label) or list(CLASS_MEAN)[rng.integers(4)]
        mean = (np.array(CLASS_MEAN[heard]) + MEAN) / 2
    felt = np.clip(rng.multivariate_normal(mean, _felt_covariance(), method="cholesky"), 1, 5)
    acted = heard if rng.random() < ACTED_AS_LABELLED else _CONFUSED[heard][rng.integers(3)]
    excited = felt[1] + rng.normal(0, 0.3) > 3.2  # excitement is happiness with more activation
    happy = "exc" if excited else "hap"
    code = {"happy": happy, **_CODES}.get(label, label)
    scores = np.stack([_score(rng, felt) for _ in range(RATERS)])
    return Rating(
        code=code,
        acted=acted,
        felt=felt,
        votes=_votes(rng, code, happy if heard == "happy" else _CODES[heard]),
        scores=scores,
        self_vote=_WORDS[{"happy": happy, **_CODES}[acted]],
        self_scores=_score(rng, felt),
    )


def _score(rng: np.random.Generator, felt: FloatArray) -> FloatArray:
    scores: FloatArray = np.clip(np.round(felt + rng.normal(0, RATER_NOISE, 3)), 1, 5)
    return scores


def _votes(rng: np.random.Generator, code: str, heard: str) -> tuple[str, ...]:
    """Three words of which two or three agree on the code, or all differ for ``xxx``."""
    if code == "xxx":
        others = [name for name in _WORDS if name != heard]
        votes = [heard, *(others[index] for index in rng.choice(len(others), 2, replace=False))]
    else:
        votes = [code, code, code if rng.random() < 0.6 else list(_WORDS)[rng.integers(len(_WORDS))]]
    return tuple(_WORDS[votes[index]] for index in rng.permutation(3))
