"""Features that stay on the GPU: uploaded once as they are stored, batches gathered there."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from serhpo.training.data import IntArray, Store

SHARE = 0.5  # of the memory that no one else has; models, optimisers and other trials need the rest


class Resident:
    """All values of a store on a device, in the type they are stored in: half the bytes of float32.

    Args:
        store: What to copy.
        device: Where to.
    """

    def __init__(self, store: Store, device: torch.device) -> None:
        lengths, channels = store.lengths, store.channels
        self._first = np.cumsum(lengths) - lengths
        self._scale, self._device = store.scale, device
        kind = torch.from_numpy(np.empty(0, store.dtype)).dtype
        self._values = torch.empty((int(lengths.sum()), channels), dtype=kind, device=device)
        for row, (first, length) in enumerate(zip(self._first.tolist(), lengths.tolist(), strict=True)):
            piece: npt.NDArray[Any] = np.empty((1, length, channels), store.dtype)
            store.read(np.array([row]), np.array([0]), np.array([length]), piece)
            self._values[first : first + length] = torch.from_numpy(piece[0])

    def gather(self, rows: IntArray, start: IntArray, stop: IntArray, length: int) -> Tensor:
        """Frames ``start … stop`` of each row as float32 ``[B, length, C]``, zeros behind its end."""
        first, count = (
            torch.from_numpy(part).to(self._device) for part in (self._first[rows] + start, stop - start)
        )
        place = torch.arange(length, device=self._device)
        inside = place < count[:, None]
        index = (first[:, None] + place).clamp(max=len(self._values) - 1)
        features = self._values[index].float() * inside[..., None]
        return features if self._scale == 1.0 else features * self._scale


# By store, since the trials that a worker trains one after another share their stores.
_uploaded: WeakKeyDictionary[Store, Resident] = WeakKeyDictionary()


def on_device(
    versions: Sequence[Mapping[str, Store]], device: torch.device
) -> list[dict[str, Resident]] | None:
    """Every store of every version of the recordings on a GPU; None on a CPU, or where they do not fit.

    What a former trial asked for stays until something else has to be uploaded.

    Args:
        versions: Stores by stream, of the recordings and of their altered copies.
        device: Where the model is.
    """
    if device.type != "cuda":
        return None
    stores = {store for version in versions for store in version.values()}
    missing = [store for store in stores if store not in _uploaded]
    if missing:
        for other in set(_uploaded) - stores:
            del _uploaded[other]
        gc.collect()  # a former training, in whose cycles it may still hang
        torch.cuda.empty_cache()  # else what is given up would not count as free
        held = sum(map(_bytes, _uploaded))
        if held + sum(map(_bytes, missing)) > SHARE * (held + torch.cuda.mem_get_info(device)[0]):
            return None
    for store in missing:
        _uploaded[store] = Resident(store, device)
    return [{stream: _uploaded[store] for stream, store in version.items()} for version in versions]


def _bytes(store: Store) -> int:
    return int(store.lengths.sum()) * store.channels * store.dtype.itemsize
