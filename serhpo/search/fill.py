"""Filling the cache before a search: here where that is quick, by Ray tasks on all machines else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import ray

from serhpo.cache import Made, RemoteStore, Shard, cache_folder, fill
from serhpo.cluster import connected
from serhpo.features import Extractor
from serhpo.search import joins_cluster
from serhpo.search.machines import require_shared
from serhpo.search.tasks import require_ray, result_of

WORTH_RAY = 20.0  # CPU seconds of extraction; to start Ray and two workers takes of the order of ten
WORTH_TASKS = 5.0  # where Ray is started anyway, right after: its workers then have imported all they need

GPU_SHARE = 0.25  # utterances go through a pretrained model one by one: one process leaves a GPU waiting

TASKS_PER_CPU = 2  # so that a worker never waits for the driver


@dataclass
class StreamProgress:
    """How far the features of one stream are.

    Attributes:
        stream: Its name.
        total: Utterances in all.
        done: Utterances whose features are there.
        computed: Those of them that had to be computed (or fetched) by this run.
        started: When the first that was missing was begun, on ``clock``.
    """

    stream: str
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    total: int = 0
    done: int = 0
    computed: int = 0
    started: float | None = None

    def begin(self) -> None:
        """Work on the stream begins."""
        self.started = self.clock() if self.started is None else self.started

    def add(self, made: Made) -> None:
        """A shard is there."""
        count = len(made.shard.sources)
        self.done += count
        self.computed += 0 if made.how == "found" else count

    @property
    def seconds_left(self) -> float | None:
        """At the pace of what was computed so far; None while nothing was: what was found says nothing."""
        if self.done >= self.total:
            return 0.0
        if self.started is None or not self.computed:
            return None
        return (self.clock() - self.started) / self.computed * (self.total - self.done)


Report = Callable[[StreamProgress, Made], None]


def fill_streams(
    groups: Mapping[Extractor, Sequence[Shard]],
    seconds: float,
    session: ExitStack,
    report: Report,
    remote: RemoteStore | None = None,
    ray_follows: bool = False,
) -> None:
    """Make what is missing of several streams; first all that is there is checked, byte by byte.

    Args:
        groups: Shards of each extractor, of the same corpus.
        seconds: Mean length of an utterance.
        session: Holds the connection to Ray, if one is needed, for what comes after.
        report: Told of every shard.
        remote: A store that several machines share.
        ray_follows: Whether Ray will be needed after this, too.

    Raises:
        AudioError: A recording cannot be read; names file and label line.
        ResourceError: Without a remote store: a machine of the cluster does not see this one's cache.
        StorageError: The disk is full or cannot be written, or the shared store cannot be used.
    """
    shards = [shard for group in groups.values() for shard in group]
    progress: dict[str, StreamProgress] = {}
    for shard in shards:
        stream = progress.setdefault(shard.extractor.name, StreamProgress(shard.extractor.name))
        stream.total += len(shard.sources)
    there = [shard for shard in shards if shard.path.exists()]
    missing = [shard for shard in shards if not shard.path.exists()]

    def tell(made: Made) -> None:
        stream = progress[made.shard.extractor.name]
        stream.add(made)
        report(stream, made)

    def begun(tasks: Iterable[Shard]) -> Iterator[Shard]:
        for shard in tasks:
            progress[shard.extractor.name].begin()
            yield shard

    fill(there, progress=tell, remote=remote)
    if not missing:
        return
    if not worth_ray(missing, seconds, ray_follows and not joins_cluster()):
        fill(missing, lambda build, tasks: map(build, begun(tasks)), tell, remote)
    else:
        session.enter_context(connected(joins_cluster()))
        if remote is None:
            require_shared(cache_folder())
        fill(missing, lambda build, tasks: ray_map(build, begun(tasks)), tell, remote)


def worth_ray(shards: Iterable[Shard], seconds: float, ray_follows: bool = False) -> bool:
    """Whether shards are made by all cores and machines that Ray has, not just by this process."""
    return expected_cpu_seconds(shards, seconds) >= (WORTH_TASKS if ray_follows else WORTH_RAY)


def expected_cpu_seconds(shards: Iterable[Shard], seconds: float) -> float:
    """What extraction will cost, at so many seconds of audio an utterance."""
    return sum(len(shard.sources) * seconds * shard.extractor.cost for shard in shards)


def ray_map(build: Callable[[Shard], Made], shards: Iterable[Shard]) -> Iterator[Made]:
    """``map`` over Ray tasks of one core each, on all machines; results as they come.

    Pretrained models take a part of a GPU each where the cluster has one.

    A task whose machine goes away is run again by Ray. When one fails, those under way are stopped:
    what they would have made is missing, nothing is half-made.

    Raises:
        AudioError: A recording cannot be read.
        StorageError: The disk is full or cannot be written.
        ResourceError: A worker died again and again.
        RayDiedError: One of Ray's own processes died.
    """

    def task(shard: Shard) -> Made:
        return build(shard)

    resources = ray.cluster_resources()
    at_once = max(1, int(resources.get("CPU", 1))) * TASKS_PER_CPU
    on_cpu = ray.remote(num_cpus=1)(task)
    # Asked for here, not by `options`, a GPU makes Ray end the process with its task: else the model
    # would stay on the GPU beside the trials.
    on_gpu = ray.remote(num_cpus=1, num_gpus=GPU_SHARE)(task) if resources.get("GPU", 0) else on_cpu
    waiting, running = iter(shards), list[Any]()
    try:
        while True:
            while len(running) < at_once and (shard := next(waiting, None)) is not None:
                running.append((on_gpu if shard.extractor.on_gpu else on_cpu).remote(shard))
            if not running:
                return
            ready, running = ray.wait(running, num_returns=1, timeout=1.0)
            require_ray()
            yield from map(result_of, ready)
    finally:
        for reference in running:
            ray.cancel(reference)
