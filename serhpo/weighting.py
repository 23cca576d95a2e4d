"""How the two losses of the joint model become one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from pydantic import ConfigDict, Field

from serhpo.config import Config

if TYPE_CHECKING:  # a search space is validated without loading torch
    from torch import Tensor
    from torch.nn import Parameter


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


class GradNorm(Config):
    """Weights that keep the losses' gradients on the shared layers in balance, adjusted at every step.

    Chen, Badrinarayanan, Lee & Rabinovich, GradNorm (ICML 2018), equation 2 and algorithm 1. The loss a
    task began with is its mean over the first epoch, in which the weights are equal: a single batch's
    would be noise.

    Attributes:
        alpha: How strongly the task that has made less progress is favoured; 0 makes the norms equal.
        lr: Step size of the weights.
    """

    name: Literal["gradnorm"] = "gradnorm"
    alpha: float = Field(1.5, ge=0)
    lr: float = Field(0.025, gt=0, le=1)


class UncertaintyWeighting(Config):
    """Σ L_i / (2 exp(s_i)) + s_i / 2 with a learned log-variance s_i for each task.

    Kendall, Gal & Cipolla, Multi-Task Learning Using Uncertainty to Weigh Losses (CVPR 2018).

    Attributes:
        start: Of both s_i.
    """

    name: Literal["uncertainty"] = "uncertainty"
    start: float = Field(-0.5, ge=-5, le=5)


class GeometricWeighting(Config):
    """The geometric mean of the losses: √(L_class · L_dimension).

    Chennupati, Sistu, Yogamani & Rawashdeh, MultiNet++ (CVPR Workshops 2019), equation 2.
    """

    name: Literal["geometric"] = "geometric"


Weighting = Annotated[
    FixedWeighting | DynamicWeightAverage | GradNorm | UncertaintyWeighting | GeometricWeighting,
    Field(discriminator="name"),
]


class Balancer(Protocol):
    """A weighting at work: combines the losses of a step and learns from the losses of an epoch."""

    def combine(self, class_loss: Tensor, dimension_loss: Tensor, shared: Sequence[Parameter] = ()) -> Tensor:
        """The loss to go down on: a scalar. ``shared``: the last parameters that both tasks share."""

    def end_epoch(self, class_loss: float, dimension_loss: float) -> None:
        """Take note of the epoch's mean losses."""

    def weights(self) -> dict[str, float]:
        """The weights now in force: ``{"class": …, "dimension": …}``."""

    def parameters(self) -> dict[str, Parameter]:
        """What the optimiser of the model learns beside it, by name."""

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`load_state_dict` needs to go on, as JSON values."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another balancer of the same configuration stood."""


def build_weighting(config: Weighting) -> Balancer:
    """The balancer of a configuration."""
    match config:
        case FixedWeighting():
            return _Fixed(config)
        case DynamicWeightAverage():
            return _DynamicWeightAverage(config)
        case GradNorm():
            return _GradNorm(config)
        case UncertaintyWeighting():
            return _Uncertainty(config)
        case GeometricWeighting():
            return _Geometric()


def weighted_sum(weights: Mapping[str, float], class_loss: Tensor, dimension_loss: Tensor) -> Tensor:
    """Sum of the losses by weight; a task of weight 0 is left out, so its head gets no gradient at all."""
    terms = [
        weight * loss
        for weight, loss in ((weights["class"], class_loss), (weights["dimension"], dimension_loss))
        if weight
    ]
    return sum(terms[1:], start=terms[0])


class _Plain:
    """A weighted sum of weights that nothing changes; the ground the others stand on."""

    def __init__(self) -> None:
        self._weights = {"class": 1.0, "dimension": 1.0}

    def combine(self, class_loss: Tensor, dimension_loss: Tensor, shared: Sequence[Parameter] = ()) -> Tensor:
        return weighted_sum(self.weights(), class_loss, dimension_loss)

    def end_epoch(self, class_loss: float, dimension_loss: float) -> None:
        """Nothing changes."""

    def weights(self) -> dict[str, float]:
        return dict(self._weights)

    def parameters(self) -> dict[str, Parameter]:
        return {}

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing to restore."""


class _Fixed(_Plain):
    def __init__(self, config: FixedWeighting) -> None:
        self._weights = {"class": config.lambda_, "dimension": 1.0 - config.lambda_}


class _DynamicWeightAverage(_Plain):
    """w_i = 2 · softmax(r_i / T), r_i = L_i(t−1) / L_i(t−2); equal weights for the first two epochs."""

    def __init__(self, config: DynamicWeightAverage) -> None:
        self._temperature = config.temperature
        self._losses: list[tuple[float, float]] = []

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


class _GradNorm(_Plain):
    """w_i ← w_i − lr · sign(w_i g_i − G r_i^α) g_i, then Σ w_i = 2.

    g_i is the norm of task i's gradient on the shared layers, G the mean of w_i g_i, and r_i the task's
    share of its first loss that is left, over the mean of both. G and r_i count as constants.
    """

    SMALLEST = 0.01  # a weight of 0 would leave a task for good

    def __init__(self, config: GradNorm) -> None:
        super().__init__()
        self._config = config
        self._first: tuple[float, float] | None = None

    def combine(self, class_loss: Tensor, dimension_loss: Tensor, shared: Sequence[Parameter] = ()) -> Tensor:
        if self._first is not None:
            self._adjust((class_loss, dimension_loss), self._first, shared)
        return weighted_sum(self._weights, class_loss, dimension_loss)

    def end_epoch(self, class_loss: float, dimension_loss: float) -> None:
        self._first = self._first or (class_loss, dimension_loss)

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self.weights(), "first": self._first and list(self._first)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._weights = dict(state["weights"])
        self._first = None if state["first"] is None else (state["first"][0], state["first"][1])

    def _adjust(
        self, losses: tuple[Tensor, Tensor], first: tuple[float, float], shared: Sequence[Parameter]
    ) -> None:
        norms = [_gradient_norm(loss, shared) for loss in losses]
        left = [loss.item() / then if then else 0.0 for loss, then in zip(losses, first, strict=True)]
        if min(norms) <= 0 or not math.isfinite(sum(norms)) or min(left) <= 0:
            return  # a batch without labels or ratings says nothing about the balance
        weights = list(self._weights.values())
        mean_norm = sum(w * g for w, g in zip(weights, norms, strict=True)) / 2
        rates = [2 * share / sum(left) for share in left]
        for i, (norm, rate) in enumerate(zip(norms, rates, strict=True)):
            gap = weights[i] * norm - mean_norm * rate**self._config.alpha
            weights[i] -= self._config.lr * math.copysign(norm, gap) if gap else 0.0
        weights = [max(weight, self.SMALLEST) for weight in weights]
        self._weights = {
            task: 2 * weight / sum(weights) for task, weight in zip(self._weights, weights, strict=True)
        }


class _Uncertainty(_Plain):
    """The two s_i are parameters of the optimiser; the weight of a task is 1 / (2 exp(s_i))."""

    def __init__(self, config: UncertaintyWeighting) -> None:
        import torch

        self._log_variances = torch.nn.Parameter(torch.full((2,), config.start))

    def combine(self, class_loss: Tensor, dimension_loss: Tensor, shared: Sequence[Parameter] = ()) -> Tensor:
        s = self._log_variances.to(class_loss.device)
        first = class_loss * (-s[0]).exp() + s[0]
        return (first + dimension_loss * (-s[1]).exp() + s[1]) / 2

    def weights(self) -> dict[str, float]:
        s = self._log_variances.detach().tolist()
        return {"class": math.exp(-s[0]) / 2, "dimension": math.exp(-s[1]) / 2}

    def parameters(self) -> dict[str, Parameter]:
        return {"log_variances": self._log_variances}

    def state_dict(self) -> dict[str, Any]:
        return {"log_variances": self._log_variances.detach().tolist()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        values = self._log_variances.detach()
        values.copy_(values.new_tensor(state["log_variances"]))


class _Geometric(_Plain):
    """Its weights are those that a weighted sum with the same gradient would have: √(L_c L_d) / (2 L_i)."""

    def combine(self, class_loss: Tensor, dimension_loss: Tensor, shared: Sequence[Parameter] = ()) -> Tensor:
        values = class_loss.item(), dimension_loss.item()
        if min(values) <= 0:  # nothing labelled, or nothing left to gain: the root has no gradient at 0
            return weighted_sum(self._weights, class_loss, dimension_loss)
        mean = (class_loss * dimension_loss).sqrt()
        self._weights = {"class": mean.item() / (2 * values[0]), "dimension": mean.item() / (2 * values[1])}
        return mean

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self.weights()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._weights = dict(state["weights"])


def _gradient_norm(loss: Tensor, shared: Sequence[Parameter]) -> float:
    """Norm of a loss' gradient on some parameters; 0 where it does not depend on them."""
    import torch

    if not loss.requires_grad:
        return 0.0
    gradients = torch.autograd.grad(loss, list(shared), retain_graph=True, allow_unused=True)
    return math.sqrt(sum(float(g.square().sum()) for g in gradients if g is not None))
