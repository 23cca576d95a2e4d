"""A search's figures as Ray metrics, for Prometheus and ``cluster/grafana.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ray.util.metrics import Counter, Gauge

from serhpo.study import Study, TrialRecord

if TYPE_CHECKING:
    from serhpo.search.estimate import Remaining
    from serhpo.search.listener import Listener

_TAGS = ("study",)


class Metered:
    """A :class:`~serhpo.search.listener.Listener` that measures, and passes everything on to another.

    Args:
        study: The study that runs.
        cache: Files of the feature cache by how they were come by: found, fetched, built.
        listener: Whom to pass everything on to.
    """

    def __init__(self, study: Study, cache: Mapping[str, int], listener: Listener) -> None:
        self._study, self._cache, self._listener = study, cache, listener
        self._counts: dict[str, int] = {}
        self._running: set[int] = set()

    def started(self, trials: int, continued: int, at_once: int) -> None:
        """Trials are about to start; Ray is there from now on."""
        default = {"study": self._study.name}
        self._trials = Gauge("serhpo_trials", "Trials by state", (*_TAGS, "state"))
        self._front = Gauge("serhpo_front_size", "Trials on the Pareto front", _TAGS)
        self._volume = Gauge("serhpo_hypervolume", "Hypervolume of the front, raw units", _TAGS)
        self._at_once = Gauge("serhpo_trials_fitting", "Trials that fit on the machines at the start", _TAGS)
        self._epochs = Counter("serhpo_epochs", "Epochs trained, all trials together", _TAGS)
        shards = Counter("serhpo_cache_files", "Feature cache files by how they came", (*_TAGS, "how"))
        for metric in (self._trials, self._front, self._volume, self._at_once, self._epochs, shards):
            metric.set_default_tags(default)
        for how, count in self._cache.items():
            if count:
                shards.inc(count, {"how": how})
        self._at_once.set(at_once)
        self._counts = self._study.counts()
        self._tell_front()
        self._tell_trials()
        self._listener.started(trials, continued, at_once)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """A trial finished an epoch."""
        self._epochs.inc()
        if row["trial"] not in self._running:
            self._running.add(row["trial"])
            self._tell_trials()
        self._listener.epoch(row)

    def ended(self, trial: TrialRecord) -> None:
        """A trial ended."""
        if self._counts:  # not for ends that were only written down late, which were counted at the start
            self._running.discard(trial.number)
            self._counts[trial.state] += 1
            if trial.state == "COMPLETE":
                self._tell_front()
            self._tell_trials()
        self._listener.ended(trial)

    def finished(self) -> None:
        """No trial trains any more."""
        if self._counts:
            self._running.clear()
            self._tell_trials()
        self._listener.finished()

    def remaining(self, left: Remaining) -> None:
        """How long the search will still take."""
        self._listener.remaining(left)

    def phase(self, text: str) -> None:
        """Something other than a trial begins."""
        self._listener.phase(text)

    def _tell_trials(self) -> None:
        for state in ("COMPLETE", "PRUNED", "FAIL"):
            self._trials.set(self._counts[state], {"state": state})
        self._trials.set(len(self._running), {"state": "RUNNING"})

    def _tell_front(self) -> None:
        self._front.set(len(self._study.front()))
        self._volume.set(self._study.hypervolume())
