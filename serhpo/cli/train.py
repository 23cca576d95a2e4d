"""``serhpo train``: one configuration by itself, without Ray, to repeat a trial or to go beyond it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serhpo.cli import console
from serhpo.cli.sources import CacheOption, fill, remote_store
from serhpo.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from serhpo.search.prepare import Plan


_RUN = {"trial", "number", "seed", "known", "threads", "device"}
_ABOUT = {*_RUN, "corpus", "corpus_digest", "reading", "protocol"}
"""What a trial's file says besides its configuration."""


def train(
    trial: Annotated[
        Path, typer.Argument(help="A trial's config.json, or a configuration of your own (JSON or YAML).")
    ],
    corpus: Annotated[Path | None, typer.Option(help="Another corpus than the trial's.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the best and the last checkpoint.")] = None,
    cache: CacheOption = None,
    as_json: console.JsonOption = False,
) -> None:
    """Train one configuration on all its folds; a trial's own file repeats that trial's numbers."""
    from serhpo.config import read_yaml

    document = read_yaml(trial)
    plan = _plan(document, trial, corpus)
    with ExitStack() as session:
        remote = remote_store(cache)
        shards, _ = fill(plan.corpus, plan.space.extractors(), session, remote)
    rows = _train(plan, shards, document.get("seed", 0), out)
    best = max(rows, key=lambda row: row["ua"] + row["ccc"])
    known = _ledger(trial)
    repeated = [_repeats(row, known[row["epoch"]]) for row in rows if row["epoch"] in known]
    if as_json:
        same = all(repeated) if repeated else None
        console.print_json({"schema_version": 1, "best": best, "epochs": rows, "repeats_study": same})
        return
    console.out.print(f"best epoch {best['epoch']}: UA {best['ua']:.4f}, CCC {best['ccc']:.4f}")
    if repeated:
        verdict = "the same in every figure" if all(repeated) else f"{sum(repeated)} the same"
        console.out.print(f"against the study: {len(repeated)} epochs, {verdict}")


def _plan(document: dict[str, Any], file: Path, corpus: Path | None) -> Plan:
    """A search of this one configuration: a space without parameters."""
    from serhpo.config import parse
    from serhpo.corpus import read_corpus
    from serhpo.corpus.classes import ReadSettings
    from serhpo.corpus.folds import ProtocolConfig
    from serhpo.search.prepare import make_plan
    from serhpo.search.space import Space
    from serhpo.training.config import TrialConfig

    own = {key: value for key, value in document.items() if key not in _ABOUT}
    config = parse(TrialConfig, {**document["trial"], **own} if "trial" in document else own, file)
    root = corpus or document.get("corpus")
    if root is None:
        raise UsageError("The file names no corpus", where=file, hint="--corpus PATH")
    read = read_corpus(Path(root), parse(ReadSettings, document.get("reading", {}), file))
    threads, device = document.get("threads", 1), document.get("device", "cpu")
    sound = isinstance(threads, int) and threads > 0 and device in ("cpu", "cuda")
    if not sound or not isinstance(document.get("seed", 0), int):
        what = "`threads` and `seed` are whole numbers, `device` is cpu or cuda"
        raise ConfigError(what, where=file, got=(threads, document.get("seed", 0), device))
    data = config.model_dump(mode="json", by_alias=True)
    space = Space.model_validate(
        {
            "parameters": {},
            "defaults": {key: value for key, value in data.items() if key != "epochs"},
            "search": {
                "epochs": config.epochs,
                "cpus_per_trial": threads,
                "gpus_per_trial": float(device == "cuda"),
            },
            "protocol": parse(ProtocolConfig, document.get("protocol", {}), file).model_dump(mode="json"),
        }
    )
    plan = make_plan(space, str(file), read)
    # Of the utterances that take part, as the trial's own digest is.
    if plan.corpus.digest != document.get("corpus_digest", plan.corpus.digest):
        console.say("The corpus is not the one of the trial: its figures will differ")
    return plan


def _train(plan: Plan, shards: Any, seed: int, out: Path | None) -> list[dict[str, Any]]:
    import torch

    from serhpo.search.prepare import make_context

    config = plan.space.trial_config({})
    torch.set_num_threads(plan.space.search.cpus_per_trial)
    training = make_context(plan, shards, Path()).training(config, seed, {})
    rows = []
    for _ in range(config.epochs):
        row = training.run_epoch().to_json()
        rows.append(row)
        console.say(
            f"epoch {row['epoch']:>3}/{config.epochs}  UA {row['ua']:.4f}  CCC {row['ccc']:.4f}  "
            f"{row['seconds']:.1f} s"
        )
        if out is not None:
            if training.best_epoch == training.epoch:
                training.save(out / "best")
            training.save(out / "last")
    return rows


def _ledger(trial: Path) -> dict[int, dict[str, Any]]:
    """What the study, where the file lies in one, knows of its trial, by epoch."""
    from serhpo.study.ledger import read_ledger
    from serhpo.study.names import LEDGER

    folder = trial.resolve().parent
    ledger = folder.parent.parent / LEDGER
    if folder.parent.name != "trials" or not ledger.is_file():
        return {}
    return {row["epoch"]: row for row in read_ledger(ledger) if str(row["trial"]) == folder.name}


def _repeats(row: dict[str, Any], known: dict[str, Any]) -> bool:
    """Whether everything that training decides is the same: not how long it took, nor what is new since."""
    return all(row[name] == value for name, value in known.items() if name in row and name != "seconds")
