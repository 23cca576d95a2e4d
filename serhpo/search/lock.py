"""What a study is tied to: recordings, features, folds, space, software."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serhpo import __version__
from serhpo.errors import StudyError
from serhpo.features import Extractor, key
from serhpo.search.space import Space
from serhpo.study import Study

if TYPE_CHECKING:
    from serhpo.search.prepare import Plan

LOCKED_PACKAGES = (
    "ray",
    "optuna",
    "torch",
    "torchaudio",
    "transformers",
    "librosa",
    "numpy",
    "pyarrow",
    "moocore",
)

Shards = Mapping[Extractor, tuple[Path, ...]]
"""Cache files of each extractor, in corpus order."""


def lock_of(plan: Plan, shards: Shards) -> dict[str, Any]:
    """``lock.json``: what it takes to tell whether two studies saw the same data, space and software."""
    return {
        "serhpo": __version__,
        "git": _git_commit(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in LOCKED_PACKAGES},
        "corpus": plan.corpus.name,
        "corpus_digest": plan.corpus.digest,
        "space_digest": plan.space.digest,
        "features": feature_keys(plan.space),
        "seed": plan.space.search.seed,
        "folds": [asdict(fold) for fold in plan.folds],
        "shards": _content(shards),
    }


def feature_keys(space: Space) -> list[str]:
    """Keys of all features a space can ask for; pretrained models are in them with their content."""
    return sorted(key(extractor) for extractor in space.extractors())


def _git_commit() -> str | None:
    """Commit of the clone serhpo runs from; None for an installed package."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def check_features(study: Study, shards: Shards) -> None:
    """Make sure that a study goes on with the recordings it was made on, byte for byte.

    Args:
        study: The study.
        shards: Cache files of its corpus, of all its extractors or of some.

    Raises:
        StudyError: A recording has changed.
    """
    content = _content(shards)
    if not set(content) <= set(study.lock.get("shards", content)):  # of an older version: no such entry
        raise StudyError(
            "A recording has changed since the study was made; its trials could not be compared any more",
            where=study.settings.corpus,
            hint="bring back the old audio, or start a new study",
        )


def _content(shards: Shards) -> list[str]:
    """Names of all cache files: digests of extractor, recordings and segments."""
    return sorted(path.stem for group in shards.values() for path in group)
