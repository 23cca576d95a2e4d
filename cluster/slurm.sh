#!/usr/bin/env bash
# serhpo under Slurm:  sbatch cluster/slurm.sh --space full --corpus /shared/IEMOCAP   See docs/cluster.md
#
# What follows the script's name goes to `serhpo search`. Was the time below too short, a study goes on with
# `sbatch cluster/slurm.sh resume NAME`. Adapt what is marked: fill in.
#SBATCH --job-name=serhpo
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --time=24:00:00
#SBATCH --output=serhpo-%j.log
set -euo pipefail

source "$HOME/serhpo/.venv/bin/activate"        # fill in: an environment all nodes see, as `make` makes it
export SERHPO_HOME="$HOME/serhpo-data"          # fill in: a folder all nodes see
[ "${1:-}" = resume ] || set -- search "$@"

# Other users work on these nodes, too: a token of this job alone, and Ray does not start without it.
umask 077
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$SERHPO_HOME/.ray-token-$SLURM_JOB_ID"
mkdir -p "$SERHPO_HOME"
python -c 'import secrets; print(secrets.token_hex(32))' > "$RAY_AUTH_TOKEN_PATH"
trap 'rm -f "$RAY_AUTH_TOKEN_PATH"' EXIT
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=600 RAY_USAGE_STATS_ENABLED=0

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
port=$((20000 + SLURM_JOB_ID % 20000))          # of this job alone; a node with another Ray is refused: sbatch --exclusive

# Starts Ray on every node and the search on the first; all of it ends with the search. Where Slurm ends it
# first, at the end of its time, nothing is lost: every epoch was written when it was done.
srun ray symmetric-run --address "$head:$port" --min-nodes "$SLURM_JOB_NUM_NODES" \
  --num-cpus "$SLURM_CPUS_PER_TASK" --num-gpus "${SLURM_GPUS_ON_NODE:-0}" -- serhpo "$@"
