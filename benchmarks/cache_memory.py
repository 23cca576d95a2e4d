"""What another process that reads the same features costs in memory; for ``benchmarks/cache.py``."""

from __future__ import annotations

import multiprocessing
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np

READERS = 3


def readers_memory(folder: Path, channels: int, batches: list[np.ndarray]) -> list[dict[str, float]]:
    """Growth of several readers' memory by reading everything once, all of them at the same time.

    Returns:
        Of each, in MiB: private memory, its batch buffer, and PSS, where what n processes share counts 1/n.
    """
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(READERS), context.Queue()
    arguments = (str(folder), channels, batches, barrier, results)
    processes = [context.Process(target=_read_all, args=arguments) for _ in range(READERS)]
    for process in processes:
        process.start()
    found = [results.get(timeout=600) for _ in processes]
    for process in processes:
        process.join()
    return found


def _read_all(folder: str, channels: int, batches: list[np.ndarray], barrier: Barrier, results: Any) -> None:
    import torch  # noqa: F401 - a worker has it anyway; what it takes is not the cache's

    from serhpo.cache import open_store

    before = _memory()
    store = open_store(sorted(Path(folder).glob("*.arrow")))
    lengths = store.lengths
    longest = max(int(lengths[rows].max()) for rows in batches)
    buffer = np.empty(max(map(len, batches)) * longest * channels, np.float16)
    for rows in batches:
        shape = len(rows), int(lengths[rows].max()), channels
        start = np.zeros(len(rows), np.int64)
        store.read(rows, start, lengths[rows], buffer[: np.prod(shape)].reshape(shape))
    barrier.wait(timeout=600)  # all have read, none has gone: what they share counts as shared
    after = _memory()
    barrier.wait(timeout=600)
    private, pss = (now - then for now, then in zip(after, before, strict=True))
    results.put({"private_mib": private, "pss_mib": pss, "buffer_mib": buffer.nbytes / 2**20})


def _memory() -> tuple[float, float]:
    """Private memory and PSS of this process, in MiB."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:])
    size = {name: int(text.split()[0]) / 1024 for name, text in fields.items()}
    return size["Private_Clean"] + size["Private_Dirty"], size["Pss"]
