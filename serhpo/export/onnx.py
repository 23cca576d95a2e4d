"""An exported model as one ONNX graph, for programs without Python or torch.

Inputs are the features of each stream, named after it, ``[1, frames, channels]`` float32 as the extractors of
``config.json`` give them; outputs ``probabilities`` ``[classes]`` and ``ratings`` ``[rated]`` (the dimensions
that ``config.json`` names, in the corpus' unit), both the mean over the folds' networks. The graph takes
utterances of any length, one at a time.
"""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from serhpo.errors import ConfigError, StorageError
from serhpo.features.pretrained import Pretrained
from serhpo.model.config import RECURRENT
from serhpo.model.joint import JointModel
from serhpo.training.config import TrialConfig
from serhpo.training.data import in_range

CLOSE = 1e-4
"""How far an answer of the graph may lie from torch's, as a share of the outputs' range."""

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_OPSET = 20
_LONGEST = 10_000_000
_TRACED_S = 1.5
_CHECKED_S = (5.01, 0.64, 0.07, 0.01)
"""Seconds of the utterances on which the graph is compared with torch: down to a single frame."""


def require_onnx(trial: TrialConfig) -> None:
    """Make sure that a trial's networks can be written as ONNX.

    Raises:
        ConfigError: A package is missing, or a part of the model has no graph for all lengths.
    """
    if missing := [name for name in _PACKAGES if importlib.util.find_spec(name) is None]:
        raise ConfigError(
            "ONNX needs packages that are not installed",
            where="--onnx",
            got=f"no {', '.join(missing)}",
            hint="pip install 'serhpo[onnx]'",
        )
    for stream in trial.streams:
        extractor, kind = trial.features[stream], trial.model.encoders[stream].kind
        fine_tuned = isinstance(extractor, Pretrained) and extractor.fine_tune
        if fine_tuned or kind in RECURRENT:
            raise ConfigError(
                "This model cannot be written as ONNX",
                where=f"stream {stream}",
                got="a fine-tuned pretrained encoder" if fine_tuned else f"the recurrent encoder {kind}",
                allowed="encoders of convolutions, on features",
                hint="without --onnx it is exported all the same",
            )


class Graph(nn.Module):
    """The networks of all folds on one utterance, as ONNX sees them.

    Args:
        networks: One a fold.
        trial: What they are.
        scale: Lowest and highest rating of the corpus.
        rated: Places of the dimensions that it answers for.
    """

    def __init__(
        self,
        networks: Sequence[JointModel],
        trial: TrialConfig,
        scale: tuple[float, float],
        rated: Sequence[int],
    ) -> None:
        super().__init__()
        self.networks, self.streams = nn.ModuleList(networks), trial.streams
        self._features = [trial.features[stream] for stream in trial.streams]
        self._low, self._high = scale
        self._rated = list(rated)

    def forward(self, *features: Tensor) -> tuple[Tensor, Tensor]:
        """``[1, T, C]`` of each stream to probabilities ``[K]`` and ratings ``[D]``."""
        batch = dict(zip(self.streams, features, strict=True))
        lengths = {name: torch.ones(1, dtype=torch.int64) * x.shape[1] for name, x in batch.items()}
        answers = [network(batch, lengths) for network in self.networks]
        probabilities = torch.cat([answer.logits for answer in answers]).softmax(dim=1).mean(dim=0)
        dimensions = torch.cat([answer.dimensions for answer in answers]).mean(dim=0)
        return probabilities, in_range(dimensions[self._rated], self._low, self._high)

    def noise(self, seconds: float) -> tuple[Tensor, ...]:
        """Features of an utterance of so many seconds that nobody spoke."""
        generator = torch.Generator().manual_seed(0)
        sizes = [(1, max(1, round(seconds * f.frames_per_second)), f.channels) for f in self._features]
        return tuple(torch.randn(size, generator=generator) for size in sizes)

    @torch.inference_mode()
    def require_same(self, path: Path) -> None:
        """Compare a written graph with this one, run by ONNX Runtime, on utterances of several lengths.

        Raises:
            ConfigError: An answer is not the same.
        """
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        for seconds in _CHECKED_S:
            features = self.noise(seconds)
            named = {name: x.numpy() for name, x in zip(self.streams, features, strict=True)}
            pairs = zip(self(*features), session.run(None, named), (1, self._high - self._low), strict=True)
            worst = max(float(np.abs(own.numpy() - other).max()) / span for own, other, span in pairs)
            if not worst <= CLOSE:
                raise ConfigError(
                    f"The ONNX graph answers differently for {seconds:g} s",
                    where=path,
                    got=f"{worst:.2g} of the range",
                    allowed=f"{CLOSE:g}",
                )


def write_graph(graph: Graph, path: Path) -> None:
    """Write the graph and compare it with torch.

    Raises:
        ConfigError: torch cannot export it, or it answers differently.
        StorageError: The file cannot be written.
    """
    lengths = tuple({1: torch.export.Dim(f"{name}_frames", min=1, max=_LONGEST)} for name in graph.streams)
    with _quiet():
        try:
            program = torch.onnx.export(
                graph.eval(),
                graph.noise(_TRACED_S),
                input_names=list(graph.streams),
                output_names=["probabilities", "ratings"],
                dynamic_shapes=(lengths,),
                dynamo=True,
                opset_version=_OPSET,
                verbose=False,
            )
            if program is None:
                raise RuntimeError("the exporter returned nothing")
            program.save(partial := path.with_name(f"{path.name}.partial"))
        except OSError as error:
            raise StorageError.from_os_error(error, path) from error
        except Exception as error:
            told = str(error).strip().splitlines() or [type(error).__name__]
            raise ConfigError(f"torch cannot write this model as ONNX: {told[0]}", where=path) from error
    try:
        graph.require_same(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on its own insides."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
