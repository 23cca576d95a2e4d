"""AdamW with warm-up, schedule and clipping; its whole state is tensors and a step count."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from serhpo.training.config import RISE, WARM_UP, OptimiserConfig

FLOOR = 0.01  # of the highest learning rate, where the cosine ends


def learning_rate(config: OptimiserConfig, step: int, total: int) -> float:
    """The learning rate of a step: a linear warm-up, then constant or half a cosine; or one cycle.

    Args:
        config: The highest rate and the schedule.
        step: Counted from 0; beyond ``total`` the last rate stays.
        total: Steps of the whole training.
    """
    if config.schedule == "one_cycle":
        return config.lr * _one_cycle(step, total)
    warm_up = max(1, round(WARM_UP * total))
    if step < warm_up:
        return config.lr * (step + 1) / warm_up
    if config.schedule == "constant":
        return config.lr
    progress = min(1.0, (step - warm_up) / max(1, total - warm_up))
    return config.lr * _half_cosine(1.0, FLOOR, progress)


def _one_cycle(step: int, total: int) -> float:
    """Share of the highest rate, as torch.optim.lr_scheduler.OneCycleLR has it by default."""
    start, peak = 1 / 25, max(1.0, RISE * total - 1)
    if step <= peak:
        return _half_cosine(start, 1.0, step / peak)
    return _half_cosine(1.0, start / 1e4, min(1.0, (step - peak) / max(1.0, total - 1 - peak)))


def _half_cosine(first: float, last: float, progress: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * progress)) / 2


class Stepper:
    """Takes gradient steps on a model.

    Args:
        model: What to train.
        config: Learning rate, decay, clipping, schedule.
        total: Steps of the whole training, which the schedule spans.
        beside: Parameters that are learned with the model's but belong to something else, by name.
        pretrained: Those of the model's parameters that are stepped at their own share of the rate.
    """

    def __init__(
        self,
        model: nn.Module,
        config: OptimiserConfig,
        total: int,
        beside: Mapping[str, nn.Parameter] | None = None,
        pretrained: Collection[nn.Parameter] = (),
    ) -> None:
        self.steps = 0
        self._config, self._total = config, total
        named = dict(model.named_parameters()) | dict(beside or {})
        self._named = {name: parameter for name, parameter in named.items() if parameter.requires_grad}
        slow = set(pretrained)
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for parameter in self._named.values():
            share = config.pretrained_share if parameter in slow else 1.0
            decay = config.weight_decay if parameter.ndim >= 2 else 0.0
            groups.setdefault((share, decay), []).append(parameter)
        self._optimiser = torch.optim.AdamW(
            [
                {"params": members, "share": share, "weight_decay": decay}
                for (share, decay), members in groups.items()
            ],
            lr=config.lr,
            fused=True,
        )

    def step(self, loss: Tensor) -> float:
        """Go down on a loss; the norm of the gradient before clipping. A non-finite one changes nothing."""
        rate = learning_rate(self._config, self.steps, self._total)
        for group in self._optimiser.param_groups:
            group["lr"] = rate * group["share"]
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        limit = math.inf if self._config.clip is None else self._config.clip
        norm = float(nn.utils.clip_grad_norm_(self._named.values(), limit))
        if math.isfinite(norm):
            self._optimiser.step()
            self.steps += 1
        return norm

    def tensors(self) -> dict[str, Tensor]:
        """AdamW's moments and counts as ``parameter/moment``; a parameter never stepped has none."""
        state = self._optimiser.state
        return {
            f"{name}/{key}": value
            for name, parameter in self._named.items()
            if parameter in state
            for key, value in state[parameter].items()
        }

    def restore(self, tensors: Mapping[str, Tensor], steps: int) -> None:
        """Go on from what :meth:`tensors` and ``steps`` gave."""
        self.steps = steps
        self._optimiser.state.clear()
        for path, tensor in tensors.items():
            name, key = path.rsplit("/", 1)
            parameter = self._named[name]
            self._optimiser.state[parameter][key] = tensor.to(parameter.device).clone()
