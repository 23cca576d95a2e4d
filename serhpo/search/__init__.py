"""The search: a declared space, Optuna's proposals, Pareto-ranked ASHA, trials on Ray."""

import os
from pathlib import Path

RAY_SETTINGS = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a trial that failed has no metrics to report
    "TUNE_FORCE_TRIAL_CLEANUP_S": "5",  # checkpoints are whole at any moment: no need to wait for a worker
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # journal and ledger are the memory, not Tune's snapshot
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
"""Ray reads these from the environment when it is imported, hence here, before any module of this
package can import it. A user's own setting wins."""


def joins_cluster() -> bool:
    """Whether a search will join a Ray cluster that runs already, rather than start a local one."""
    return "RAY_ADDRESS" in os.environ or Path("/tmp/ray/ray_current_cluster").exists()  # noqa: S108


for name, value in RAY_SETTINGS.items():
    os.environ.setdefault(name, value)
if not joins_cluster():
    # Despite its name the one switch that keeps a local Ray on the loopback address of any system.
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
