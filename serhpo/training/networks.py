"""The trained networks of a trial, one a fold, built again from its tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from serhpo.errors import ConfigError
from serhpo.model.joint import JointModel, StreamInput
from serhpo.training.config import TrialConfig

_IN_CHECKPOINT = re.compile(r"(folds\.\d+\.)model\.(.+)")


def network_tensors(checkpoint: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights and normalisation of all folds, ``folds.<i>.<name>``, among a checkpoint's tensors."""
    named = ((_IN_CHECKPOINT.fullmatch(name), tensor) for name, tensor in checkpoint.items())
    return {found[1] + found[2]: tensor for found, tensor in named if found}


def fold_networks(
    config: TrialConfig, classes: int, folds: int, tensors: Mapping[str, Tensor]
) -> list[JointModel]:
    """The networks of all folds, ready to predict.

    Args:
        config: The trial.
        classes: Number of emotion classes.
        folds: How many there are.
        tensors: Weights and normalisation as ``folds.<i>.<name>``.

    Raises:
        ConfigError: The tensors are not those of the configuration.
    """
    streams = {
        stream: StreamInput.of(config.features[stream], config.features[stream].channels)
        for stream in config.streams
    }
    networks = []
    for index in range(folds):
        network = JointModel(config.model, streams, classes)
        prefix = f"folds.{index}."
        own = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
        try:
            network.load_state_dict(own)
        except RuntimeError as error:
            raise ConfigError(
                "The weights are not those of the configuration", got=str(error).splitlines()[0]
            ) from error
        networks.append(network.eval())
    return networks
