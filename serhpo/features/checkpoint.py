"""Pretrained checkpoints: a folder with config and safetensors weights, local or from the Hugging Face hub.

Nothing here imports torch or transformers: what a checkpoint is, and what features it will give, stands
in its JSON files.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from serhpo.errors import ConfigError

JSON_FILES = ("config.json", "preprocessor_config.json")
INDEX = "model.safetensors.index.json"
WEIGHTS = "model*.safetensors"


def find_checkpoint(model: str, revision: str | None, where: str) -> Path:
    """The folder of a checkpoint; from the hub it is downloaded once, into the hub's own cache.

    Args:
        model: A folder, or the id of a model on the hub.
        revision: Branch, tag or commit on the hub; None = its main branch, or, where that has no
            safetensors, the copy that the hub's conversion bot offers. What the hub's cache holds is used
            as it is, so that a study sees one state of a branch.
        where: The setting that named it, for errors.

    Raises:
        ConfigError: There is no such folder, the hub cannot be reached or does not know the model, or
            files are missing.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return _complete(folder.resolve(), where)
    if folder.is_absolute() or model.startswith((".", "~")):
        raise ConfigError("No such folder with a pretrained model", where=where, got=model)
    return _complete(_from_hub(model, revision, where), where)


def _from_hub(model: str, revision: str | None, where: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    def snapshot(revision: str | None, local: bool) -> Path:
        wanted = [*JSON_FILES, INDEX, WEIGHTS]
        return Path(
            snapshot_download(model, revision=revision, allow_patterns=wanted, local_files_only=local)
        )

    try:
        found = snapshot(revision, local=True)
        conversions = [] if revision else sorted((found.parents[1] / "refs").glob("refs/pr/*"))
        for folder in (found, *(snapshot(f"refs/pr/{path.name}", local=True) for path in conversions)):
            if all((folder / name).is_file() for name in JSON_FILES) and _weights(folder):
                return folder
    except (OSError, HFValidationError):
        pass  # not all there yet
    try:
        found = snapshot(revision, local=False)
        if revision is None and not _weights(found) and (conversion := _conversion(model)):
            return snapshot(conversion, local=False)
    except (OSError, HFValidationError) as error:  # unknown, private, offline: all of them OSErrors
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"The pretrained model cannot be had from the Hugging Face hub: {reason}",
            where=where,
            got=model,
            hint=f"give a folder that holds it, --set {where}=FOLDER, or do without it, "
            "--set streams=mfcc+short_term+mel",
        ) from error
    return found


def _conversion(model: str) -> str | None:
    """The revision in which the hub's own bot offers a model's pickled weights as safetensors.

    Older models, the Wav2Vec 2.0 and HuBERT of their authors among them, may have no others. transformers
    takes the same revision when it is asked for safetensors.
    """
    from huggingface_hub import HfApi

    offers = HfApi().get_repo_discussions(
        model, author="SFconvertbot", discussion_type="pull_request", discussion_status="open"
    )
    return next((f"refs/pr/{offer.num}" for offer in offers if "safetensors" in offer.title), None)


def _complete(folder: Path, where: str) -> Path:
    """The folder, if it holds all that is needed.

    Raises:
        ConfigError: A file is missing; weights as pickles count as missing, since they can run code.
    """
    for name in JSON_FILES:
        if not (folder / name).is_file():
            raise ConfigError(
                f"The pretrained model has no {name}",
                where=where,
                got=folder,
                allowed=f"a folder with {', '.join(JSON_FILES)} and safetensors weights",
            )
    if not _weights(folder):
        pickles = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth") for path in folder.glob(pattern))
        only = f"only pickled weights ({', '.join(pickles)}), which can run code"
        kind = only if pickles else "no weights in safetensors"
        raise ConfigError(
            f"The pretrained model has {kind}",
            where=where,
            got=folder,
            allowed="safetensors weights",
            hint="convert them once, if you trust them: "
            "transformers.AutoModel.from_pretrained(MODEL).save_pretrained(FOLDER)",
        )
    return folder


def _weights(folder: Path) -> list[Path]:
    """The weight files; none if a part that the index names is missing."""
    if not (index := folder / INDEX).is_file():
        return [path for path in (folder / "model.safetensors",) if path.is_file()]
    parts = [folder / name for name in sorted(set(read_json(index, str(index))["weight_map"].values()))]
    return parts if all(part.is_file() for part in parts) else []


def read_json(path: Path, where: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ConfigError: The file is not one.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"Cannot read {path.name}: {error}", where=where, got=path) from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path.name} must hold a JSON object", where=where, got=path)
    return data


def content_digest(folder: Path) -> str:
    """A digest of configuration and weights: the same for the same model wherever it lies."""
    index = [folder / INDEX] if (folder / INDEX).is_file() else []
    hasher = hashlib.blake2b(digest_size=16)
    for path in [*(folder / name for name in JSON_FILES), *index, *_weights(folder)]:
        status = path.stat()
        hasher.update(_file_digest(path, status.st_size, status.st_mtime_ns))
    return hasher.hexdigest()


@lru_cache(maxsize=256)
def _file_digest(path: Path, size: int, changed_ns: int) -> bytes:
    """Remembered while size and time of change stay the same: weights are hundreds of megabytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()
