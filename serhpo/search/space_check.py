"""Everything wrong with a search space, found at once and before any trial starts."""

from __future__ import annotations

import itertools
import random
from collections.abc import Collection, Iterable, Mapping
from graphlib import CycleError
from typing import Any, Protocol, Self

from pydantic import ValidationError

from serhpo.config import validation_problems
from serhpo.errors import Problem, SpaceError, nearest
from serhpo.search.assignment import partial
from serhpo.search.parameter import Condition, Members, Parameter, Scalar, holds
from serhpo.training.config import TrialConfig

DRAWS = 200


class Space(Protocol):
    """The part of :class:`~serhpo.search.space.Space` that is checked."""

    @property
    def parameters(self) -> dict[str, Parameter]:
        """What is searched."""

    @property
    def defaults(self) -> dict[str, Any]:
        """What is not."""

    @property
    def known_good(self) -> tuple[dict[str, Any], ...]:
        """Configurations to start with."""

    @property
    def order(self) -> tuple[str, ...]:
        """Names, conditions' subjects first."""

    def trial_data(self, assignment: Mapping[str, Scalar]) -> dict[str, Any]:
        """The configuration of an assignment."""

    def restricted(self, names: Collection[str]) -> Self:
        """The space with these parameters alone."""


def space_problems(space: Space, file: str, gone: Collection[str] = ()) -> list[Problem]:
    """Problems of a space, each with file and key: first its conditions, then its values.

    Args:
        space: What to check.
        file: Its name.
        gone: Parameters of the file that are known to be wrong and not in the space.
    """
    problems = list(_condition_problems(space, file, gone))
    # What a wrong condition leaves unclear is not asked for its values: that would only confuse.
    unclear = {str(problem.key).split(".when")[0].removeprefix("parameters.") for problem in problems}
    if "parameters" not in unclear:  # a circle
        clear = without(space.parameters, unclear)
        problems += _config_problems(space.restricted(clear) if unclear else space, file)
    if not problems:
        problems += _known_good_problems(space, file)
    return problems


def without(parameters: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Parameters, or their data, less some and less all that exist only under conditions on those."""
    left = {name: parameter for name, parameter in parameters.items() if str(name) not in names}
    hanging = {name for name, parameter in left.items() if not _conditions_of(parameter).isdisjoint(names)}
    return without(left, hanging) if hanging else left


def _conditions_of(parameter: Any) -> set[str]:
    when = parameter.get("when", {}) if isinstance(parameter, Mapping) else getattr(parameter, "when", {})
    return set(when) if isinstance(when, Mapping) else set()


def _known_good_problems(space: Space, file: str) -> Iterable[Problem]:
    for number, entry in enumerate(space.known_good, start=1):
        assignment, problems = partial(space.parameters, entry)
        for problem in problems:
            yield Problem(problem.what, file, key=f"known_good {number}: {problem.key}")
        exist = [name for name in space.order if space.parameters[name].exists(assignment)]
        if not problems and (missing := [name for name in exist if name not in assignment]):
            yield Problem(f"lacks {', '.join(missing)}", file, key=f"known_good {number}")
        elif not problems:
            for problem in _refused(space, assignment):
                yield Problem(str(problem), file, key=f"known_good {number}")


def _condition_problems(space: Space, file: str, gone: Collection[str]) -> Iterable[Problem]:
    for name, parameter in space.parameters.items():
        for other, condition in parameter.when.items():
            key = f"parameters.{name}.when"
            if other in gone:
                continue
            if other not in space.parameters:
                known = ", ".join(space.parameters)
                hint = nearest(other, space.parameters)
                yield Problem(
                    f"names `{other}`, which is not a parameter; known: {known}.{hint}", file, key=key
                )
            elif not _can_hold(condition, space.parameters[other]):
                allowed = ", ".join(map(str, space.parameters[other].values()))
                yield Problem(f"`{other}` never is {condition!r}; its values: {allowed}", file, key=key)
    try:
        _ = space.order
    except CycleError as error:
        yield Problem(f"conditions run in a circle: {' → '.join(error.args[1])}", file, key="parameters")


def _can_hold(condition: Condition | list[Condition] | Members, subject: Parameter) -> bool:
    if isinstance(condition, Members):
        return any(holds(condition, value) for value in subject.values())
    values = _as_list(condition)
    return bool(values) and all(subject.allows(value) for value in values)


def _as_list(condition: Condition | list[Condition]) -> list[Condition]:
    return condition if isinstance(condition, list) else [condition]


def _config_problems(space: Space, file: str) -> Iterable[Problem]:
    """Build a configuration with every value of every parameter and tell what ``TrialConfig`` refuses."""
    alone = {str(problem) for problem in _refused(space, {})}
    seen: set[str] = set()
    for values, probed in itertools.chain(_probes(space), _draws(space)):
        if seen and probed is None:
            break  # what is wrong with single values would only come again
        for problem in _refused(space, values):
            if str(problem) not in seen:
                seen.add(str(problem))
                fallback = "defaults" if str(problem) in alone or not probed else f"parameters.{probed}"
                yield Problem(str(problem), file, key=_about(problem.key or "", values, probed) or fallback)
    for name, parameter in space.parameters.items():
        beforehand = name.startswith(("features.", "augmentation.speed", "augmentation.noise_snr"))
        if name == "epochs" or (beforehand and parameter.choice is None):
            what = (
                "is set by search.epochs" if name == "epochs" else "must be a `choice`: computed beforehand"
            )
            yield Problem(what, file, key=f"parameters.{name}")
    yield from _useless_defaults(space, file)


def _refused(space: Space, values: Mapping[str, Scalar]) -> list[Problem]:
    try:
        TrialConfig.model_validate(space.trial_data(values))
    except ValidationError as error:
        return validation_problems(error, TrialConfig)
    except SpaceError as error:
        return [Problem(f"{error.what}, got {error.got}", key=error.where)]
    return []


def _about(key: str, values: Iterable[str], probed: str | None) -> str:
    """The parameters a validation error is about: the one it names, else those inside its section."""
    parts = set(key.split("."))  # a union adds its tag to the path
    named = [name for name in values if parts >= set(name.split("."))]
    inside = [name for name in values if name.startswith(f"{key}.")]
    if probed in named or (not named and probed in inside):
        return f"parameters.{probed}"
    found = named or inside
    return ", ".join(f"parameters.{name}" for name in found)


def _useless_defaults(space: Space, file: str) -> Iterable[Problem]:
    """Defaults that no trial would ever have."""
    if "epochs" in space.defaults:
        yield Problem("is set by search.epochs", file, key="defaults.epochs")
    for name in (name for name in space.parameters if name.endswith(".name")):
        section: object = space.defaults
        for part in name.split(".")[:-1]:
            section = section.get(part) if isinstance(section, dict) else None
        if isinstance(section, dict) and section.get("name") not in space.parameters[name].values():
            allowed = ", ".join(map(str, space.parameters[name].values()))
            where = f"defaults.{name.removesuffix('.name')}"
            yield Problem(f"needs the `name` it belongs to, one of {allowed}", file, key=where)


def _probes(space: Space) -> Iterable[tuple[dict[str, Scalar], str]]:
    """Every value of every parameter, one at a time, beside the first values of the others."""
    yield _baseline(space, {}), ""
    for name in space.order:
        for value in space.parameters[name].values():
            assignment = {**_conditions_met(space, name), name: value}
            yield {**_baseline(space, assignment), **assignment}, name


def _draws(space: Space) -> Iterable[tuple[dict[str, Scalar], None]]:
    """Values drawn all at once, always the same: some are refused only together."""
    generator = random.Random(0)  # noqa: S311 - nothing secret
    for _ in range(DRAWS):
        assignment: dict[str, Scalar] = {}
        for name in space.order:
            if space.parameters[name].exists(assignment):
                assignment[name] = space.parameters[name].draw(generator)
        yield assignment, None


def _conditions_met(space: Space, name: str) -> dict[str, Scalar]:
    """Values of other parameters under which one exists."""
    met: dict[str, Scalar] = {}
    for other, condition in space.parameters[name].when.items():
        candidates = (
            _as_list(condition) if not isinstance(condition, Members) else space.parameters[other].values()
        )
        value = next(v for v in candidates if holds(condition, v))
        met |= {**_conditions_met(space, other), other: value}
    return met


def _baseline(space: Space, fixed: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The first value of every parameter that exists beside the fixed ones."""
    assignment: dict[str, Scalar] = dict(fixed)
    for name in space.order:
        if name not in assignment and space.parameters[name].exists(assignment):
            assignment[name] = space.parameters[name].values()[0]
    return {name: value for name, value in assignment.items() if space.parameters[name].exists(assignment)}
