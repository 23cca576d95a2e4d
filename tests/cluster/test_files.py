"""The files in ``cluster/``, as far as they can be tried without a cloud."""

from __future__ import annotations

import copy
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import pytest
import ray
import yaml
from moto import mock_aws
from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.autoscaler.node_launch_exception import NodeLaunchException

from tests.cluster.kuberay_schema import problems

ROOT = Path(__file__).parents[2]
LAUNCHER = ("cluster", "gcp", "on-premises")


def load(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "cluster" / f"{name}.yaml").read_text())


def prepared(name: str) -> dict[str, Any]:
    config = load(name)
    if name == "on-premises":
        config["provider"] |= {"head_ip": "198.51.100.1", "worker_ips": ["198.51.100.2", "198.51.100.3"]}
    config = prepare_config(config)
    validate_config(config)
    return config


@pytest.mark.parametrize("name", LAUNCHER)
def test_ray_takes_the_file(name: str) -> None:
    config = prepared(name)
    for key, kind in config["available_node_types"].items():
        assert kind.get("min_workers", 0) <= kind["max_workers"] <= config["max_workers"], key
    assert config["max_workers"] <= 4


@pytest.mark.parametrize("name", LAUNCHER)
@pytest.mark.parametrize("folder", [".", "cluster"])
def test_everything_to_copy_is_there_from_both_folders(name: str, folder: str) -> None:
    mounts = load(name)["file_mounts"]
    assert mounts.pop("~/.ray/auth_token") == "~/.ray/auth_token"
    for remote, local in mounts.items():
        # rsync takes `x/../y` for `y`, whatever `x` is a link to
        assert ".." not in Path(local).parts
        assert (ROOT / folder / local).samefile(ROOT / Path(remote).name), remote


@pytest.mark.parametrize("name", LAUNCHER)
def test_start_lines_fail_closed(name: str) -> None:
    config = load(name)
    head, worker = config["head_start_ray_commands"][-1], config["worker_start_ray_commands"][-1]
    assert "RAY_AUTH_MODE=token" in head
    assert "RAY_AUTH_MODE=token" in worker
    assert "--dashboard-host=127.0.0.1" in head
    assert "RAY_enable_autoscaler_v2=0" in head
    assert "0.0.0.0" not in yaml.safe_dump(config)
    lines = " ".join(prepared(name)["setup_commands"] + prepared(name)["head_setup_commands"])
    assert "/pip install" in lines
    assert " pip install" not in lines  # Ray's default: into whatever Python comes first
    if name != "on-premises":
        assert config["available_node_types"][config["head_node_type"]]["resources"] == {"CPU": 0}
        assert config["idle_timeout_minutes"] <= 15
        assert config["provider"]["cache_stopped_nodes"] is False


def test_launcher_files_differ_only_where_they_must() -> None:
    first, *others = (load(name) for name in LAUNCHER)
    for other in others:
        for key in ("file_mounts", "setup_commands", "worker_start_ray_commands", "rsync_exclude"):
            assert other[key] == first[key], key


def test_ray_is_the_same_everywhere() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pinned = re.search(r"^ray==(\S+)$", lock, re.MULTILINE)
    assert pinned is not None
    assert pinned[1] == ray.__version__
    assert load("kuberay")["spec"]["rayClusterSpec"]["rayVersion"] == pinned[1]
    assert f"rayproject/ray:{pinned[1]}-py311" in (ROOT / "cluster" / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def filled_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The AWS file with what its user fills in, in an account that holds just that."""
    with pytest.MonkeyPatch.context() as environ, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environ.setenv(name, "none")
        environ.setenv("AWS_EC2_METADATA_DISABLED", "true")
        ec2 = boto3.client("ec2", "us-east-1")
        subnet = ec2.describe_subnets()["Subnets"][0]
        made = ec2.create_security_group(GroupName="serhpo", Description="-", VpcId=subnet["VpcId"])
        key = tmp_path_factory.mktemp("keys") / "serhpo.pem"
        key.write_text(ec2.create_key_pair(KeyName="serhpo")["KeyMaterial"])
        boto3.client("iam").create_instance_profile(InstanceProfileName="serhpo-head")
        text = (ROOT / "cluster" / "cluster.yaml").read_text()
        for filled, value in {
            "sg-FILL_IN": made["GroupId"],
            "subnet-FILL_IN": subnet["SubnetId"],
            "fs-FILL_IN": "fs-1",
            "~/.ssh/serhpo.pem": str(key),
        }.items():
            assert filled in text
            text = text.replace(filled, value)
        assert "FILL_IN" not in re.sub(r"#.*", "", text)
        config = prepare_config(yaml.safe_load(text))
        validate_config(config)
        yield AWSNodeProvider.fillout_available_node_types_resources(AWSNodeProvider.bootstrap_config(config))


@pytest.fixture
def aws(filled_in: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(filled_in)


def start(config: dict[str, Any], kind: str) -> dict[str, Any]:
    """A machine of this type, as EC2 tells of it."""
    provider = AWSNodeProvider(config["provider"], config["cluster_name"])
    node = copy.deepcopy(config["available_node_types"][kind]["node_config"])
    (made,) = provider.create_node(node, {}, 1)
    known = boto3.client("ec2", "us-east-1").describe_instances(InstanceIds=[made])
    return known["Reservations"][0]["Instances"][0]


def test_aws_starts_every_type_of_machine(aws: dict[str, Any]) -> None:
    machines = {kind: start(aws, kind) for kind in aws["available_node_types"]}
    assert {kind: machine.get("InstanceLifecycle") for kind, machine in machines.items()} == {
        "head": None,
        "gpu-spot": "spot",
        "gpu-on-demand": None,
    }
    for kind, machine in machines.items():
        assert [group["GroupName"] for group in machine["SecurityGroups"]] == ["serhpo"]
        assert machine["MetadataOptions"]["HttpTokens"] == "required"
        assert machine["BlockDeviceMappings"][0]["Ebs"]["DeleteOnTermination"]
        assert ("IamInstanceProfile" in machine) == (kind == "head")  # workers may do nothing in the account
    groups = boto3.client("ec2", "us-east-1").describe_security_groups()["SecurityGroups"]
    assert {group["GroupName"] for group in groups} == {"default", "serhpo"}  # none of Ray's, open to all
    has = {kind: node["resources"] for kind, node in aws["available_node_types"].items()}
    assert has["head"]["CPU"] == 0
    assert has["gpu-spot"]["GPU"] == has["gpu-on-demand"]["GPU"] == 1


def test_aws_without_spot_capacity_is_noted_for_the_scorer(
    aws: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(client: object, operation: str, request: object) -> None:
        answer = {"Error": {"Code": "InsufficientInstanceCapacity", "Message": "no capacity"}}
        raise botocore.exceptions.ClientError(answer, operation)

    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", refuse)
    with pytest.raises(NodeLaunchException) as caught:
        start(aws, "gpu-spot")
    assert caught.value.category == "InsufficientInstanceCapacity"


def test_aws_refuses_a_misspelt_setting(aws: dict[str, Any]) -> None:
    node = aws["available_node_types"]["gpu-spot"]["node_config"]
    node["InstanceMarketOption"] = node.pop("InstanceMarketOptions")
    with pytest.raises(botocore.exceptions.ParamValidationError, match="InstanceMarketOption"):
        start(aws, "gpu-spot")


def test_kuberay_job_keeps_to_its_schema() -> None:
    job = load("kuberay")
    assert problems(job) == []
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert job["spec"]["shutdownAfterJobFinishes"]
    assert cluster["workerGroupSpecs"][0]["maxReplicas"] <= 4
    cluster["workerGroupSpecs"][0]["maxReplica"] = cluster["workerGroupSpecs"][0].pop("maxReplicas")
    assert "maxReplica" in problems(job)[0]


@pytest.mark.parametrize("script", ["slurm.sh", "aws-prepare.sh"])
def test_scripts_are_bash(script: str) -> None:
    done = subprocess.run(["bash", "-n", ROOT / "cluster" / script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


SRUN = """#!/bin/sh
printf '%s\\n' "$@" > told
env > environment
cat "$RAY_AUTH_TOKEN_PATH" > token
ls -l "$RAY_AUTH_TOKEN_PATH" > mode
"""


def slurm(tmp_path: Path, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """Run the Slurm script beside stand-ins of Slurm's commands; what ``srun`` was told, and how."""
    activate = tmp_path / "serhpo" / ".venv" / "bin" / "activate"
    activate.parent.mkdir(parents=True)
    activate.touch()
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "srun").write_text(SRUN)
    (commands / "python").symlink_to(sys.executable)  # which an activated environment has
    (commands / "scontrol").write_text("#!/bin/sh\nprintf 'node1\\nnode2\\n'\n")
    for command in (commands / "srun", commands / "scontrol"):
        command.chmod(command.stat().st_mode | stat.S_IXUSR)
    environ = {"HOME": str(tmp_path), "PATH": f"{commands}:{os.environ['PATH']}", "SLURM_JOB_ID": "41007"}
    environ |= {"SLURM_JOB_NODELIST": "node[1-2]", "SLURM_JOB_NUM_NODES": "2", "SLURM_CPUS_PER_TASK": "8"}
    done = subprocess.run(
        ["bash", ROOT / "cluster" / "slurm.sh", *arguments],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = (tmp_path / "environment").read_text().splitlines()
    return (tmp_path / "told").read_text().splitlines(), dict(
        line.split("=", 1) for line in lines if "=" in line
    )


def test_slurm_script_starts_ray_with_a_token_of_its_own(tmp_path: Path) -> None:
    told, environ = slurm(tmp_path, "--space", "full")
    assert told[: told.index("--")] == [
        *("ray", "symmetric-run", "--address", "node1:21007", "--min-nodes", "2"),
        *("--num-cpus", "8", "--num-gpus", "0"),
    ]
    assert told[told.index("--") + 1 :] == ["serhpo", "search", "--space", "full"]
    assert environ["RAY_AUTH_MODE"] == "token"
    assert len((tmp_path / "token").read_text().strip()) == 64
    assert (tmp_path / "mode").read_text().startswith("-rw-------")
    assert not Path(environ["RAY_AUTH_TOKEN_PATH"]).exists()


def test_slurm_script_resumes(tmp_path: Path) -> None:
    told, _ = slurm(tmp_path, "resume", "my-study")
    assert told[told.index("--") + 1 :] == ["serhpo", "resume", "my-study"]


def test_slurm_knows_the_options() -> None:
    known = {"job-name", "nodes", "ntasks-per-node", "cpus-per-task", "gpus-per-node", "time", "output"}
    text = (ROOT / "cluster" / "slurm.sh").read_text()
    options = re.findall(r"^#SBATCH --([a-z-]+)=(\S+)$", text, re.MULTILINE)
    assert len(options) == text.count("#SBATCH ")
    assert {name for name, _ in options} == known
