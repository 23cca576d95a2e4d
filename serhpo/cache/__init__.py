"""The feature cache: each utterance's features are computed once and shared by every worker.

The name of a shard is a digest of the extractor and of the recordings in it (their bytes, not their
names), so a file either holds exactly what is asked for or does not exist: nothing is ever out of date,
and a change to one recording makes one shard anew. Filling may be killed, repeated, or started twice.

    shards = plan(corpus, extractor, cache_folder())
    store = open_store(fill(shards, run=executor.map))
"""

from __future__ import annotations

from pathlib import Path

from serhpo.cache.builder import Made, Run, build, fetch, fill, remote_name
from serhpo.cache.inventory import CachedFile, inventory, removable, remove
from serhpo.cache.planning import AudioSource, Shard, plan
from serhpo.cache.remote import RemoteStore
from serhpo.cache.shard import verify
from serhpo.cache.store import FeatureStore, open_store
from serhpo.config import home


def cache_folder() -> Path:
    """Where the features of this machine lie."""
    return home() / "cache"


__all__ = [
    "AudioSource",
    "CachedFile",
    "FeatureStore",
    "Made",
    "RemoteStore",
    "Run",
    "Shard",
    "build",
    "cache_folder",
    "fetch",
    "fill",
    "inventory",
    "open_store",
    "plan",
    "remote_name",
    "removable",
    "remove",
    "verify",
]
