"""A look at every machine of a cluster, from a process of its own there: versions, token, paths."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

import serhpo

ANSWER_S = 120.0
"""Seconds the machines may take: each starts a process that imports Ray, maybe from a cold disk."""


def look_around(paths: Sequence[str]) -> list[str]:
    """What is wrong with the other machines of the cluster, in a line each.

    Args:
        paths: Must be there, under these names.

    Machines that go meanwhile are not spoken of. It costs one short task a machine, all at once.
    """
    asked = {_ask(node["NodeID"], list(paths)): node["NodeManagerHostname"] for node in other_nodes()}
    if not asked:
        return []
    ready, late = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_S)
    wrong = [(asked[answer], f"did not answer within {ANSWER_S:g} s") for answer in late]
    mine = facts([])
    wrong += [(asked[answer], what) for answer in ready for what in _wrong(answer, mine)]
    return [f"{host}: {what}" for host, what in sorted(wrong)]


def other_nodes() -> list[dict[str, Any]]:
    """The live nodes of Ray that compute, this one and a head without CPUs left out."""
    here = ray.get_runtime_context().get_node_id()
    return [
        node
        for node in ray.nodes()
        if node["Alive"] and node["NodeID"] != here and node["Resources"].keys() & {"CPU", "GPU"}
    ]


def facts(paths: Sequence[str]) -> dict[str, Any]:
    """What the process it runs in is made of, and which of the paths it does not see."""
    return {
        "Ray": ray.__version__,
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "serhpo": serhpo.__version__,
        "code": _code_digest(),
        "token": os.environ.get("RAY_AUTH_MODE") == "token",
        "blind": [path for path in paths if not Path(path).exists()],
    }


def _ask(node: str, paths: list[str]) -> Any:
    @ray.remote(num_cpus=0, max_retries=0)  # type: ignore[untyped-decorator, unused-ignore]
    def look() -> dict[str, Any]:
        try:
            from serhpo.cluster.nodes import facts  # of the installation there

            return facts(paths)
        except ImportError as error:
            return {"missing": str(error)}

    return look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote()


def _wrong(answer: Any, mine: Mapping[str, Any]) -> Iterator[str]:
    try:
        theirs = ray.get(answer)
    except RayTaskError as error:
        yield f"cannot run a task: {error.cause}"
        return
    except RayError:  # the machine has just gone
        return
    if "missing" in theirs:
        yield f"serhpo is not installed there as it is here: {theirs['missing']}"
        return
    for what in ("Ray", "Python", "serhpo"):
        if theirs[what] != mine[what]:
            yield f"{what} {theirs[what]}, here {mine[what]}"
    if theirs["serhpo"] == mine["serhpo"] and theirs["code"] != mine["code"]:
        yield f"another state of serhpo {mine['serhpo']}'s code than here"
    if mine["token"] and not theirs["token"]:
        yield "Ray runs there without RAY_AUTH_MODE=token"
    for path in theirs["blind"]:
        yield f"does not see {path}"


def _code_digest() -> str:
    """Of the package's code: machines that were not all updated have the same version."""
    folder = Path(serhpo.__file__).parent
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
