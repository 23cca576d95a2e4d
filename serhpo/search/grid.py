"""Spaces of finite size: every configuration in them, one after another."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from serhpo.errors import Problem, SpaceError
from serhpo.search.assignment import Assignment
from serhpo.search.parameter import Parameter
from serhpo.search.space import Space


def is_finite(space: Space) -> bool:
    """Whether no parameter is continuous."""
    return not any(_continuous(parameter) for parameter in space.parameters.values())


def require_finite(space: Space, where: object) -> None:
    """Make sure that a grid can be laid over a space.

    Raises:
        SpaceError: Parameters are continuous; names each.
    """
    names = [name for name, parameter in space.parameters.items() if _continuous(parameter)]
    if names:
        raise SpaceError(
            "A grid needs every parameter to have finitely many values",
            problems=[Problem("is continuous", str(where), key=f"parameters.{name}") for name in names],
            hint=f"give it a `step`, or list values: --set '{names[0]}=[…, …]'; or pin it to one",
        )


def sized(space: Space) -> Space:
    """The space with no more trials than it has points."""
    count = sum(1 for _ in itertools.islice(points(space), space.search.trials))
    return space.model_copy(update={"search": space.search.model_copy(update={"trials": max(1, count)})})


def points(space: Space) -> Iterator[Assignment]:
    """Every valid configuration of a finite space, none twice, always in the same order."""
    return (point for point in _extend(space, space.order, {}) if space.is_valid(point))


def untried(space: Space, tried: Iterable[Mapping[str, Any]]) -> Assignment | None:
    """The first configuration of a finite space that is not among ``tried``; None where all are."""
    known = {_key(assignment) for assignment in tried}
    left = (point for point in _extend(space, space.order, {}) if _key(point) not in known)
    return next((point for point in left if space.is_valid(point)), None)


def _extend(space: Space, names: Sequence[str], chosen: Assignment) -> Iterator[Assignment]:
    if not names:
        yield chosen
        return
    name, *rest = names
    if not space.parameters[name].exists(chosen):
        yield from _extend(space, rest, chosen)
        return
    for value in space.parameters[name].every_value():
        yield from _extend(space, rest, {**chosen, name: value})


def _continuous(parameter: Parameter) -> bool:
    return parameter.float_ is not None and parameter.step is None


def _key(assignment: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Equal for equal configurations, whatever rounding did to a step."""
    return tuple(sorted((k, f"{v:.9g}" if isinstance(v, float) else repr(v)) for k, v in assignment.items()))
