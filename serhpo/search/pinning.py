"""Fixing what a space searches, in its plain data: ``--set model.width=32``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serhpo.errors import SpaceError
from serhpo.search.parameter import Parameter, holds


def put(data: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a dotted path of a configuration's data; a changed ``x.name`` clears what ``x`` had.

    Raises:
        SpaceError: The path leads through a value.
    """
    *parents, leaf = path.split(".")
    for parent in parents:
        data = data.setdefault(parent, {})
        if not isinstance(data, dict):
            raise SpaceError(f"`{parent}` is a section with keys of its own", where=path, got=data)
    if leaf == "name" and data.get("name") != value:
        data.clear()
    data[leaf] = value


def pin(data: dict[str, Any], declared: Mapping[str, Parameter], key: str, value: Any, where: object) -> None:
    """Move one parameter to the defaults, or leave it with the values listed; resolve conditions on it.

    Args:
        data: The space's own data, changed in place.
        declared: Its parameters before anything was pinned.
        key: Dotted name of a parameter, or of a field that is not searched.
        value: The value, or a list of those it may have.
        where: Names the settings in errors.

    Raises:
        SpaceError: The key is a section, or the values cannot be meant so.
    """
    searched = data["parameters"]
    if inside := [name for name in searched if name.startswith(f"{key}.")]:
        raise SpaceError(f"`{key}` holds parameters of its own", where=where, allowed=", ".join(inside))
    when = searched.pop(key, {}).get("when")
    subset = key in declared and declared[key].subset is not None
    nested = isinstance(value, list) and any(isinstance(member, list) for member in value)
    if isinstance(value, list) and key in declared and (nested or not subset):
        _pin_to_several(searched, declared, key, value, when, where)
        return
    members = [str(member) for member in value] if isinstance(value, list) else str(value).split("+")
    fixed = "+".join(members) if subset else value
    if when:
        only = {"subset": members, "min": len(members)} if subset else {"choice": [value]}
        searched[key] = {**only, "when": when}
    else:
        put(data.setdefault("defaults", {}), key, members if subset else value)
    for name in [name for name, other in searched.items() if key in other.get("when", {})]:
        if name in searched and not holds(declared[name].when[key], fixed):
            _drop(searched, name)
        elif name in searched and not when:
            searched[name]["when"].pop(key)


def _pin_to_several(
    searched: dict[str, Any],
    declared: Mapping[str, Parameter],
    key: str,
    values: list[Any],
    when: Mapping[str, Any] | None,
    where: object,
) -> None:
    """Let one parameter have the listed values alone; of a subset, the listed single members."""
    if declared[key].subset is None:
        searched[key] = {"choice": values}
    elif all(isinstance(value, list) and len(value) == 1 for value in values):
        searched[key] = {"subset": [str(member) for (member,) in values], "min": 1, "max": 1}
        values = searched[key]["subset"]
    else:
        raise SpaceError(
            f"Several values of the subset `{key}` must be single members",
            where=where,
            got=values,
            hint=f"[[mfcc], [mel]] tries each alone, [mfcc, mel] both together; --set '{key}=[[…], […]]'",
        )
    searched[key] |= {"when": when} if when else {}
    for name in [name for name, other in searched.items() if key in other.get("when", {})]:
        if name in searched and not any(holds(declared[name].when[key], value) for value in values):
            _drop(searched, name)
        elif name in searched and isinstance(wanted := searched[name]["when"][key], list):
            left = [one for one in wanted if any(holds(one, value) for value in values)]
            searched[name]["when"] = {**searched[name]["when"], key: left}


def _drop(searched: dict[str, Any], key: str) -> None:
    """Remove a parameter that can never exist, and those that exist only beside it."""
    del searched[key]
    for name in [name for name, other in searched.items() if key in other.get("when", {})]:
        if name in searched:
            _drop(searched, name)
