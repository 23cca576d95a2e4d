"""What a space holds: draws from it, its size, how large its models are, how it differs from another."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import optuna

from serhpo.errors import ConfigError
from serhpo.search.assignment import Assignment
from serhpo.search.parameter import Parameter, Scalar
from serhpo.search.space import Space

optuna.logging.set_verbosity(optuna.logging.WARNING)

CLASSES = {"light": 0, "medium": 100_000, "heavy": 1_000_000}
"""Cost classes: trainable weights from which on a model belongs to one."""


@dataclass(frozen=True)
class Size:
    """How much a space holds.

    Attributes:
        combinations: Of the values of all parameters that have finitely many; continuous ones left out.
        continuous: Fewest and most continuous parameters that exist at a time.
        parameters: Fewest and most parameters that exist at a time.
    """

    combinations: int
    continuous: tuple[int, int]
    parameters: tuple[int, int]


def draws(space: Space, count: int, seed: int) -> Iterator[Assignment]:
    """Assignments as a random search would propose them; a configuration may come twice.

    Those that make no valid configuration are drawn again.
    """
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    proposals = (space.suggest(study.ask()) for _ in range(100 * count))
    return itertools.islice((draw for draw in proposals if space.is_valid(draw)), count)


def size(space: Space) -> Size:
    """Count a space: exactly, whatever its conditions, but for combinations that no model can have."""
    subjects = [name for name in space.order if any(name in p.when for p in space.parameters.values())]
    total, continuous, existing = 0, [], []
    for branch in _branches(space, subjects, {}):
        others = [
            parameter
            for name, parameter in space.parameters.items()
            if name not in subjects and parameter.exists(branch)
        ]
        counts = [_count(parameter) for parameter in others]
        total += math.prod(count for count in counts if count)
        continuous.append(counts.count(0))
        existing.append(len(branch) + len(others))
    return Size(total, (min(continuous), max(continuous)), (min(existing), max(existing)))


def _branches(space: Space, subjects: list[str], chosen: dict[str, Scalar]) -> list[dict[str, Scalar]]:
    """Every combination of the parameters that conditions are about."""
    if not subjects:
        return [chosen]
    name, *rest = subjects
    parameter = space.parameters[name]
    if not parameter.exists(chosen):
        return _branches(space, rest, chosen)
    return [
        branch
        for value in parameter.every_value()
        for branch in _branches(space, rest, {**chosen, name: value})
    ]


def _count(parameter: Parameter) -> int:
    """Values of a parameter; 0 for a continuous one."""
    return 0 if parameter.float_ and parameter.step is None else len(parameter.every_value())


def weights(space: Space, assignment: Assignment, classes: int = 4) -> int:
    """Trainable weights of the model that an assignment means."""
    from serhpo.model.joint import JointModel, StreamInput  # torch takes a second

    config = space.trial_config(assignment)
    extractors = {stream: config.features[stream] for stream in config.streams}
    inputs = {stream: StreamInput.of(each, each.channels) for stream, each in extractors.items()}
    return JointModel(config.model, inputs, classes).size


def absent_models(space: Space) -> dict[str, str]:
    """Streams whose pretrained model cannot be had, so that nobody can tell how large theirs are; and why."""
    absent: dict[str, str] = {}
    looked_for = set()
    for extractor in space.extractors():
        model = (extractor.name, getattr(extractor, "model", None), getattr(extractor, "revision", None))
        if model in looked_for:
            continue
        looked_for.add(model)
        try:
            extractor.ensure_available()
        except ConfigError as error:
            absent[extractor.name] = error.what
    return absent


def cost_class(count: int) -> str:
    """Name of the cost class of a model with so many weights."""
    return [name for name, least in CLASSES.items() if count >= least][-1]


def difference(old: Mapping[str, object], new: Mapping[str, object]) -> dict[str, tuple[object, object]]:
    """Dotted keys whose values differ, with both; None where one has no such key."""
    keys = {**old, **new}
    return {key: (old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)}
