"""A laptop with a checkout and three machines, all on this one: what the cluster's tests are run on.

The machines have Python and the pinned packages, as an image would have, and nothing of serhpo: the cluster's
file must bring it. They share ``/mnt/serhpo``; none of them reaches another network.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from tests.chaos.invariants import ledger

HOSTS = Path(__file__).with_name("hosts.sh")
ROOT = Path(__file__).parents[2]
PACKAGES = [path for path in sys.path if Path(path).name == "site-packages"]
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
MACHINES = ("h1", "h2", "h3")

IMAGE = f"""#!/bin/sh -e
{sys.executable} -m venv --without-pip ~/serhpo-venv
printf '%s\\n' {" ".join(map(shlex.quote, PACKAGES))} > ~/serhpo-venv/lib/{PYTHON}/site-packages/image.pth
for command in pip:pip._internal.cli.main:main ray:ray.scripts.scripts:main; do
    IFS=: read name module function <<END
$command
END
    printf '#!/root/serhpo-venv/bin/python\\nimport sys\\nfrom %s import %s\\nsys.exit(%s())\\n' \\
        "$module" "$function" "$function" > ~/serhpo-venv/bin/$name
    chmod +x ~/serhpo-venv/bin/$name
done
echo 'export PIP_NO_INDEX=1 PIP_ROOT_USER_ACTION=ignore' >> ~/.bashrc
"""

# On the head: a machine is dead after ten seconds, not thirty. On workers: they leave as soon after a head
# that is gone. On all: three machines share few cores and little memory. They start slowly, and with ports
# that are known Ray's own processes need not wait for each other.
HEALTH = "RAY_health_check_period_ms=1000 RAY_health_check_timeout_ms=3000 "
LEAVE = "RAY_gcs_rpc_server_reconnect_timeout_s=10 "
PATIENT = "RAY_raylet_start_wait_time_s=120 RAY_agent_register_timeout_ms=120000 "
PORTS = "--dashboard-agent-grpc-port=9101 --metrics-export-port=9102 --runtime-env-agent-port=9103 "
SMALL = f"--num-cpus=1 --object-store-memory=100000000 {PORTS}"


def why_not() -> str | None:
    """Why there can be no rack here; None where there can."""
    if os.geteuid() != 0:
        return "needs root, for name spaces"
    commands = ("unshare", "nsenter", "ip", "ps", "ssh", "ssh-keygen", "rsync", "/usr/sbin/sshd")
    if missing := [command for command in commands if not shutil.which(command)]:
        packages = "iproute2 openssh-client openssh-server procps rsync"
        return f"needs {', '.join(missing)}: apt-get install {packages}"
    probe = "mount -t tmpfs tmpfs /mnt && mkdir /mnt/u /mnt/w /mnt/m && ip link add x type bridge && "
    probe += "mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt/m"
    kinds = ["--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child"]
    done = subprocess.run(["unshare", *kinds, "sh", "-c", probe], capture_output=True, text=True)
    return f"needs name spaces, bridge and overlayfs: {done.stderr.strip()}" if done.returncode else None


# Prints the HTTP status of a page on the head and what is on it; with a token, or without.
ASK = """
import sys, urllib.error, urllib.request
headers = {"Authorization": "Bearer " + sys.argv[2]} if sys.argv[2] else {}
try:
    answer = urllib.request.urlopen(urllib.request.Request(sys.argv[1], headers=headers), timeout=20)
    print(answer.status, answer.read().decode())
except urllib.error.HTTPError as error:
    print(error.code)
except OSError:
    print(0)
"""


class Rack:
    """The laptop and its machines, from entering to leaving the context.

    Args:
        folder: For their state; removed at the end.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shared = folder / "shared"
        self._port = 8264
        folder.mkdir(parents=True)
        image = folder / "image"
        image.write_text(IMAGE)
        image.chmod(0o755)
        shown = dict.fromkeys([sys.prefix, sys.base_prefix, *PACKAGES])
        self._environ = {
            **os.environ,
            "HOSTS": str(folder),
            "HOSTS_HIDE": str(ROOT),
            "HOSTS_BIND": ":".join(path for path in shown if not Path(path).is_relative_to("/usr")),
            "HOSTS_PREPARE": str(image),
            "HOSTS_PATH": str(Path(sys.executable).parent),
        }

    def __enter__(self) -> Self:
        # However this process ends, the pipe is closed then, and the machines go.
        self._guard = subprocess.Popen(
            [HOSTS, "guard"], env=self._environ, stdin=subprocess.PIPE, start_new_session=True
        )
        try:
            self.hosts("up", "3")
            self._bring_checkout()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._guard.communicate()
        assert self._guard.returncode == 0

    def hosts(self, *arguments: str, timeout: float = 60) -> str:
        """One verb of ``hosts.sh``."""
        done = subprocess.run(
            [HOSTS, *arguments], env=self._environ, capture_output=True, text=True, timeout=timeout
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def laptop(self, command: str, timeout: float = 180) -> str:
        """What a user types in the checkout; its standard output."""
        setting = (
            "cd ~/serhpo; export RAY_AUTH_MODE=token PYTHONPATH=~/serhpo SERHPO_HOME=~/data COLUMNS=200; "
        )
        return self.hosts("run", "bash", "-c", f"{setting}{command}", timeout=timeout)

    def machine(self, name: str, command: str, timeout: float = 60) -> str:
        """A command on a machine, as its user."""
        return self.hosts("exec", name, "bash", "-ic", command, timeout=timeout)

    def up(self, workers: int = 2) -> None:
        """``ray up``, and all machines in the cluster."""
        self.laptop("ray up -y cluster/on-premises.yaml", timeout=600)
        self.wait(lambda: len(self.nodes()) == workers + 1, f"{workers + 1} nodes", 600)

    def nodes(self) -> list[str]:
        """Names of the machines that are in the cluster, asked from its head; none without one."""
        token = self.machine("h1", "cat ~/.ray/auth_token || true").strip()
        page = "http://127.0.0.1:8265/nodes?view=hostNameList"
        answer = self.hosts("exec", "h1", sys.executable, "-c", ASK, page, token)
        status, _, text = answer.strip().partition(" ")
        return json.loads(text)["data"]["hostNameList"] if status == "200" else []

    def submit(self, job: str, command: str) -> None:
        """Hand a command to the cluster's jobs API, through SSH."""
        self._forward()
        address = f"--address http://localhost:{self._port}"
        self.laptop(f"ray job submit {address} --submission-id {job} --no-wait -- {command}")

    def follow(self, job: str, timeout: float = 900) -> str:
        """The words of a job until it has ended."""
        address = f"--address http://localhost:{self._port}"
        words = self.laptop(f"ray job logs {address} -f {job} 2>&1 || true", timeout=timeout)
        return words + self.laptop(f"ray job status {address} {job} 2>&1")

    def stop(self, job: str) -> str:
        """End a job as its user would; what Ray says of that."""
        words = self.laptop(f"ray job stop --address http://localhost:{self._port} {job} 2>&1")
        return " ".join(re.findall(r"Job '\S+' [a-z ]+", words))

    def _forward(self) -> None:
        self._port += 1
        command = f"ray dashboard -p {self._port} cluster/on-premises.yaml"
        subprocess.Popen(
            [HOSTS, "run", "bash", "-c", f"cd ~/serhpo && {command}"],
            env=self._environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.wait(lambda: self.answers(self._port), "the dashboard's port")

    def answers(self, port: int, host: str = "localhost") -> bool:
        """Whether the laptop reaches this port."""
        probe = f"exec 3<>/dev/tcp/{host}/{port} && echo yes || true"
        return "yes" in self.hosts("run", "timeout", "5", "bash", "-c", probe)

    def jobs_answer(self, token: str) -> int:
        """HTTP status of the jobs API, asked from the laptop with this as token."""
        page = f"http://localhost:{self._port}/api/jobs/"
        return int(self.hosts("run", sys.executable, "-c", ASK, page, token).split()[0])

    def processes(self, name: str) -> list[str]:
        """What runs on a machine besides its SSH server and this question."""
        lines = self.hosts("exec", name, "ps", "-eo", "args=").splitlines()
        return [line for line in lines if not re.match(r"ps -eo|(/usr/sbin/)?sshd", line)]

    def rows(self, study: str) -> list[dict[str, Any]]:
        """What a study's ledger holds at this moment."""
        return ledger(self.shared / "studies" / study)

    @staticmethod
    def wait(true: Callable[[], Any], what: str, timeout: float = 400) -> Any:
        """The first true value, asked for again and again."""
        end = time.monotonic() + timeout
        while not (value := true()):
            assert time.monotonic() < end, f"waited {timeout:.0f} s for {what}"
            time.sleep(0.2)
        return value

    def _bring_checkout(self) -> None:
        """The files of this checkout on the laptop, the cluster's file filled in as its page says."""
        parts = [
            "serhpo",
            "search_spaces",
            "cluster",
            "pyproject.toml",
            "README.md",
            "LICENSE",
            "requirements.lock",
        ]
        packed = subprocess.run(
            ["tar", "-c", "--exclude=__pycache__", *parts], cwd=ROOT, capture_output=True, check=True
        )
        unpack = [HOSTS, "run", "sh", "-c", "mkdir ~/serhpo && tar -x -C ~/serhpo"]
        subprocess.run(unpack, env=self._environ, input=packed.stdout, check=True, capture_output=True)
        text = (ROOT / "cluster" / "on-premises.yaml").read_text()
        for blank, filled in {
            "head_ip: FILL_IN": "head_ip: 198.51.100.11",
            "[FILL_IN, FILL_IN]": "[198.51.100.12, 198.51.100.13]",
            "ssh_user: FILL_IN": "ssh_user: root",
            "ray start --head ": f"{PATIENT}{HEALTH}ray start --head {SMALL}",
            "ray start --address": f"{PATIENT}{LEAVE}ray start {SMALL}--address",
        }.items():
            assert text.count(blank) == 1, blank
            text = text.replace(blank, filled)
        write = [HOSTS, "run", "sh", "-c", "cat > ~/serhpo/cluster/on-premises.yaml"]
        subprocess.run(write, env=self._environ, input=text, text=True, check=True)
        self.laptop("ray get-auth-token --generate > /dev/null && chmod 600 ~/.ray/auth_token")
