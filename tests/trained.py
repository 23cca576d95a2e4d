"""A study with a trained trial in it, without a search: seconds rather than minutes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch

from serhpo.corpus import read_corpus
from serhpo.search.prepare import create_study, fill_features, make_context, make_plan
from serhpo.search.space import load_space_data
from serhpo.study import Study

MODEL = {"width": 16, "heads": 2}


@contextmanager
def trained_study(corpus: Path, home: Path, model: Mapping[str, Any] = MODEL) -> Iterator[Study]:
    """A study of one complete trial on ``mfcc+waveform``, one epoch long, and one failed trial.

    Args:
        corpus: Folder of a corpus.
        home: Where study and cache lie while the context is open.
        model: Settings of its model.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERHPO_HOME", str(home))
        torch.set_num_threads(1)
        space = {
            "parameters": {"streams": {"subset": ["mfcc", "waveform"], "min": 2}},
            "defaults": {"model": dict(model), "max_seconds": 1.0},
            "search": {"epochs": 1},
        }
        plan = make_plan(load_space_data(space, "tiny"), "tiny", read_corpus(corpus))
        shards = fill_features(plan.corpus, plan.space.extractors(), lambda *told: None, ExitStack())
        study = create_study(plan, "tiny", shards)
        parameters = {"streams": "mfcc+waveform"}
        context = make_context(plan, shards, study.path / "trials")
        training = context.training(plan.space.trial_config(parameters), 0, {})
        result = training.run_epoch()
        training.save(study.trial_folder(0) / "best")
        distribution = {"streams": optuna.distributions.CategoricalDistribution(["mfcc+waveform"])}
        for values, state in (([result.ua, result.ccc], "COMPLETE"), (None, "FAIL")):
            study.journal.add_trial(
                optuna.trial.create_trial(
                    params=parameters,
                    distributions=distribution,
                    values=values,
                    state=optuna.trial.TrialState[state],
                    user_attrs={"epoch": 1},
                )
            )
        yield study
