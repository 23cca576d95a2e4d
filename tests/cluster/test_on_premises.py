"""``cluster/on-premises.yaml`` on three machines, from ``ray up`` to ``ray down``: ``make test-cluster``.

The head trains, too, as it does for a user of that file, so a search must show all three.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.invariants import check_finished, check_ledger
from tests.cluster.rack import MACHINES, Rack, why_not

REASON = why_not()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.cluster,
    pytest.mark.skipif(REASON is not None, reason=f"three machines on this one: {REASON}"),
]

FILE = "cluster/on-premises.yaml"
SEARCH = "search --space smoke --set streams=mfcc --set search.concurrent=3"
SERHPO = "python -m serhpo.cli.app"


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rack]:
    with Rack(tmp_path_factory.mktemp("rack") / "hosts") as rack:
        rack.up()
        yield rack
        spaces = {path.read_text().strip() for path in rack.folder.glob("*/mnt")}
        assert len(spaces) == len(MACHINES) + 2  # the laptop, and what holds the disks
        assert spaces & spaces_in_use()
    assert not rack.folder.exists()
    assert str(rack.folder) not in Path("/proc/mounts").read_text()
    rack.wait(lambda: not spaces & spaces_in_use(), "the end of every process of theirs", 10)


def spaces_in_use() -> set[str]:
    """The mount name spaces of all processes on this machine."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/ns/mnt"):
        with suppress(OSError):
            found.add(str(link.readlink()))
    return found


def under_way(rack: Rack, study: str, machines: tuple[str, ...]) -> dict[str, Any] | None:
    """The last epoch of a trial that is between two rungs on one of these machines."""
    rows = rack.rows(study)
    last = {row["trial"]: row for row in rows}
    return next(
        (row for row in last.values() if row["host"] in machines and row["epoch"] in (2, 4, 5, 6)), None
    )


def check_whole(rack: Rack, study: str, before: list[dict[str, Any]], since: dict[str, Any]) -> None:
    """The study is whole, its copy on the laptop too; the trial that was cut off went on where it was."""
    status, front = (
        json.loads(rack.laptop(f"{SERHPO} {command} {study} --json")) for command in ("status", "front")
    )
    folder = rack.shared / "studies" / study
    check_finished(folder, status, front, replayed=False)
    rows = check_ledger(folder, before)
    hosts = {row["epoch"]: row["host"] for row in rows if row["trial"] == since["trial"]}
    assert hosts[since["epoch"]] == since["host"]
    assert max(hosts) > since["epoch"]


def test_token_and_loopback_keep_others_out(rack: Rack) -> None:
    rack.submit("hello", "python -c 'print(40 + 2)'")
    words = rack.follow("hello")
    assert "\n42\n" in words
    assert "succeeded" in words
    token = rack.laptop("cat ~/.ray/auth_token").strip()
    assert rack.jobs_answer(token) == 200
    assert rack.jobs_answer("") == 401
    assert rack.jobs_answer("0" * len(token)) in (401, 403)
    assert rack.answers(22, "198.51.100.11")
    assert not rack.answers(8265, "198.51.100.11")


def test_search_outlives_a_power_cut(rack: Rack) -> None:
    rack.submit("first", f"serhpo {SEARCH} --trials 8 --name first")
    row = rack.wait(lambda: under_way(rack, "first", MACHINES[1:]), "a trial under way on a worker")
    rack.hosts("kill", row["host"])
    before = rack.rows("first")
    # from the other folder, beside a running search, which `--no-restart` leaves alone
    rack.laptop("cd cluster && ray up -y --no-restart on-premises.yaml", timeout=600)
    words = rack.follow("first")
    assert "succeeded" in words, words[-3000:]
    copy = "~/data/studies/first/"
    rack.laptop(f"mkdir -p {copy} && ray rsync-down {FILE} /mnt/serhpo/studies/first/ {copy}")
    check_whole(rack, "first", before, row)
    rows = rack.rows("first")
    assert {row["host"] for row in rows} == set(MACHINES)
    moved = [now for now in rows if now["trial"] == row["trial"] and now["epoch"] == row["epoch"] + 2]
    assert all(now["host"] != row["host"] for now in moved)
    rack.hosts("boot", row["host"])


def test_study_outlives_its_head(rack: Rack) -> None:
    rack.laptop(f"{SERHPO} {SEARCH} --trials 5 --set search.seed=1 --name second --submit {FILE}")
    row = rack.wait(lambda: under_way(rack, "second", MACHINES), "a trial under way")
    rack.hosts("kill", "h1")
    before = rack.rows("second")
    rack.hosts("replace", "h1")
    rack.laptop(f"ray down -y {FILE}")
    rack.up()
    job = json.loads(rack.laptop(f"{SERHPO} resume second --submit {FILE} --json"))["job"]
    words = rack.laptop(f"ray exec {FILE} 'ray job logs -f {job}; ray job status {job}' 2>&1", timeout=900)
    assert "succeeded" in words, words[-3000:]
    assert json.loads(rack.laptop(f"{SERHPO} status second --on {FILE} --json"))["asked"] == 5
    rack.laptop(f"{SERHPO} fetch second --on {FILE}")
    check_whole(rack, "second", before, row)


def test_ray_down_leaves_nothing(rack: Rack) -> None:
    rack.laptop(f"ray down -y {FILE}")
    for name in MACHINES:
        rack.wait(lambda: not rack.processes(name), f"the end of Ray on {name}")  # noqa: B023
