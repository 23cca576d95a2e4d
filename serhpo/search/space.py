"""Search spaces: YAML data, validated against ``TrialConfig``, turned into suggestions and back.

A space file has four sections besides ``description``: ``parameters`` (what is searched, named by the
dotted path of a ``TrialConfig`` field), ``defaults`` (values of the other fields), ``search``
(:class:`~serhpo.search.settings.SearchSettings`) and ``protocol`` (how speakers are divided). It may list
``known_good`` configurations, values of every parameter, for ``--enqueue``.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from serhpo.config import Config, digest, parse, read_yaml, read_yaml_value, validation_problems
from serhpo.corpus.folds import ProtocolConfig
from serhpo.errors import SpaceError, UsageError, unknown_name
from serhpo.features import Extractor, FeatureSettings
from serhpo.search.parameter import Parameter, Scalar, Suggests
from serhpo.search.pinning import pin, put
from serhpo.search.settings import SearchSettings
from serhpo.search.space_check import space_problems, without
from serhpo.text import counted
from serhpo.training.config import Augmentation, OptimiserConfig, TrialConfig

T = TypeVar("T", bound=Config)


class Space(Config):
    """A search space as its file declares it."""

    description: str = ""
    parameters: dict[str, Parameter]
    defaults: dict[str, Any] = Field(default_factory=dict)
    search: SearchSettings = SearchSettings()
    protocol: ProtocolConfig = ProtocolConfig()
    known_good: tuple[dict[str, Any], ...] = ()

    @property
    def digest(self) -> str:
        """Hash of what is searched (not of the budget): the same for files that mean the same."""
        return digest(self.model_dump(mode="json", by_alias=True, include={"parameters", "defaults"}))

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Parameter names such that every condition's subject comes before whoever depends on it."""
        # Not sets of names: their order, and so every seeded draw, would differ between processes.
        graph = {name: tuple(parameter.when) for name, parameter in self.parameters.items()}
        return tuple(TopologicalSorter(graph).static_order())

    def restricted(self, names: Collection[str]) -> Space:
        """The space with these parameters alone."""
        data = self.model_dump(mode="json", by_alias=True, exclude_unset=True)
        data["parameters"] = {name: data["parameters"][name] for name in names}
        return Space.model_validate(data)

    def suggest(self, trial: Suggests) -> dict[str, Scalar]:
        """Ask a trial for a value of every parameter that exists under the values before it."""
        assignment: dict[str, Scalar] = {}
        for name in self.order:
            if self.parameters[name].exists(assignment):
                assignment[name] = self.parameters[name].suggest(name, trial)
        return assignment

    def trial_config(self, assignment: Mapping[str, Scalar]) -> TrialConfig:
        """The configuration that an assignment of the parameters means.

        Raises:
            ConfigError: The assignment does not make a valid configuration.
        """
        return parse(TrialConfig, self.trial_data(assignment), where="this trial's configuration")

    def trial_data(self, assignment: Mapping[str, Scalar]) -> dict[str, Any]:
        """Like :meth:`trial_config`, not yet validated."""
        data = copy.deepcopy(self.defaults)
        data["epochs"] = self.search.epochs
        # A changed `x.name` brings another kind of `x`: it must come first, and clears what was there.
        for path, value in sorted(assignment.items(), key=lambda item: not item[0].endswith(".name")):
            parameter = self.parameters.get(path)
            is_subset = parameter is not None and parameter.subset is not None
            put(data, path, str(value).split("+") if is_subset else value)
        return data

    def is_valid(self, assignment: Mapping[str, Scalar]) -> bool:
        """Whether an assignment makes a valid configuration."""
        try:
            TrialConfig.model_validate(self.trial_data(assignment))
        except ValidationError:
            return False
        return True

    def extractors(self) -> tuple[Extractor, ...]:
        """Every feature extractor that some trial of this space can ask for, none twice."""
        found: dict[Extractor, None] = {}
        for augmentation in self._settings_of("augmentation", Augmentation, ("speed", "noise_snr")):
            for stream in self.streams():
                for settings in self._settings_of("features", FeatureSettings, (f"{stream}.",)):
                    extractor = settings[stream]
                    found |= dict.fromkeys((extractor, *augmentation.copies(extractor)))
        return tuple(found)

    def _settings_of(self, part: str, kind: type[T], names: tuple[str, ...]) -> Iterator[T]:
        """Every value that a part of the configuration can take by what is searched under these names."""
        prefixes = tuple(f"{part}.{name}" for name in names)
        searched = {n: p.values() for n, p in self.parameters.items() if n.startswith(prefixes)}
        for values in itertools.product(*searched.values()):
            data = self.trial_data(dict(zip(searched, values, strict=True)))
            with suppress(ValidationError):  # a combination that no trial can have either
                yield kind.model_validate(data.get(part, {}))

    def peak_epoch(self) -> int:
        """The latest epoch at which a trial's learning rate can be at its highest."""
        optimisers = self._settings_of("optimiser", OptimiserConfig, ("schedule",))
        return max((optimiser.peak_epoch(self.search.epochs) for optimiser in optimisers), default=1)

    def streams(self) -> tuple[str, ...]:
        """Every stream that some trial of this space can use."""
        if parameter := self.parameters.get("streams"):
            return tuple(dict.fromkeys(s for value in parameter.values() for s in str(value).split("+")))
        return tuple(self.defaults.get("streams", TrialConfig.model_fields["streams"].default))

    def pinned(self, settings: Mapping[str, Any], where: object = "--set") -> Space:
        """The space with parameters, defaults, ``search.*`` or ``protocol.*`` keys fixed to a value.

        A pinned parameter is no longer searched; conditions on it are resolved. One that exists only
        under conditions keeps them, with the value as its only choice. A list leaves a parameter with
        these values: ``weighting.lambda=[0.2, 0.5]``; for a subset, ``[mfcc, mel]`` is one value and
        ``[[mfcc], [mel]]`` two.

        Raises:
            SpaceError: A key is unknown or a value not allowed.
        """
        data = self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"known_good"})
        # A changed `x.name` clears the defaults of `x`: first, whatever the order given.
        for key, value in sorted(settings.items(), key=lambda item: not item[0].endswith(".name")):
            section, _, field = key.partition(".")
            if section in ("search", "protocol") and field:
                data.setdefault(section, {})[field] = value
            else:
                pin(data, self.parameters, key, value, where)
        return load_space_data(data, where)


def space_folders() -> list[Path]:
    """Where named spaces lie: inside the installed package, or beside it in a clone."""
    package = Path(__file__).resolve().parents[1]
    return [
        folder for folder in (package / "search_spaces", package.parent / "search_spaces") if folder.is_dir()
    ]


def known_spaces() -> dict[str, Path]:
    """Name and file of every space that comes with serhpo."""
    return {path.stem: path for folder in space_folders() for path in sorted(folder.glob("*.yaml"))}


def find_space(name: str) -> Path:
    """The file of a space given by name or path.

    Raises:
        UsageError: No such file, no such name; lists those that exist.
    """
    if name.endswith((".yaml", ".yml")) or "/" in name:
        if not Path(name).is_file():
            raise UsageError(
                "No such space file", where=name, hint=f"named spaces: {', '.join(known_spaces())}"
            )
        return Path(name)
    known = known_spaces()
    if name not in known:
        raise unknown_name("search space", name, known)
    return known[name]


def load_space(name: str) -> Space:
    """Read and validate a space by name or path.

    Raises:
        UsageError: There is no such space.
        SpaceError: The file is wrong; names every problem.
    """
    path = find_space(name)
    return load_space_data(read_yaml(path), path)


def load_space_data(data: Mapping[str, Any], where: object) -> Space:
    """Validate a space given as plain data; ``where`` names it in errors.

    Raises:
        SpaceError: Names every problem found.
    """
    try:
        space, problems, gone = Space.model_validate(data), [], set[str]()
    except ValidationError as error:
        problems = validation_problems(error, Space, str(where))
        places = {detail["loc"] for detail in error.errors(include_url=False)}
        gone = {str(loc[1]) for loc in places if loc[0] == "parameters" and len(loc) > 1}
        sections = {loc[0] for loc in places if loc[0] != "parameters" or len(loc) == 1}
        sound = {key: value for key, value in data.items() if key not in sections}
        sound["parameters"] = without(sound.get("parameters", {}), gone)
        space = Space.model_validate(sound)  # what is left of it has problems of its own
    problems += space_problems(space, str(where), gone)
    if problems:
        raise SpaceError(
            f"{counted(len(problems), 'problem')} in {where}",
            problems=problems,
            hint="`serhpo check --space FILE` repeats this test",
        )
    return space


def parse_settings(settings: Iterable[str]) -> dict[str, Any]:
    """``["model.width=32"]`` as ``{"model.width": 32}``; values are read as YAML.

    Raises:
        UsageError: An entry has no ``=``.
    """
    pairs = [(item, *item.partition("=")) for item in settings]
    for item, _, equals, _ in pairs:
        if not equals:
            raise UsageError("--set needs key=value", got=item, hint="for example --set model.width=32")
    return {key.strip(): read_yaml_value(value) for _, key, _, value in pairs}
