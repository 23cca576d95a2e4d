"""What an extractor is: frozen settings and a function from audio to frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from serhpo.config import Config, digest

Storage = Literal["float16", "int16"]


class Extractor(Config, ABC):
    """Turns one utterance into frames; its settings, name and version identify what comes out.

    An extractor sees one utterance at a time, so no feature depends on how utterances are grouped.

    Attributes:
        name: The stream's name in configurations and in the cache.
        version: To be raised whenever equal settings would give other numbers than before.
        cost: CPU seconds per second of audio, roughly; says when a fill is worth worker processes.
        on_gpu: Whether it computes on the GPU where there is one.
        storage: How the cache keeps the frames; ``int16`` for values in [-1, 1).
    """

    name: ClassVar[str]
    version: ClassVar[int]
    cost: ClassVar[float] = 0.001
    on_gpu: ClassVar[bool] = False
    storage: ClassVar[Storage] = "float16"

    @property
    @abstractmethod
    def channels(self) -> int:
        """Values per frame."""

    @property
    @abstractmethod
    def frames_per_second(self) -> float:
        """Frames per second of audio."""

    @property
    def layers(self) -> int:
        """Equal parts side by side in a frame, of which a model learns a mix; 1 = the frame is one."""
        return 1

    @property
    def identity(self) -> tuple[Any, ...]:
        """What besides name and version decides what comes out: the settings."""
        return (self,)

    def ensure_available(self) -> None:
        """Make sure that all the extractor needs is there.

        Raises:
            ConfigError: Something cannot be had.
        """

    @abstractmethod
    def extract(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """The frames of one utterance.

        Args:
            audio: Mono samples at 16 kHz, shape ``(samples,)``, at least one.

        Returns:
            Shape ``(frames, channels)``, at least one frame.
        """


def key(extractor: Extractor) -> str:
    """A digest of all that decides what ``extractor`` computes: name, version and settings.

    Raises:
        ConfigError: What it needs, a pretrained model, cannot be had.
    """
    return digest(extractor.name, extractor.version, *extractor.identity)


@contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread inside the block.

    Utterances are extracted in parallel processes: more threads would only fight for the same cores,
    and the order of a sum, so its last bit, would follow the machine's core count.
    """
    import torch  # here, because configurations are also read by commands that must start at once

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def true_float32() -> Iterator[None]:
    """Float32 that is float32 inside the block, on GPUs too.

    By default cuDNN's convolutions and recurrent layers multiply in TF32 there, with 10 bits of mantissa.
    """
    import torch

    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
