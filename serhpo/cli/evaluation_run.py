"""Whose speakers test, and the trainings that measure them: what ``serhpo evaluate`` does beside printing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from serhpo.cli import console
from serhpo.cli.sources import fill, remote_store

if TYPE_CHECKING:
    from serhpo.corpus.folds import Fold, ProtocolConfig
    from serhpo.corpus.table import Corpus
    from serhpo.evaluate import Decision, HeldOut, Job, Joined, Record, Request, Work
    from serhpo.features import Extractor
    from serhpo.search.context import TrialContext
    from serhpo.search.prepare import Plan
    from serhpo.study import Study


@dataclass(frozen=True)
class Target:
    """Whose speakers test: those of the study's own protocol, of another one, or all of another corpus."""

    study: Study
    protocol_name: str | None
    other_path: Path | None
    classes: str | None

    @cached_property
    def plan(self) -> Plan:
        """The study's own corpus and folds, read again."""
        from serhpo.search.prepare import reopen

        return reopen(self.study)

    @cached_property
    def other(self) -> Corpus | None:
        """The other corpus, if there is one."""
        from serhpo.corpus import read_corpus
        from serhpo.corpus.classes import parse_classes

        if self.other_path is None:
            return None
        return read_corpus(self.other_path, parse_classes(self.classes)).require_clean()

    @cached_property
    def joined(self) -> Joined | None:
        """Both corpora together, if there is another one."""
        from serhpo.cache.planning import content_digest
        from serhpo.evaluate import join

        if self.other is None:
            return None
        recordings = [
            {content_digest(Path(path), line) for path, line in named.items()}
            for corpus in (self.plan.corpus, self.other)
            if (named := dict(zip(corpus.column("audio"), corpus.column("source"), strict=True)))
        ]
        return join(self.plan.corpus, self.plan.folds, self.other, recordings)

    @property
    def dropped(self) -> tuple[str, ...]:
        """What of the other corpus cannot be measured."""
        return self.joined.dropped if self.joined else ()

    @cached_property
    def protocol(self) -> ProtocolConfig:
        """How speakers are divided."""
        from serhpo.corpus.folds import ProtocolConfig

        own = self.study.settings.protocol
        if self.protocol_name in (None, own.name):
            return own
        return ProtocolConfig.model_validate({"name": self.protocol_name})

    @cached_property
    def tested(self) -> HeldOut:
        """The test speakers and what may be claimed of them."""
        from serhpo.evaluate import of_corpus, of_protocol

        if self.other:
            return of_corpus(self.study, self.other, self.folds)
        return of_protocol(self.study, self.protocol, self.folds)

    @cached_property
    def folds(self) -> tuple[Fold, ...]:
        """Who trains, validates and tests; told by the study where no other corpus need be read."""
        from serhpo.corpus.folds import Fold, make_folds, require_labels

        if self.joined:
            return self.joined.folds
        if self.protocol != self.study.settings.protocol:
            folds = make_folds(self.plan.corpus, self.protocol)
            require_labels(folds, self.plan.corpus)
            return folds
        parts = ("train", "validation", "test")
        return tuple(
            Fold(fold["name"], *(tuple(fold[part]) for part in parts)) for fold in self.study.folds()
        )

    def decide(self, request: Request, record: Record) -> Decision:
        """What a request comes to."""
        from serhpo.evaluate import decide

        return decide(request, record.readings, record.results)


def measure(
    study: Study, target: Target, record: Record, decision: Decision, cache: str | None, session: ExitStack
) -> None:
    """Train what is missing, on all machines, and write every result down as it comes."""
    from serhpo.cache import cache_folder
    from serhpo.cluster import connected
    from serhpo.evaluate import run_job
    from serhpo.search import joins_cluster
    from serhpo.search.ending import interruptible
    from serhpo.search.machines import Room, require_shared, share_of
    from serhpo.search.tasks import run_tasks

    context, work = _prepare(study, target, record.missing(decision.shown), cache, session)
    settings = target.plan.space.search
    console.say("starting Ray workers")
    session.enter_context(connected(joins_cluster()))
    if context.remote is None:
        require_shared(cache_folder())
    at_once = Room(share_of(settings), settings.concurrent).fitting
    interrupted = session.enter_context(interruptible())
    if decision.reading:
        record.begin(decision.reading)
    with console.progress(f"evaluating, {at_once} at a time", "trainings") as update:
        update(0, len(work))
        outcomes = run_tasks(run_job, context, work, settings, at_once, interrupted)
        for count, (piece, outcome) in enumerate(outcomes, start=1):
            record.add(piece.job, outcome, context.corpus)
            update(count, len(work))
            if not console.err.is_terminal:
                console.say(f"{count}/{len(work)} trainings done: {_told(piece.job)}")


def _told(job: Job) -> str:
    return f"trial {job.trial}, {job.variant}, seed {job.seed}, {job.fold}"


def _prepare(
    study: Study, target: Target, missing: Sequence[Job], cache: str | None, session: ExitStack
) -> tuple[TrialContext, list[Work]]:
    """Features in the cache, and every job with its configuration and speakers."""
    from serhpo.corpus.folds import require_tests
    from serhpo.evaluate import Work, config_of, seed_for
    from serhpo.search.lock import check_features
    from serhpo.search.prepare import make_context

    plan = target.plan
    params = {trial.number: trial.params for trial in study.trials()}
    folds = {fold.name: fold for fold in target.folds}
    asked = dict.fromkeys(job.fold for job in missing)
    require_tests([folds[name] for name in asked], target.joined.corpus if target.joined else plan.corpus)
    work = [
        Work(
            job,
            config_of(plan.space.trial_config(params[job.trial]), job.variant),
            folds[job.fold],
            seed_for(study.settings.seed, job.seed),
        )
        for job in sorted(missing, key=lambda job: job.seed)  # whole repetitions first
    ]
    remote = remote_store(cache)
    extractors = dict.fromkeys(e for piece in work for e in _extractors(piece))
    own, _ = fill(plan.corpus, list(extractors), session, remote, ray_follows=True)
    check_features(study, own)
    if target.joined and target.other:
        others, _ = fill(target.other, list(extractors), session, remote, ray_follows=True)
        own = {extractor: (*own[extractor], *others[extractor]) for extractor in own}
        plan = replace(plan, corpus=target.joined.corpus)
    plan = replace(plan, folds=target.folds)
    return make_context(plan, own, study.path / "trials", remote), work


def _extractors(work: Work) -> list[Extractor]:
    wanted = [work.config.features[stream] for stream in work.config.streams]
    return [e for extractor in wanted for e in (extractor, *work.config.augmentation.copies(extractor))]
