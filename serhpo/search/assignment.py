"""Values of a space's parameters, as a user or a file writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from serhpo.errors import Problem, nearest
from serhpo.search.parameter import Parameter, Scalar, holds

Assignment = dict[str, Scalar]


def partial(
    parameters: Mapping[str, Parameter], entry: Mapping[str, Any]
) -> tuple[Assignment, list[Problem]]:
    """Values of some parameters, by dotted or nested keys.

    Returns:
        The values that are right, with those that they alone leave possible for what they depend on; and what
        is wrong with the others: a key that is no parameter, a value that is not allowed, a parameter that
        does not exist beside the others, or may not.
    """
    given: Assignment = {}
    problems = []
    for name, value in leaves(entry):
        parameter = parameters.get(name)
        if parameter is None:
            close = nearest(name, parameters) or f" Known: {', '.join(parameters)}"
            problems.append(Problem(f"is no parameter of this space.{close}", key=name))
        elif parameter.admits(value := as_value(parameter, value)):
            given[name] = value
        else:
            close = nearest(str(value), map(str, parameter.values()))
            problems.append(Problem(f"got {value!r}, allowed: {parameter}.{close}", key=name))
    problems += _complete(parameters, given)
    for name in given:
        when = parameters[name].when
        if not all(holds(condition, given[other]) for other, condition in when.items() if other in given):
            problems.append(Problem(f"exists only when {parameters[name].conditions()}", key=name))
    return given, problems


def _complete(parameters: Mapping[str, Parameter], given: Assignment) -> Iterator[Problem]:
    """Add the only values under which what is given exists; problems are where there are several."""
    asked = list(given)
    while asked:
        name = asked.pop()
        for other, condition in parameters[name].when.items():
            if other in given or other not in parameters:
                continue
            fitting = [value for value in parameters[other].values() if holds(condition, value)]
            if len(fitting) == 1:
                given[other] = fitting[0]
                asked.append(other)
            else:
                yield Problem(f"needs {other} beside it: {parameters[name].conditions()}", key=name)


def leaves(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values of all that is no section."""
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def as_value(parameter: Parameter, value: Any) -> Any:
    """Members of a subset in the parameter's own writing."""
    if parameter.subset is None or value is None:
        return value
    members = [str(m) for m in value] if isinstance(value, list) else str(value).split("+")
    order = {member: place for place, member in enumerate(parameter.subset)}
    return "+".join(sorted(members, key=lambda member: order.get(member, len(order))))
