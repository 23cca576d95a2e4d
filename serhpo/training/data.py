"""Everything a training reads: cached features, labels, ratings and who speaks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from serhpo.corpus.table import DIMENSIONS, Corpus
from serhpo.errors import CorpusError
from serhpo.training.normalisation import ChannelMoments

IntArray: TypeAlias = npt.NDArray[np.int64]
FloatArray: TypeAlias = npt.NDArray[np.float32]

_Values = TypeVar("_Values", bound=Any)


class Store(Protocol):
    """The features of one stream for every utterance: what training needs of the cache."""

    def __len__(self) -> int:
        """Utterances."""

    @property
    def channels(self) -> int:
        """Channels of a frame."""

    @property
    def lengths(self) -> IntArray:
        """Frames of every utterance."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values as :meth:`read` gives them."""

    @property
    def scale(self) -> float:
        """What the values of :meth:`read` are multiplied with to give features."""

    def read(self, rows: IntArray, start: IntArray, stop: IntArray, out: npt.NDArray[Any]) -> None:
        """Copy frames ``start … stop`` of each row into ``out`` ``[B, T, C]``, zeros behind its end."""

    def copy(self, index: int, out: FloatArray, start: int = 0, stop: int | None = None) -> int:
        """Copy frames ``start … stop`` into the beginning of ``out`` and say how many they were."""


@dataclass
class TrainingData:
    """A corpus ready for training; utterances are known by their index in the corpus.

    Attributes:
        stores: Features of each stream.
        labels: ``[n]`` class indices, −1 where there is no label.
        dimensions: ``[n, 3]`` valence, arousal, dominance; the corpus' range is −1 … 1, NaN = not rated.
        speakers: ``[n]`` speaker ids.
        classes: Names of the classes.
        distributions: ``[n, K]`` share of the raters behind each class, NaN where nobody tells.
        copies: The features again, of each altered copy of the recordings; for training speakers only.
    """

    stores: Mapping[str, Store]
    labels: IntArray
    dimensions: FloatArray
    speakers: npt.NDArray[Any]
    classes: tuple[str, ...]
    distributions: FloatArray | None = None
    copies: tuple[Mapping[str, Store], ...] = ()
    _moments: dict[tuple[str, str], ChannelMoments] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for stream, store in (pair for stores in (self.stores, *self.copies) for pair in stores.items()):
            if len(store) != len(self):
                raise CorpusError(
                    f"The cache of `{stream}` holds {len(store)} utterances, the corpus {len(self)}",
                    hint="fill the cache again for this corpus",
                )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def taking_part(self) -> npt.NDArray[np.bool_]:
        """``[n]``, true for utterances with a label or a rating."""
        return (self.labels >= 0) | ~np.isnan(self.dimensions).all(axis=1)

    def rows(self, speakers: Iterable[str]) -> IntArray:
        """Indices of the utterances of these speakers that take part, in corpus order."""
        chosen = np.isin(self.speakers, sorted(speakers)) & self.taking_part
        return np.flatnonzero(chosen).astype(np.int64)

    def targets(self, soft: bool) -> FloatArray:
        """``[n, K]`` what the classifier is to say: 1 at the label, NaN without one.

        Args:
            soft: Take the raters' shares where they are told.
        """
        classes = len(self.classes)
        known = self.labels >= 0
        hard = np.where(known[:, None], np.eye(classes, dtype=np.float32)[self.labels], np.float32("nan"))
        if not soft or self.distributions is None:
            return hard
        return np.where(np.isnan(self.distributions), hard, self.distributions)

    def moments(self, stream: str, speaker: str) -> ChannelMoments:
        """Channel statistics of one speaker; computed once, since trials share folds and speakers."""
        key = (stream, speaker)
        if key not in self._moments:
            self._moments[key] = ChannelMoments.of(self.stores[stream], self.rows([speaker]))
        return self._moments[key]


def in_range(values: _Values, low: float, high: float) -> _Values:
    """Ratings of any shape, an array or a tensor, from −1 … 1 to the range that the corpus is labelled in."""
    return low + (values + 1) / 2 * (high - low)  # type: ignore[no-any-return]


def from_corpus(
    corpus: Corpus, stores: Mapping[str, Store], copies: Sequence[Mapping[str, Store]] = ()
) -> TrainingData:
    """The training data of a corpus and its cached features, and those of altered copies.

    Ratings are mapped by the scheme's declared range [low, high] to [−1, 1], with fixed constants.

    Raises:
        CorpusError: A label is not of the scheme, or a store belongs to another corpus.
    """
    scheme = corpus.scheme
    index = {name: number for number, name in enumerate(scheme.classes)}
    names = corpus.column("label")
    unknown = sorted({name for name in names if name is not None and name not in index})
    if unknown:
        raise CorpusError(
            "Labels outside the label scheme", got=", ".join(unknown), allowed=", ".join(scheme.classes)
        )
    labels = np.array([-1 if name is None else index[name] for name in names], dtype=np.int64)
    columns = [np.array(corpus.column(name), dtype=np.float64) for name in DIMENSIONS]  # None becomes NaN
    dimensions = np.stack(columns, axis=1)
    if scheme.dimensions is None:
        dimensions[:] = np.nan
    else:
        low, high = scheme.dimensions
        dimensions = 2 * (dimensions - low) / (high - low) - 1  # `in_range` is the way back
    speakers = np.array(corpus.column("speaker"))
    return TrainingData(
        dict(stores),
        labels,
        dimensions.astype(np.float32),
        speakers,
        scheme.classes,
        _distributions(corpus.column("label_dist"), scheme.classes),
        tuple(copies),
    )


def _distributions(shares: Sequence[Any], classes: tuple[str, ...]) -> FloatArray:
    """``[n, K]`` from what the table holds: pairs of class and share, or None."""
    result = np.full((len(shares), len(classes)), np.nan, dtype=np.float32)
    for row, pairs in zip(result, shares, strict=True):
        share = dict(pairs or ())
        total = sum(share.get(name, 0.0) for name in classes)
        if total > 0:
            row[:] = [share.get(name, 0.0) / total for name in classes]
    return result
