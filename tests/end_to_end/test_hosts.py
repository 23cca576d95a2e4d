"""A cluster of two hosts with folders of their own: refused without a shared store, served by one.

Each host is a mount and a host name space of this machine, with its own cache folder; a network space
around both keeps their Ray from every other one.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import environment

ISOLATED = ["unshare", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c"]

RACK = """
mount -t proc proc /proc && ip link set lo up && mkdir -p /tmp/ray && mount -t tmpfs tmpfs /tmp/ray || exit 90
options="--node-ip-address=127.0.0.1 --num-cpus=1 --disable-usage-stats --object-store-memory=100000000"
python -m ray.scripts.scripts start --head --port=6399 --include-dashboard=false $options || exit 91
mkfifo ready
unshare --mount --uts bash -c '
    hostname other-host && mount -t tmpfs tmpfs /tmp/ray && mount -t tmpfs tmpfs home/cache || exit 92
    python -m ray.scripts.scripts start --address=127.0.0.1:6399 "$@"; echo $? > ready
    read line < ready
    find home/cache -name "*.arrow" > other.txt
    echo seen > ready' sh $options &
test "$(cat ready)" = 0 || exit 93
export RAY_ADDRESS=127.0.0.1:6399
search="search --space smoke --set streams=mfcc --set model.width=16 --trials 2 --name cut --json"
python -m serhpo.cli.app $search --corpus "$1" > refused.json; test $? = 5 || exit 94
python -m serhpo.cli.app $search --corpus "$1" --cache "$PWD/store" > done.json || exit 95
echo look > ready; cat ready
"""


def possible() -> bool:
    try:
        command = [*ISOLATED, "mount -t proc proc /proc && ip link set lo up && unshare --mount --uts true"]
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not possible(), reason="needs name spaces and `ip`")
def test_each_host_gets_its_copy_from_the_shared_store(small_corpus: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "cache").mkdir(parents=True)
    path = f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin"
    root = str(Path(__file__).parents[2])
    ray = {"RAY_AUTH_MODE": "disabled", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1"}
    done = subprocess.run(
        [*ISOLATED, RACK, "sh", str(small_corpus)],
        cwd=tmp_path,
        env={**environment(home), "PATH": path, "PYTHONPATH": root, **ray},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    refused = (tmp_path / "refused.json").read_text()
    assert "other-host" in refused
    assert "--cache" in refused
    here = sorted((home / "cache").rglob("*.arrow"))
    store = sorted((tmp_path / "store").rglob("*.arrow"))
    there = (tmp_path / "other.txt").read_text().split()
    assert [path.name for path in here] == [path.name for path in store] == [Path(p).name for p in there]
    assert len(here) == 1
