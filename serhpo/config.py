"""Configuration: parsed and checked once at the edge, plain frozen values inward.

Every package owns its config class, a frozen pydantic model derived from :class:`Config`.
A YAML file is turned into one by :func:`parse`, which reports *all* its errors at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import platformdirs
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from serhpo.errors import ConfigError, Problem, nearest
from serhpo.text import counted


class Config(BaseModel):
    """Base of every configuration: frozen, no unknown keys, equal by value."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


ConfigT = TypeVar("ConfigT", bound=Config)


class _Yaml12Loader(yaml.SafeLoader):
    """A safe loader that also reads ``1e-5`` as a number and refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[tuple[str, str]] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                continue  # refused by PyYAML itself
            if (key := (key_node.tag, key_node.value)) in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key `{key_node.value}` stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


class _Yaml12Dumper(yaml.SafeDumper):
    """Quotes a text that :class:`_Yaml12Loader` would read as a number: a study named ``1e5``."""


# YAML 1.1, which PyYAML follows, asks for a dot and a signed exponent; 1.2 does not.
for _kind in (_Yaml12Loader, _Yaml12Dumper):
    _kind.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"),
        list("-+0123456789."),
    )


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping.

    Raises:
        ConfigError: The file is missing, unreadable, not YAML, or not a mapping.
    """
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), _Yaml12Loader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise ConfigError(f"Cannot read the file: {error.strerror}", where=path) from error
    except UnicodeDecodeError as error:
        raise ConfigError("The file is not UTF-8 text", where=path) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"{path}:{mark.line + 1}" if mark else path
        raise ConfigError(f"Not valid YAML: {getattr(error, 'problem', error)}", where=line) from error
    except ValueError as error:  # looks like a date and is none: 2025-02-30
        raise ConfigError(f"Not a YAML value: {error}", where=path) from error
    if not isinstance(data, dict):
        raise ConfigError("The file must hold a mapping of keys", where=path, got=type(data).__name__)
    return data


def read_yaml_value(text: str) -> Any:
    """One value as YAML reads it: ``32``, ``1e-3``, ``true``, ``[mfcc, mel]``.

    Raises:
        ConfigError: The text is not YAML.
    """
    try:
        return yaml.load(text, _Yaml12Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError("Not a YAML value", got=text) from error


def write_yaml(path: Path, data: Mapping[str, Any]) -> None:
    """Write a mapping as YAML, keys in the order given."""
    text = yaml.dump(dict(data), Dumper=_Yaml12Dumper, sort_keys=False, allow_unicode=True)
    path.write_text(text, encoding="utf-8")


def parse(
    kind: type[ConfigT],
    data: Mapping[str, Any],
    where: object = None,
    error_type: type[ConfigError] = ConfigError,
) -> ConfigT:
    """Build a config from plain data.

    Raises:
        ConfigError: (or ``error_type``) with every problem found, each with its key, the value got
            and, for a misspelt key, the nearest known one.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        problems = validation_problems(error, kind, str(where) if where else None)
        raise error_type(
            f"{counted(len(problems), 'problem')} in {where or kind.__name__}", problems=problems
        ) from error


def validation_problems(
    error: ValidationError, kind: type[BaseModel], file: str | None = None
) -> list[Problem]:
    """A pydantic error as problems that name key, value got and what is allowed."""
    return [
        Problem(_explain(detail, kind), file=file, key=".".join(str(part) for part in detail["loc"]))
        for detail in error.errors(include_url=False)
    ]


def _explain(detail: ErrorDetails, kind: type[BaseModel]) -> str:
    if detail["type"] == "extra_forbidden":
        known = _keys_at(kind, detail["loc"][:-1])
        hint = nearest(str(detail["loc"][-1]), known)
        return f"unknown key.{hint}" + (f" Known: {', '.join(sorted(known))}" if known else "")
    message = detail["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    # Checks of our own name the value where it helps; a whole section would only drown the message.
    if detail["type"] in ("missing", "value_error") or isinstance(detail["input"], Mapping):
        return message
    return f"{message}, got {detail['input']!r}"


def _keys_at(annotation: Any, loc: tuple[int | str, ...]) -> list[str]:
    """The keys known at a place of an error, or none where no model stands there."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = {field.alias or name: field.annotation for name, field in annotation.model_fields.items()}
        if not loc:
            return list(fields)
        return _keys_at(fields[str(loc[0])], loc[1:]) if loc[0] in fields else _tagged(annotation, loc)
    inner = get_args(annotation)
    if (origin := get_origin(annotation)) in (dict, list, tuple):
        inner, loc = inner[1:] if origin is dict else inner[:1], loc[1:]
    return next((keys for kind in inner if (keys := _keys_at(kind, loc))), [])


def _tagged(member: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Keys of a member of a tagged union, whose tag is a part of the place."""
    tags = [field.default for field in member.model_fields.values()]
    return _keys_at(member, loc[1:]) if loc[0] in tags else []


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no blanks: equal values give equal text."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(*values: Any) -> str:
    """A 128-bit hexadecimal digest of plain values or configs."""
    hasher = hashlib.blake2b(digest_size=16)
    for value in values:
        hasher.update(canonical_json(value).encode())
        hasher.update(b"\0")
    return hasher.hexdigest()


def home() -> Path:
    """Where studies, cache and the embedded corpus lie: ``SERHPO_HOME``, else the user's data folder."""
    return Path(os.environ.get("SERHPO_HOME") or platformdirs.user_data_dir("serhpo")).expanduser().resolve()
