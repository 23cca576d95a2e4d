"""Where chosen trials look: attention, co-attention, pooling and fusion over validation utterances."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from serhpo.cache import FeatureStore, cache_folder, open_store, plan
from serhpo.cache.planning import UTTERANCES_PER_SHARD
from serhpo.config import parse
from serhpo.corpus.table import Corpus
from serhpo.errors import SerhpoError
from serhpo.features import Extractor
from serhpo.features.pretrained import Pretrained
from serhpo.model.attended import Attended, attended, profile, spread
from serhpo.study import Study
from serhpo.study.corpus import study_corpus
from serhpo.study.names import CHECKPOINT_STATE

if TYPE_CHECKING:
    from serhpo.training.config import TrialConfig
    from serhpo.training.results import Predictions

UTTERANCES = 48
"""Looked at in each trial: a look at one costs as much as a prediction, and means settle early."""

BINS = 20
"""Parts of an utterance in a profile."""

_BLOCKS = 4
"""Cache files that the utterances come from: to find one, the recordings in it must be read."""


@dataclass(frozen=True)
class Look:
    """What one trial attends to, on average over validation utterances.

    Attributes:
        number: Trial number.
        utterances: How many.
        fusion: Weight of each stream; empty where the fusion has none.
        profiles: For each stream and part the weight over the course of an utterance, ``[BINS]``, 1 being
            an even share.
        spreads: For each stream and part, over what part of the frames its weights are spread.
    """

    number: int
    utterances: int
    fusion: Mapping[str, float]
    profiles: Mapping[str, Mapping[str, NDArray[np.float64]]]
    spreads: Mapping[str, Mapping[str, float]]


def looks(study: Study, numbers: Iterable[int]) -> tuple[tuple[Look, ...], str]:
    """Looks at trials whose networks, corpus and cached features are here, and why others are missing.

    Each utterance goes through the network of the fold that did not train on its speaker.
    """
    found, missing = [], []
    corpus: Corpus | None = None
    for number in numbers:
        folder = study.trial_folder(number) / "best"
        try:
            if not (folder / CHECKPOINT_STATE).is_file():
                raise SerhpoError("its checkpoint is gone")
            corpus = corpus or study_corpus(study)
            found.append(_look(number, folder, corpus))
        except (SerhpoError, OSError) as error:
            missing.append(f"trial {number}: {getattr(error, 'what', error)}")
    return tuple(found), "; ".join(missing)


def _look(number: int, folder: Path, corpus: Corpus) -> Look:
    import torch  # not for a report without

    from serhpo.training.checkpoint import predictions_from, read_checkpoint
    from serhpo.training.config import TrialConfig
    from serhpo.training.networks import fold_networks, network_tensors

    state, tensors = read_checkpoint(folder)
    predictions = predictions_from(tensors)
    if predictions is None or not {"config", "classes", "folds"} <= set(state):
        raise SerhpoError("its checkpoint holds no network")
    config = parse(TrialConfig, state["config"], folder)
    networks = fold_networks(config, len(state["classes"]), len(state["folds"]), network_tensors(tensors))
    seen = []
    with _one_thread(), torch.inference_mode():
        for fold, frames in _utterances(config, corpus, predictions):
            batch = {stream: torch.from_numpy(values)[None] for stream, values in frames.items()}
            lengths = {stream: torch.tensor([len(values)]) for stream, values in frames.items()}
            explanation = networks[fold](batch, lengths, explain=True).explanation
            seen.append(attended(explanation))
    return _mean(number, seen)


@contextmanager
def _one_thread() -> Iterator[None]:
    """One utterance is too little for several threads, which would only wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _utterances(
    config: TrialConfig, corpus: Corpus, predictions: Predictions
) -> Iterator[tuple[int, dict[str, NDArray[np.float32]]]]:
    """Some validation utterances of a trial: their fold, and the cached frames ``[T, C]`` of each stream.

    They come from a few whole cache files spread over the corpus: these are named by the recordings in
    them, and reading all recordings of a large corpus would take longer than everything else.
    """
    block_of = predictions.utterances // UTTERANCES_PER_SHARD
    blocks = np.unique(block_of)
    blocks = blocks[_evenly(len(blocks), _BLOCKS)]
    rows = np.flatnonzero(np.isin(np.arange(len(corpus)) // UTTERANCES_PER_SHARD, blocks))
    part = corpus.select(rows)
    stores = {stream: _store(stream, config.features[stream], part) for stream in config.streams}
    known = np.flatnonzero(np.isin(block_of, blocks))
    for chosen in known[_evenly(len(known), UTTERANCES)]:
        place = int(np.searchsorted(rows, predictions.utterances[chosen]))
        frames = {}
        for stream, store in stores.items():
            frames[stream] = np.empty((int(store.lengths[place]), store.channels), dtype=np.float32)
            store.copy(place, frames[stream])
        yield int(predictions.folds[chosen]), frames


def _store(stream: str, extractor: Extractor, part: Corpus) -> FeatureStore:
    """The cached features of a part of the corpus.

    Raises:
        SerhpoError: They are not here, or only a download or minutes of computing would bring them.
    """
    if isinstance(extractor, Pretrained):
        if extractor.fine_tune:
            raise SerhpoError(f"its {stream} is fine-tuned and would have to run: `serhpo predict --explain`")
        from huggingface_hub import try_to_load_from_cache  # half a second, for these alone

        config = try_to_load_from_cache(extractor.model, "config.json", revision=extractor.revision)
        if not Path(extractor.model).expanduser().is_dir() and not isinstance(config, str):
            raise SerhpoError(f"the pretrained model of its {stream} is not on this machine")
    shards = plan(part, extractor, cache_folder())
    if not all(shard.path.is_file() for shard in shards):
        raise SerhpoError(f"its features {stream} are not in the cache of this machine")
    return open_store([shard.path for shard in shards])


def _evenly(count: int, wanted: int) -> NDArray[np.int64]:
    """At most so many places of ``count``, evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, wanted)).astype(np.int64))


def _mean(number: int, seen: list[Attended]) -> Look:
    first = seen[0]
    profiles, spreads = {}, {}
    for stream, parts in first.frames.items():
        shares = {part: [one.frames[stream][part] for one in seen] for part in parts}
        profiles[stream] = {
            part: np.mean([profile(x, BINS) for x in own], axis=0) for part, own in shares.items()
        }
        spreads[stream] = {part: float(np.mean([spread(x) for x in own])) for part, own in shares.items()}
    fusion = {stream: float(np.mean([one.fusion[stream] for one in seen])) for stream in first.fusion}
    return Look(number, len(seen), fusion, profiles, spreads)
