"""From a space and a corpus to a study that can run: folds, features, the study's folder, the lock."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from serhpo import pareto
from serhpo.cache import RemoteStore, Shard, cache_folder, plan, remote_name
from serhpo.config import read_yaml
from serhpo.corpus import read_corpus
from serhpo.corpus.folds import Fold, level, make_folds, require_labels, taking_part
from serhpo.corpus.table import Corpus
from serhpo.errors import StudyError
from serhpo.features import Extractor
from serhpo.search.context import TrialContext
from serhpo.search.fill import Report, fill_streams, worth_ray
from serhpo.search.grid import require_finite, sized
from serhpo.search.lock import Shards, feature_keys, lock_of
from serhpo.search.rungs import rung_levels
from serhpo.search.space import Space, load_space_data
from serhpo.study import Study, StudySettings, new_study, studies_folder
from serhpo.study.corpus import require_unchanged
from serhpo.study.store import StudyStore


@dataclass(frozen=True)
class Plan:
    """A search that could start: everything read and checked, nothing written.

    Attributes:
        space: The resolved space.
        space_name: Name or path it came from.
        corpus: The corpus, free of problems.
        folds: Speakers of every fold.
    """

    space: Space
    space_name: str
    corpus: Corpus
    folds: tuple[Fold, ...]


def make_plan(space: Space, space_name: str, corpus: Corpus) -> Plan:
    """Check a corpus, divide its speakers, and find the pretrained models.

    Raises:
        ConfigError: A pretrained model that the space can ask for cannot be had.
        CorpusError: The corpus has problems, or not the speakers or labels the protocol needs.
        LeakageError: A speaker would stand in two parts of a fold.
    """
    if space.search.sampler == "grid":
        require_finite(space, space_name)
        space = sized(space)
    for extractor in space.extractors():
        extractor.ensure_available()
    corpus = taking_part(corpus.require_clean(), space.protocol).require_labels()
    folds = make_folds(corpus, space.protocol)
    require_labels(folds, corpus)
    return Plan(space, space_name, corpus, folds)


def default_name(space_name: str) -> str:
    """``smoke-20250131-142501``: the space and the time."""
    return f"{Path(space_name).stem}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"


def create_study(
    plan: Plan,
    name: str,
    shards: Shards,
    enqueue: Sequence[Mapping[str, Any]] = (),
    warm: Sequence[FrozenTrial] = (),
) -> Study:
    """Make the study's folder.

    Args:
        plan: What is searched.
        name: Of the study.
        shards: Cache files, as :func:`fill_features` returns them.
        enqueue: Parameters, or some of them, to try first.
        warm: Ended trials of another study, for the sampler alone.

    Raises:
        StudyError: The name is taken.
        StorageError: The folder cannot be written.
    """
    settings = plan.space.search
    study = StudySettings(
        name=name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        corpus=str(plan.corpus.root),
        reading=plan.corpus.settings,
        corpus_name=plan.corpus.name,
        classes=plan.corpus.scheme.classes,
        space=plan.space_name,
        objectives=pareto.standard_objectives(len(plan.corpus.scheme.classes), settings.objectives),
        protocol=plan.space.protocol,
        claim=level(plan.space.protocol),
        epochs=settings.epochs,
        rungs=tuple(rung_levels(settings.epochs, settings.grace_period, settings.reduction_factor)),
        seed=settings.seed,
    )
    data = plan.space.model_dump(mode="json", by_alias=True, exclude_unset=True)
    lock = lock_of(plan, shards)
    return new_study(studies_folder() / name, study, data, lock, settings.trials, enqueue, warm)


def reopen(study: Study) -> Plan:
    """The plan of an existing study, read again from its folder and its corpus.

    Raises:
        StudyError: Corpus or features are not those the study was made on.
    """
    space = load_space_data(read_yaml(study.path / "space.yaml"), study.path / "space.yaml")
    corpus = read_corpus(Path(study.settings.corpus), study.settings.reading)
    plan = make_plan(space, study.settings.space, corpus)
    require_unchanged(study, plan.corpus)
    keys = feature_keys(space)
    if study.lock.get("features", keys) != keys:  # a study made by an older version has no such entry
        raise StudyError(
            "A pretrained model, or how features are computed, has changed since the study was made; its "
            "trials could not be compared any more",
            where=study.path,
            hint="bring back the old one, or start a new study",
        )
    return plan


def fill_features(
    corpus: Corpus,
    extractors: Sequence[Extractor],
    report: Report,
    session: ExitStack,
    remote: RemoteStore | None = None,
    ray_follows: bool = False,
) -> Shards:
    """Compute every feature of a corpus that the cache does not hold.

    Args:
        corpus: Its utterances.
        extractors: The features; ``plan.space.extractors()`` are all that a search can ask for.
        report: Told of every cache file, with the state of its stream.
        session: Holds the connection to Ray, if there is enough to compute to start it.
        remote: A store that several machines share.
        ray_follows: Whether trials will run after this, so that Ray is started anyway.

    Returns:
        Cache files of each extractor, in corpus order.

    Raises:
        AudioError: A recording cannot be read; names file and label line.
        StorageError: The disk is full or cannot be written, or the shared store cannot be used.
    """
    groups = {extractor: plan_of(corpus, extractor) for extractor in extractors}
    fill_streams(groups, _mean_seconds(corpus), session, report, remote, ray_follows)
    return {extractor: tuple(shard.path for shard in group) for extractor, group in groups.items()}


def recordings_needed(plan: Plan, remote: RemoteStore | None = None) -> list[str]:
    """Recordings that every machine of a cluster must see, since all of them will compute features."""
    shards = (shard for extractor in plan.space.extractors() for shard in plan_of(plan.corpus, extractor))
    missing = [shard for shard in shards if not shard.path.exists()]
    if remote is not None:
        missing = [shard for shard in missing if not remote.has(remote_name(shard.path))]
    return plan.corpus.column("audio") if worth_ray(missing, _mean_seconds(plan.corpus)) else []


def _mean_seconds(corpus: Corpus) -> float:
    return sum(corpus.seconds()) / max(1, len(corpus))


def plan_of(corpus: Corpus, extractor: Extractor) -> tuple[Shard, ...]:
    """The cache files of one extractor over a corpus."""
    return plan(corpus, extractor, cache_folder())


def make_context(
    plan: Plan,
    shards: Shards,
    trials: Path,
    remote: RemoteStore | None = None,
    store: StudyStore | None = None,
) -> TrialContext:
    """What the trials of a study share, whose folders lie in ``trials``, or on a store.

    With a store each machine works on a trial in a temporary folder of its own.
    """
    settings = plan.space.search
    rungs = rung_levels(settings.epochs, settings.grace_period, settings.reduction_factor)
    return TrialContext(
        corpus=plan.corpus,
        folds=plan.folds,
        protocol=plan.space.protocol,
        shards=shards,
        trials=trials if store is None else Path(tempfile.gettempdir()) / f"serhpo-{uuid.uuid4().hex}",
        threads=settings.cpus_per_trial,
        epoch_limit_s=settings.epoch_limit_s,
        device="cuda" if settings.gpus_per_trial else "cpu",
        noise_at=tuple(rungs) if settings.noise else (),
        remote=remote,
        store=store,
    )
