"""The processes of a search, found from outside through ``/proc``."""

from __future__ import annotations

from pathlib import Path


def below(pid: int) -> list[int]:
    """All processes below one, children before grandchildren."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
            except OSError:
                continue  # ended meanwhile
            parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    found, level = [], [pid]
    while level := [child for child, parent in parents.items() if parent in level]:
        found += level
    return found


def command_line(pid: int) -> str:
    """What a process was started as, or calls itself; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def targets(parent: int) -> dict[str, list[int]]:
    """What there is to kill below the process that a user started, by kind."""
    driver, *rest = below(parent) or [0]
    names = {pid: command_line(pid) for pid in rest}
    kinds = {"worker": "Trainable", "raylet": "/raylet/raylet", "gcs": "/gcs/gcs_server"}
    found = {kind: [pid for pid, name in names.items() if part in name] for kind, part in kinds.items()}
    return {**found, "driver": [driver] if driver else [], "parent": [parent]}


def of_home(home: Path) -> list[int]:
    """Every process that was started with this ``SERHPO_HOME``."""
    mark = f"SERHPO_HOME={home}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:
                continue
    return found
