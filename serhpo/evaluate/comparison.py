"""Paired tests: is one row better than another, or would a swap of the two have done as well?

Approximate randomisation (Noreen 1989; for classifiers Yeh, COLING 2000): where two systems are no
different, their answers for a speaker may be exchanged, so the difference is compared with what all (or ten
thousand random) exchanges give. Whole speakers are exchanged where there are six or more, since utterances
of a speaker are alike; below, no test over speakers can reach 0.05, and utterances are exchanged: such a p
speaks of these speakers only. Trainings are not exchanged: figures are means over the seeds that both have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from serhpo.evaluate.rows import Row
from serhpo.training.sums import added_up, cccs, mean_of_known, recalls
from serhpo.training.uncertainty import resampling, spread

Array: TypeAlias = npt.NDArray[Any]
FloatArray: TypeAlias = npt.NDArray[np.float64]

_Of: TypeAlias = Callable[[FloatArray], FloatArray]

FEWEST_SPEAKERS = 6  # all 2⁶ exchanges: the smallest two-sided p is 2/64
EXACT_UP_TO = 13  # 2¹³ exchanges are fewer than RANDOM
RANDOM = 9_999
_AT_A_TIME = 500


@dataclass(frozen=True)
class Comparison:
    """A paired test of two rows in one figure.

    Attributes:
        first: Name of a row.
        second: Name of the row it is compared with.
        figure: Name of the figure.
        difference: First minus second, mean over the seeds both have.
        se: Standard error of the difference, paired, as that of the figure itself.
        p: Two-sided.
        holm: The same, corrected for all comparisons of its family (Holm 1979).
        over: What was exchanged: ``speakers`` or ``utterances``.
    """

    first: str
    second: str
    figure: str
    difference: float
    se: float
    p: float
    holm: float
    over: str


def compare(first: Row, second: Row, figure: Literal["ua", "ccc"]) -> Comparison | None:
    """Test whether two rows differ in UA or mean CCC; None where they share no seed or nothing to measure.

    Raises:
        ValueError: They were not measured on the same utterances.
    """
    seeds = [seed for seed in first.seeds if seed in second.seeds]
    if not seeds:
        return None
    if not np.array_equal(first.tested.utterances, second.tested.utterances):
        raise ValueError("paired rows are measured on the same utterances")
    pair = [np.stack([row.terms[row.seeds.index(seed)] for seed in seeds]) for row in (first, second)]
    speakers, utterances = (a.astype(str) for a in (first.tested.speakers, first.tested.utterances))
    by_speaker = len(set(speakers.tolist())) >= FEWEST_SPEAKERS
    owner = np.unique(speakers if by_speaker else utterances, return_inverse=True)[1]
    mine, theirs = ([added_up(terms, owner) for terms in row] for row in pair)

    measured = partial(_FIGURES[figure], classes=len(first.classes))

    def differences(weights: FloatArray) -> FloatArray:
        """``[R]`` where ``weights`` ``[R, units]`` are 1 for a unit left in place, 0 for one exchanged."""
        found = np.zeros(len(weights))
        for a, b in zip(mine, theirs, strict=True):
            kept = weights @ (a - b) + b.sum(axis=0)
            exchanged = (a + b).sum(axis=0) - kept
            found += measured(kept) - measured(exchanged)
        return found / len(seeds)

    observed = float(differences(np.ones((1, owner.max() + 1)))[0])
    if not np.isfinite(observed):
        return None
    return Comparison(
        first=first.name,
        second=second.name,
        figure=figure,
        difference=observed,
        se=_standard_error(pair, speakers, utterances, measured),
        p=(p := _p(observed, differences, int(owner.max()) + 1)),
        holm=p,
        over="speakers" if by_speaker else "utterances",
    )


_FIGURES: Mapping[str, Callable[..., FloatArray]] = {
    "ua": lambda sums, classes: mean_of_known(recalls(sums, classes)),
    "ccc": lambda sums, classes: mean_of_known(cccs(sums, classes)),
}


def _p(observed: float, differences: _Of, units: int) -> float:
    """Two-sided p; from random exchanges with the observed one among them (Phipson & Smyth 2010)."""
    if units <= EXACT_UP_TO:
        every = np.array(list(product((0.0, 1.0), repeat=units)))
        return float(_extreme(differences(every), observed).mean())
    generator, extreme = np.random.default_rng(0), 0
    for start in range(0, RANDOM, _AT_A_TIME):
        size = min(_AT_A_TIME, RANDOM - start)
        drawn = generator.integers(0, 2, (size, units)).astype(np.float64)
        extreme += int(_extreme(differences(drawn), observed).sum())
    return (1 + extreme) / (1 + RANDOM)


def _extreme(differences: FloatArray, observed: float) -> npt.NDArray[np.bool_]:
    return np.abs(differences) >= abs(observed) - 1e-12


def _standard_error(
    pair: Sequence[FloatArray],
    speakers: Array,
    utterances: Array,
    measured: Callable[[FloatArray], FloatArray],
) -> float:
    how = resampling(speakers, 0, utterances)
    first, second = (
        np.mean([measured(how.weights @ added_up(terms, how.owner)) for terms in row], axis=0) for row in pair
    )
    return spread(first - second, how.scale)


def holm(family: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons with p corrected for all of them (Holm 1979), in the order given."""
    corrected, highest = list(family), 0.0
    for rank, index in enumerate(sorted(range(len(family)), key=lambda i: family[i].p)):
        highest = max(highest, min(1.0, (len(family) - rank) * family[index].p))
        corrected[index] = replace(family[index], holm=highest)
    return corrected
