"""What the rows are called that every front is read beside: one wording for terminal, report and exports."""

from __future__ import annotations

from typing import NamedTuple


class BaselineName(NamedTuple):
    """A baseline in words.

    Attributes:
        label: Its name in figures and tables.
        meaning: What it does, in one line.
    """

    label: str
    meaning: str


BASELINES = {
    "majority_class": BaselineName(
        "majority class", "always the most frequent class and the mean ratings of the training speakers"
    ),
    "class_mean": BaselineName(
        "class means", "mean ratings of the predicted class (λ = 1): a dimension head must beat this CCC"
    ),
    "class_mean_posterior": BaselineName(
        "posterior class means", "the same, weighted by the predicted probabilities"
    ),
    "class_mean_oracle": BaselineName(
        "oracle class means", "the same with the true class known: what a perfect classifier could reach"
    ),
}
"""By their names in ``baselines.json``."""
