"""How a search runs: its budget, pruning, sampler and the share of the machine each trial gets."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from serhpo.config import Config

RENAMED = {"nondominated": "epsilon_net", "best_in_any": "either"}
"""Rankings as studies of version 0.1 name them."""


class SearchSettings(Config):
    """The ``search:`` section of a space file; ``--set search.key=value`` overrides one.

    Attributes:
        trials: Trials asked for. Of these limits and the next four, the first one reached ends the search.
        hours: Hours it may run, all its runs together.
        gpu_hours: Hours of training times ``gpus_per_trial``.
        total_epochs: Epochs of all trials together.
        patience: Trials that may end one after another without the front's hypervolume growing.
        objectives: What is optimised: UA and mean CCC, or these and the number of trainable parameters.
        epochs: Epochs of a trial that is never pruned.
        grace_period: First rung, in epochs; no trial is pruned before.
        reduction_factor: One in this many trials survives a rung (ASHA's eta).
        ranking: How trials at a rung are compared, see :mod:`serhpo.search.ranking`; an objective's name
            compares on that one alone.
        controls: Trials that are never pruned, spread over the search, at most one in twenty: they show
            how well values at a rung foretell final ones.
        noise: ``paired``: a trial is cut only if it is worse than the last survivor of its rung by more than
            one standard error of their difference on the same validation utterances.
        sampler: Who proposes: Optuna's multi-objective TPE, Gaussian process, NSGA-II or NSGA-III, uniform
            random, a scrambled Sobol sequence (``qmc``), or every point of a finite space in turn (``grid``).
        startup_trials: Random trials before TPE or the Gaussian process learns from what it has seen.
        concurrent: Trials at a time at most; None for as many as the machine or cluster holds.
        cpus_per_trial: CPU cores, and threads, of one trial.
        gpus_per_trial: GPUs of one trial: a part of one, or whole ones.
        wait_s: Seconds to wait for a cluster's machines.
        epoch_limit_s: Seconds an epoch may take; a trial that hangs for longer fails.
        max_failures: Times a trial whose process died is continued from its last checkpoint.
        seed: Seed of the study; every trial's own seed follows from it and the trial's number.
    """

    trials: int = Field(100, ge=1)
    hours: float | None = Field(None, gt=0)
    gpu_hours: float | None = Field(None, gt=0)
    total_epochs: int | None = Field(None, ge=1)
    patience: int | None = Field(None, ge=1)
    objectives: tuple[Literal["ua", "ccc", "parameters"], ...] = ("ua", "ccc")
    epochs: int = Field(27, ge=1)
    grace_period: int = Field(1, ge=1)
    reduction_factor: int = Field(3, ge=2)
    ranking: Literal[
        "adaptive", "union", "either", "epsilon_net", "crowding", "hypervolume", "scalarised", "ua", "ccc"
    ] = "adaptive"
    controls: int = Field(3, ge=0)
    noise: Literal["paired"] | None = None
    sampler: Literal["tpe", "gp", "nsga2", "nsga3", "random", "qmc", "grid"] = "tpe"
    startup_trials: int = Field(20, ge=1)
    concurrent: int | None = Field(None, ge=1)
    cpus_per_trial: int = Field(1, ge=1)
    gpus_per_trial: float = Field(0.0, ge=0.0)
    wait_s: float = Field(900.0, ge=0)
    epoch_limit_s: float = Field(7200.0, gt=0)
    max_failures: int = Field(3, ge=0)
    seed: int = Field(0, ge=0)

    @field_validator("ranking", mode="before")
    @classmethod
    def _renamed(cls, ranking: object) -> object:
        return RENAMED.get(ranking, ranking) if isinstance(ranking, str) else ranking

    @field_validator("objectives")
    @classmethod
    def _ua_and_ccc_first(cls, objectives: tuple[str, ...]) -> tuple[str, ...]:
        if objectives not in (("ua", "ccc"), ("ua", "ccc", "parameters")):
            raise ValueError("objectives must be [ua, ccc] or [ua, ccc, parameters]")
        return objectives

    @field_validator("gpus_per_trial")
    @classmethod
    def _whole_beyond_one(cls, gpus: float) -> float:
        if gpus > 1 and gpus != int(gpus):
            raise ValueError(f"a trial takes a part of one GPU, or whole ones, not {gpus:g}")
        return gpus

    @model_validator(mode="after")
    def _gpu_hours_with_gpus(self) -> SearchSettings:
        if self.gpu_hours is not None and not self.gpus_per_trial:
            raise ValueError("gpu_hours limits trials on GPUs, and gpus_per_trial is 0")
        return self

    @model_validator(mode="after")
    def _grace_within_epochs(self) -> SearchSettings:
        if self.grace_period > self.epochs:
            raise ValueError(f"grace_period ({self.grace_period}) is beyond epochs ({self.epochs})")
        return self
