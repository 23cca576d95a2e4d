"""What we use of KubeRay's RayJob and of Kubernetes' pods, strictly: a name not listed here is a mistake.

After the ``ray.io/v1`` reference of KubeRay 1.7; its own schema ignores what it does not know.
"""

from __future__ import annotations

from typing import Any

import jsonschema

TEXT, FLAG = {"type": "string"}, {"type": "boolean"}
COUNT = {"type": "integer", "minimum": 0}


def record(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """An object with these keys and no others."""
    known = {**required, **(optional or {})}
    return {"type": "object", "properties": known, "required": list(required), "additionalProperties": False}


def many(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1}


AMOUNTS = {
    "type": "object",
    "propertyNames": {"enum": ["cpu", "memory", "nvidia.com/gpu"]},
    "additionalProperties": {"type": "string", "pattern": r"^[0-9]+(Gi|Mi)?$"},
}
CONTAINER = record(
    {"name": TEXT, "image": TEXT, "resources": record({"requests": AMOUNTS, "limits": AMOUNTS})},
    {
        "env": many(record({"name": TEXT, "value": TEXT})),
        "volumeMounts": many(record({"name": TEXT, "mountPath": TEXT})),
    },
)
TOLERATION = record(
    {"key": TEXT, "operator": {"enum": ["Exists", "Equal"]}, "effect": {"enum": ["NoSchedule", "NoExecute"]}}
)
VOLUME = record({"name": TEXT, "persistentVolumeClaim": record({"claimName": TEXT})})
POD = record(
    {
        "spec": record(
            {"containers": many(CONTAINER), "volumes": many(VOLUME)}, {"tolerations": many(TOLERATION)}
        )
    }
)
START = {"type": "object", "additionalProperties": TEXT}  # KubeRay takes texts, not numbers
HEAD = record({"rayStartParams": START, "template": POD}, {"serviceType": {"enum": ["ClusterIP"]}})
WORKERS = record(
    {
        "groupName": {"type": "string", "pattern": "^[a-z]([a-z-]*[a-z])?$"},
        "replicas": COUNT,
        "minReplicas": COUNT,
        "maxReplicas": COUNT,
        "rayStartParams": START,
        "template": POD,
    }
)
SCALING = record({"version": {"enum": ["v1", "v2"]}, "idleTimeoutSeconds": COUNT})
CLUSTER = record(
    {
        "rayVersion": TEXT,
        "authOptions": record({"mode": {"enum": ["token"]}}),
        "enableInTreeAutoscaling": FLAG,
        "autoscalerOptions": SCALING,
        "headGroupSpec": HEAD,
        "workerGroupSpecs": many(WORKERS),
    }
)
JOB = record(
    {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": "RayJob"},
        "metadata": record({"generateName": TEXT}),
        "spec": record(
            {
                "entrypoint": TEXT,
                "submissionMode": {"enum": ["K8sJobMode", "HTTPMode", "SidecarMode"]},
                "backoffLimit": COUNT,
                "shutdownAfterJobFinishes": FLAG,
                "ttlSecondsAfterFinished": COUNT,
                "activeDeadlineSeconds": COUNT,
                "rayClusterSpec": CLUSTER,
            }
        ),
    }
)


def problems(job: dict[str, Any]) -> list[str]:
    """Everything in a RayJob that is unknown, missing or of the wrong kind."""
    return [
        f"{error.json_path}: {error.message}"
        for error in jsonschema.Draft202012Validator(JOB).iter_errors(job)
    ]
