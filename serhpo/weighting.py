"""How the two losses of the joint model become one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from pydantic import ConfigDict, Field

from serhpo.config import Config

if TYPE_CHECKING:  # a search space is validated without loading torch
    from torch import Tensor


class FixedWeighting(Config):
    """λ · classification loss + (1 − λ) · dimension loss; in files the key is ``lambda``."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)

    name: Literal["fixed"] = "fixed"
    lambda_: float = Field(0.5, alias="lambda", ge=0, le=1)


class DynamicWeightAverage(Config):
    """Weights from how fast each loss fell over the last two epochs.

    Liu, Johns & Davison, End-to-End Multi-Task Learning with Attention (CVPR 2019), equation 7.

    Attributes:
        temperature: Softness; large values give equal weights.
    """

    name: Literal["dwa"] = "dwa"
    temperature: float = Field(2.0, gt=0)


Weighting = Annotated[FixedWeighting | DynamicWeightAverage, Field(discriminator="name")]


class Balancer(Protocol):
    """A weighting at work: combines the losses of a step and learns from the losses of an epoch."""

    def combine(self, class_loss: Tensor, dimension_loss: Tensor) -> Tensor:
        """The loss to go down on: a scalar."""

    def end_epoch(self, class_loss: float, dimension_loss: float) -> None:
        """Take note of the epoch's mean losses."""

    def weights(self) -> dict[str, float]:
        """The weights now in force: ``{"class": …, "dimension": …}``."""

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`load_state_dict` needs to go on, as JSON values."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another balancer of the same configuration stood."""


def build_weighting(config: Weighting) -> Balancer:
    """The balancer of a configuration."""
    return _Fixed(config) if isinstance(config, FixedWeighting) else _DynamicWeightAverage(config)


def weighted_sum(weights: Mapping[str, float], class_loss: Tensor, dimension_loss: Tensor) -> Tensor:
    """Sum of the losses by weight; a task of weight 0 is left out, so its head gets no gradient at all."""
    terms = [
        weight * loss
        for weight, loss in ((weights["class"], class_loss), (weights["dimension"], dimension_loss))
        if weight
    ]
    return sum(terms[1:], start=terms[0])


class _Fixed:
    def __init__(self, config: FixedWeighting) -> None:
        self._weights = {"class": config.lambda_, "dimension": 1.0 - config.lambda_}

    def combine(self, class_loss: Tensor, dimension_loss: Tensor) -> Tensor:
        return weighted_sum(self._weights, class_loss, dimension_loss)

    def end_epoch(self, class_loss: float, dimension_loss: float) -> None:
        """Nothing changes."""

    def weights(self) -> dict[str, float]:
        return dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to restore."""


class _DynamicWeightAverage:
    """w_i = 2 · softmax(r_i / T), r_i = L_i(t−1) / L_i(t−2); equal weights for the first two epochs."""

    def __init__(self, config: DynamicWeightAverage) -> None:
        self._temperature = config.temperature
        self._losses: list[tuple[float, float]] = []

    def combine(self, class_loss: Tensor, dimension_loss: Tensor) -> Tensor:
        return weighted_sum(self.weights(), class_loss, dimension_loss)

    def end_epoch(self, class_loss: float, dimension_loss: float) -> None:
        self._losses = [*self._losses, (class_loss, dimension_loss)][-2:]

    def weights(self) -> dict[str, float]:
        if len(self._losses) < 2:
            return {"class": 1.0, "dimension": 1.0}
        before, last = self._losses
        # A loss that was 0 has nothing left to fall; its rate counts as unchanged.
        rates = [now / then if then else 1.0 for now, then in zip(last, before, strict=True)]
        highest = max(rates)
        powers = [math.exp((rate - highest) / self._temperature) for rate in rates]
        return {"class": 2 * powers[0] / sum(powers), "dimension": 2 * powers[1] / sum(powers)}

    def state_dict(self) -> dict[str, Any]:
        return {"losses": [list(pair) for pair in self._losses]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._losses = [(pair[0], pair[1]) for pair in state["losses"]]
