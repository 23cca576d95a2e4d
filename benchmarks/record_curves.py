"""Record learning curves of random configurations, for searches that are replayed without training.

    python benchmarks/record_curves.py [--corpus-seed 0] [--configurations 200] [--out FILE] [--minutes M]

Every configuration is drawn from a space cut to small sizes (``full`` by default) and trained on 300
synthetic utterances in two folds for 27 epochs, with nothing pruned. One row a configuration goes into a
Parquet file, written anew after each: whatever ends the run, the next one goes on from there. Equal
arguments draw equal configurations, so the curves of two corpora can be told apart from luck. Altered copies
of the utterances take no part, so `augmentation.speed` is a parameter without effect here.

The curves are of synthesised speech. They are there to compare searches, and say nothing about people.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # one process, one core: before numpy and torch read them

import optuna  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import torch  # noqa: E402

from serhpo.cache import FeatureStore, fill, open_store  # noqa: E402
from serhpo.config import home  # noqa: E402
from serhpo.corpus import read_corpus  # noqa: E402
from serhpo.corpus.synthetic import synthesise  # noqa: E402
from serhpo.errors import ConfigError  # noqa: E402
from serhpo.features import Extractor  # noqa: E402
from serhpo.files import replace_file  # noqa: E402
from serhpo.search.prepare import Plan, make_plan, plan_of  # noqa: E402
from serhpo.search.space import Space, load_space  # noqa: E402
from serhpo.training.config import TrialConfig  # noqa: E402
from serhpo.training.data import from_corpus  # noqa: E402
from serhpo.training.fold import NonFiniteError  # noqa: E402
from serhpo.training.trainer import TrialTraining  # noqa: E402

SPEAKERS = 10
SEED = 2025  # of the configurations
CURVES = ("ua", "ccc", "se_ua", "se_ccc", "seconds")

Row = dict[str, Any]


def size_options(parser: argparse.ArgumentParser) -> None:
    """What ``capped`` needs to know."""
    parser.add_argument("--width", type=int, default=32, help="largest width")
    parser.add_argument("--depth", type=int, default=2, help="most layers of an encoder")
    parser.add_argument("--seconds", type=float, default=5.0, help="longest crop in training")
    parser.add_argument(
        "--streams", nargs="+", default=["mfcc", "short_term", "mel"], help="samples cost four times these"
    )
    parser.add_argument("--epochs", type=int, default=27)


def capped(space: Space, sizes: argparse.Namespace) -> Space:
    """The space with its costly ends cut off, so that a configuration trains in half a minute on one core."""
    streams = sizes.streams
    data = space.model_dump(mode="json", by_alias=True, exclude_unset=True)
    data["parameters"]["streams"].update(subset=streams, max=len(streams))
    needs = {name: p.get("when", {}).get("streams", {}) for name, p in data["parameters"].items()}
    for name in [name for name, need in needs.items() if need.get("has", streams[0]) not in streams]:
        del data["parameters"][name]
    for name, parameter in data["parameters"].items():
        for ending, limit in (("width", sizes.width), ("max_seconds", sizes.seconds)):
            if name.endswith(ending) and "choice" in parameter:
                known = [size for size in parameter["choice"] if size is not None]
                parameter["choice"] = [size for size in known if size <= max(limit, min(known))]
        if name.endswith("depth") and "int" in parameter:
            low, high = parameter["int"]
            parameter["int"] = [low, max(low, min(sizes.depth, high))]
    data.pop("known_good", None)  # they name what is cut off
    data["search"] = {**data.get("search", {}), "epochs": sizes.epochs}
    data["protocol"] = {"name": "holdout", "folds": 2}
    return Space.model_validate(data)


def configurations(space: Space) -> Iterator[tuple[dict[str, Any], TrialConfig]]:
    """Random points of a space for ever, the same at every call; those that are no configuration left out."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=SEED))
    while True:
        assignment = space.suggest(study.ask())
        try:
            yield assignment, space.trial_config(assignment)
        except ConfigError:
            continue


def read_rows(path: Path) -> list[Row]:
    return pq.read_table(path).to_pylist() if path.exists() else []


def write_rows(path: Path, rows: list[Row], notes: dict[str, str]) -> None:
    table = pa.Table.from_pylist(rows).replace_schema_metadata(notes)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, lambda temporary: pq.write_table(table, temporary, compression="zstd"))


def train(config: TrialConfig, plan: Plan, stores: Mapping[Extractor, FeatureStore], seed: int) -> Row | None:
    """One configuration's curves, or None where training diverged."""
    features = {stream: stores[config.features[stream]] for stream in config.streams}
    training = TrialTraining(config, from_corpus(plan.corpus, features), plan.folds, seed)
    try:
        results = [training.run_epoch() for _ in range(config.epochs)]
    except NonFiniteError:
        return None
    return {name: [round(float(getattr(result, name)), 5) for result in results] for name in CURVES}


def corpus_plan(space: Space, name: str, utterances: int, seed: int) -> Plan:
    folder = home() / "curves" / f"corpus-{seed}-{utterances}"
    if not folder.is_dir():
        synthesise(folder, SPEAKERS, utterances // SPEAKERS, seed)
    return make_plan(space, name, read_corpus(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--space", default="full")
    size_options(parser)
    parser.add_argument("--utterances", type=int, default=300, help="with one of the four classes")
    parser.add_argument("--corpus-seed", type=int, default=0)
    parser.add_argument("--configurations", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=90.0, help="begin no configuration after these")
    parser.add_argument("--out", type=Path, help="default: benchmarks/curves-SEED.parquet")
    args = parser.parse_args()

    torch.set_num_threads(1)
    began = time.monotonic()
    out = args.out or Path(__file__).parent / f"curves-{args.corpus_seed}.parquet"
    space = capped(load_space(args.space), args)
    plan = corpus_plan(space, args.space, args.utterances, args.corpus_seed)
    stores = {e: open_store(fill(plan_of(plan.corpus, e))) for e in plan.space.extractors()}
    notes = {"space": json.dumps(space.model_dump(mode="json", by_alias=True, exclude_unset=True))}
    rows = read_rows(out)
    known = {row["configuration"]: row for row in rows}
    for number, (assignment, config) in enumerate(configurations(space)):
        if number >= args.configurations or time.monotonic() - began > args.minutes * 60:
            break
        text = json.dumps(assignment)
        if number in known:
            if known[number]["parameters"] != text:
                sys.exit(f"{out} was recorded from another space: name another --out")
            continue
        curves = train(config, plan, stores, seed=number)
        rows.append(
            {"configuration": number, "parameters": text, "diverged": curves is None, **(curves or {})}
        )
        write_rows(out, rows, notes)
        last = "diverged" if curves is None else f"UA {curves['ua'][-1]:.3f}, CCC {curves['ccc'][-1]:.3f}"
        spent = (time.monotonic() - began) / 60
        print(f"{number + 1}/{args.configurations}: {last}; {spent:.1f} min", file=sys.stderr)


if __name__ == "__main__":
    main()
