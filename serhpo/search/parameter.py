"""One parameter of a search space: its range, its condition, and how Optuna is asked for it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Collection, Mapping
from typing import Any, Protocol

from pydantic import Field, model_validator

from serhpo.config import Config

Condition = bool | int | float | str
Scalar = Condition | None  # null is a choice like any other, for what may be left out


class Suggests(Protocol):
    """The part of ``optuna.Trial`` a space uses."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A real number."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """A whole number."""

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """One of several values."""


class Members(Config):
    """Condition on a subset parameter.

    Attributes:
        has: A member it must contain.
        at_least: Members it must have.
    """

    has: str | None = None
    at_least: int = Field(1, ge=1)

    def hold(self, members: Collection[str]) -> bool:
        """Whether a subset meets the condition."""
        return len(members) >= self.at_least and (self.has is None or self.has in members)

    def __str__(self) -> str:
        return f"has {self.has}" if self.has else f"of {self.at_least} or more"


class Parameter(Config):
    """A declared parameter: exactly one of ``float``, ``int``, ``choice`` and ``subset``.

    Attributes:
        float_: ``float: [low, high]``.
        int_: ``int: [low, high]``, both included.
        choice: The allowed values.
        subset: Members of which any combination of ``min`` to ``max`` is allowed; the value is the
            members joined by ``+`` in the order given here.
        log: Uniform in the logarithm.
        step: Distance of neighbouring values.
        when: Conditions on other parameters, all of which must hold for this one to exist: a value, a
            list of values, or for a subset ``{has: member}`` or ``{at_least: 2}``.
    """

    float_: tuple[float, float] | None = Field(None, alias="float")
    int_: tuple[int, int] | None = Field(None, alias="int")
    choice: tuple[Scalar, ...] | None = None
    subset: tuple[str, ...] | None = None
    min: int = Field(1, ge=1)
    max: int | None = Field(None, ge=1)
    log: bool = False
    step: float | None = Field(None, gt=0)
    when: dict[str, Condition | list[Condition] | Members] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Parameter:
        kinds = [name for name in ("float", "int", "choice", "subset") if self._given(name)]
        if len(kinds) != 1:
            raise ValueError(f"give exactly one of float, int, choice, subset; found {kinds or 'none'}")
        bounds = self.float_ or self.int_
        if bounds:
            self._check_range(*bounds)
        elif self.log or self.step is not None:
            raise ValueError("log and step belong to float and int only")
        if self.subset is None and {"min", "max"} & self.model_fields_set:
            raise ValueError("min and max belong to subset only")
        if not bounds and (len(self.values()) == 0 or len(set(self.values())) != len(self.values())):
            raise ValueError("a choice or subset needs at least one value and none twice")
        return self

    def _given(self, name: str) -> bool:
        return getattr(self, name if name in ("choice", "subset") else f"{name}_") is not None

    def _check_range(self, low: float, high: float) -> None:
        if low >= high:
            raise ValueError(f"low must be below high, got [{low}, {high}]")
        if self.log and low <= 0:
            raise ValueError(f"log needs a positive range, got [{low}, {high}]")
        if self.log and self.step is not None:
            raise ValueError("log and step exclude each other")
        if self.int_ and self.step is not None and self.step != int(self.step):
            raise ValueError(f"the step of an int is whole, got {self.step}")

    def values(self) -> tuple[Scalar, ...]:
        """Every value of a choice or subset; the two ends of a range."""
        if self.choice is not None:
            return self.choice
        if self.subset is not None:
            sizes = range(self.min, (self.max or len(self.subset)) + 1)
            return tuple("+".join(c) for size in sizes for c in itertools.combinations(self.subset, size))
        return self.float_ or self.int_ or ()

    def every_value(self) -> tuple[Scalar, ...]:
        """Every value of a parameter that is not continuous."""
        if self.int_:
            return tuple(range(self.int_[0], self.int_[1] + 1, int(self.step or 1)))
        if self.float_ and self.step:
            low, high = self.float_
            return tuple(low + place * self.step for place in range(int((high - low) / self.step + 1e-9) + 1))
        return self.values()

    def allows(self, value: Scalar) -> bool:
        """Whether the parameter can take a value; a continuous one never takes a given one."""
        bounds = self.float_ or self.int_
        if value is None:
            return None in self.values()
        if not bounds:
            return any(holds(value, other) for other in self.values())
        step = self.step or (1 if self.int_ else None)
        if step is None or isinstance(value, bool | str) or not bounds[0] <= value <= bounds[1]:
            return False
        steps = (value - bounds[0]) / step
        return abs(steps - round(steps)) < 1e-9

    def admits(self, value: Any) -> bool:
        """Whether the parameter could have been given this value, be it continuous or not."""
        if self.float_ and self.step is None:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            return number and self.float_[0] <= value <= self.float_[1]
        return isinstance(value, Scalar) and self.allows(value)

    def suggest(self, name: str, trial: Suggests) -> Scalar:
        """Ask the trial for a value."""
        if self.float_:
            return trial.suggest_float(name, *self.float_, step=self.step, log=self.log)
        if self.int_:
            return trial.suggest_int(name, *self.int_, step=int(self.step or 1), log=self.log)
        value: Scalar = trial.suggest_categorical(name, self.values())
        return value

    def draw(self, generator: random.Random) -> Scalar:
        """A value at random, whatever the scale: for checks, not for searches."""
        if self.int_:
            return generator.randrange(self.int_[0], self.int_[1] + 1, int(self.step or 1))
        return generator.uniform(*self.float_) if self.float_ else generator.choice(self.values())

    def __str__(self) -> str:
        if bounds := self.float_ or self.int_:
            scale = ", log" if self.log else f", step {self.step:g}" if self.step else ""
            return f"{'float' if self.float_ else 'int'} [{bounds[0]:g}, {bounds[1]:g}]{scale}"
        if self.subset is not None:
            return f"{len(self.values())} subsets of {', '.join(self.subset)}"
        return ", ".join(map(str, self.values()))

    def conditions(self) -> str:
        """When the parameter exists, in words; empty where it always does."""
        return ", ".join(f"{key} {_in_words(value)}" for key, value in self.when.items())

    def exists(self, assignment: Mapping[str, Scalar]) -> bool:
        """Whether all conditions hold under the values of the other parameters."""
        return all(holds(condition, assignment.get(other)) for other, condition in self.when.items())


def holds(condition: Condition | list[Condition] | Members, value: Scalar) -> bool:
    """Whether a parameter's value meets a condition on it; a parameter without value meets none."""
    if value is None:
        return False
    if isinstance(condition, Members):
        return condition.hold(str(value).split("+"))
    allowed = condition if isinstance(condition, list) else [condition]
    return any(value == other and isinstance(value, bool) == isinstance(other, bool) for other in allowed)


def _in_words(condition: Condition | list[Condition] | Members) -> str:
    if isinstance(condition, list):
        return " or ".join(map(str, condition))
    return str(condition) if isinstance(condition, Members) else f"= {condition}"
