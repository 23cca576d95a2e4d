"""Checkpoints: a JSON file that names, by digest, the safetensors file beside it.

Replacing the small JSON file is the one moment at which a new checkpoint takes the old one's place, so a
kill at any point leaves one whole checkpoint. Nothing that is read can execute code.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor, from_numpy

from serhpo.errors import StorageError, StudyError
from serhpo.training.results import Predictions

FORMAT = 1
_STATE = "checkpoint.json"
_PREDICTIONS = "predictions."


class UnusableCheckpointError(StudyError):
    """A checkpoint that is worth nothing to its training: missing, damaged, or of another trial."""


def write_checkpoint(folder: Path, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Put a checkpoint into a folder, in place of one that may be there.

    Args:
        folder: Made if missing.
        state: JSON values.
        tensors: By name.

    Raises:
        StorageError: The disk is full or the folder cannot be written; an older checkpoint is intact.
    """
    content = tensors_to_bytes({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    document = {"format": FORMAT, "tensors": f"tensors-{digest}.safetensors", "digest": digest, **state}
    text = json.dumps(document, allow_nan=False, indent=1)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / document["tensors"], content)
        _replace(folder / _STATE, text.encode())
        for old in folder.glob("tensors-*.safetensors"):
            if old.name != document["tensors"]:
                old.unlink()
    except OSError as error:
        raise StorageError.from_os_error(error, folder) from error


def read_checkpoint(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """State and tensors of a checkpoint.

    Raises:
        UnusableCheckpointError: There is none, or it is damaged.
        StudyError: A newer serhpo wrote it.
        StorageError: It cannot be read now; it may well be whole.
    """
    try:
        state = json.loads((folder / _STATE).read_bytes())
        if state["format"] > FORMAT:
            raise StudyError(
                "The checkpoint was written by a newer serhpo",
                where=folder,
                got=f"format {state['format']}",
                allowed=f"format {FORMAT} or older",
                hint="upgrade serhpo",
            )
        content = (folder / Path(state["tensors"]).name).read_bytes()
        if hashlib.blake2b(content, digest_size=16).hexdigest() != state["digest"]:
            raise ValueError("the tensors are not the ones that were saved")
        return state, tensors_from_bytes(content)
    except FileNotFoundError as error:
        raise UnusableCheckpointError("No checkpoint here", where=error.filename) from error
    except OSError as error:
        raise StorageError(
            f"Cannot read the checkpoint: {error.strerror or error}",
            where=error.filename or folder,
            hint="see to the disk and run the command again: the checkpoint was left as it is",
        ) from error
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise UnusableCheckpointError(f"The checkpoint is damaged: {error}", where=folder) from error


def load_predictions(folder: Path) -> Predictions:
    """The pooled validation predictions kept in a checkpoint.

    Raises:
        StudyError: As :func:`read_checkpoint`, or it was saved before the first epoch.
        StorageError: As :func:`read_checkpoint`.
    """
    predictions = predictions_from(read_checkpoint(folder)[1])
    if predictions is None:
        raise StudyError("The checkpoint was saved before the first epoch", where=folder)
    return predictions


def predictions_from(tensors: Mapping[str, Tensor]) -> Predictions | None:
    """The predictions among a checkpoint's tensors, None where it was saved before the first epoch."""
    parts = {
        name.removeprefix(_PREDICTIONS): t.numpy()
        for name, t in tensors.items()
        if name.startswith(_PREDICTIONS)
    }
    return Predictions(**parts) if parts else None


def predictions_as_tensors(predictions: Predictions) -> dict[str, Tensor]:
    """The predictions under the names that :func:`predictions_from` looks for."""
    return {
        f"{_PREDICTIONS}{name}": from_numpy(np.ascontiguousarray(value))
        for name, value in vars(predictions).items()
    }


def _replace(path: Path, content: bytes) -> None:
    """Write to a temporary name, hand it to the disk, rename.

    The name is always the same, so that what a kill leaves behind is overwritten by the next save.
    """
    temporary = path.with_name(".writing")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with suppress(OSError):  # a read-only disk refuses this too
            temporary.unlink(missing_ok=True)
