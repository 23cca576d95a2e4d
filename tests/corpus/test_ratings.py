"""Statistics of the drawn ratings against IEMOCAP's, as the reference gives them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from serhpo.corpus.ratings import (
    CLASS_MEAN,
    CLASS_SHARE,
    OTHER_SHARE,
    covariance_within,
    draw_classes,
    draw_other_codes,
    rate,
)

SHARE = {"angry": 0.199, "happy": 0.296, "neutral": 0.309, "sad": 0.196}


def test_covariance_inside_a_class_by_hand() -> None:
    """Valence: 0.96² less .199·1.016² + .296·1.054² + .309·.074² + .196·.676² = 0.296."""
    within = covariance_within()
    assert within[0, 0] == pytest.approx(0.296, abs=0.005)
    assert np.linalg.eigvalsh(within).min() > 0
    np.testing.assert_allclose(within, within.T)


def test_summary_ratings_follow_iemocap() -> None:
    rng = np.random.default_rng(0)
    classes = rng.choice(list(SHARE), size=5531, p=list(SHARE.values()))
    ratings = np.array([rate(rng, label).summary for label in classes])

    for label, mean in CLASS_MEAN.items():
        np.testing.assert_allclose(ratings[classes == label].mean(axis=0), mean, atol=0.1)
    np.testing.assert_allclose(ratings.mean(axis=0), [2.91, 3.08, 3.18], atol=0.06)
    np.testing.assert_allclose(ratings.std(axis=0), [0.96, 0.74, 0.80], atol=0.06)
    correlation = np.corrcoef(ratings.T)
    np.testing.assert_allclose(
        [correlation[1, 2], correlation[0, 1], correlation[0, 2]], [0.63, 0.06, -0.16], atol=0.08
    )


def test_ratings_are_whole_numbers_inside_the_range() -> None:
    rng = np.random.default_rng(1)
    for label in [*CLASS_SHARE, *OTHER_SHARE] * 20:
        rating = rate(rng, label)
        scores = np.vstack([rating.scores, rating.self_scores])
        assert np.isin(scores, [1, 2, 3, 4, 5]).all()
        assert set(2 * rating.summary) <= set(range(2, 11))  # mean of two raters


def test_votes_agree_with_the_code() -> None:
    rng = np.random.default_rng(2)
    words = {"ang": "Anger", "exc": "Excited", "hap": "Happiness", "neu": "Neutral", "sad": "Sadness"}
    for label in [*CLASS_SHARE] * 30:
        rating = rate(rng, label)
        assert Counter(rating.votes)[words[rating.code]] >= 2
    for _ in range(30):
        assert len(set(rate(rng, "xxx").votes)) == 3


def test_excitement_is_more_activated_happiness() -> None:
    rng = np.random.default_rng(3)
    drawn = [rate(rng, "happy") for _ in range(500)]
    arousal = {code: np.mean([r.summary[1] for r in drawn if r.code == code]) for code in ("exc", "hap")}
    assert arousal["exc"] > arousal["hap"] + 0.5
    share = np.mean([r.code == "exc" for r in drawn])
    assert share == pytest.approx(1041 / 1636, abs=0.1)  # IEMOCAP's


@pytest.mark.parametrize("count", [4, 5, 32, 553])
def test_every_speaker_has_every_class(count: int) -> None:
    for seed in range(20):
        classes = Counter(draw_classes(np.random.default_rng(seed), count))
        assert set(classes) == set(CLASS_SHARE)
        assert sum(classes.values()) == count


def test_shares_of_classes_and_codes() -> None:
    rng = np.random.default_rng(4)
    classes = Counter(label for _ in range(100) for label in draw_classes(rng, 100))
    for label, share in SHARE.items():
        assert classes[label] / 10_000 == pytest.approx(share, abs=0.02)
    assert set(draw_other_codes(rng, 500)) == {"xxx", "fru", "sur", "fea", "oth", "dis"}
