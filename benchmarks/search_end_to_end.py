"""A whole search by the clock: hypervolume of fully trained trials, serhpo against what a user would write.

    python benchmarks/search_end_to_end.py --out runs.jsonl [--minutes 6] [--seeds 3] [--png FILE]
        [--contestant serhpo --contestant ray-tune …] [--syne-tune peers/bin/python]

Every run is a process of its own that starts from nothing: no features cached, no Ray running. Its time
counts from the start of the process, and ends by a kill. What counts is a trial that was trained for all its
epochs, with the values of its best one; of what was pruned or cut off nothing does. All search the same
space: `full`, 27 epochs, with its costly ends cut off as for recorded curves (``record_curves.py``), so that
a trial takes half a minute of a core. All train the same model on the same folds of a corpus that no default
was chosen on.

The peers (``end_to_end_peers.py``, ``end_to_end_trial.py``) compute features in every trial, train in random
batches and leave threads as they are; two trials run side by side everywhere. ``ray-tune``: a function
trainable, ``OptunaSearch``, nothing pruned. ``ray-tune-asha``: the same with Tune's ASHA on UA.
``optuna-nsga2``: two threads of one process. ``syne-tune-moasha``: a process a trial; Syne Tune wants an
environment of its own::

    python -m venv peers && peers/bin/pip install -e . syne-tune==0.16.0

Every finished run is a line of ``--out``; what stands there is not run again. Nothing else should run on
the machine meanwhile: 15 runs of 6 minutes take an hour and a half.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from end_to_end_peers import PEERS
from end_to_end_table import OURS, Finished, Run, draw, table, verdict
from record_curves import capped, size_options

from serhpo.config import write_yaml
from serhpo.corpus.synthetic import synthesise
from serhpo.search.space import Space, load_space
from serhpo.study import Study

HERE = Path(__file__).parent
SPEAKERS = 10
UNSET = (
    "RAY_ADDRESS",
    "SERHPO_CACHE",
    "SERHPO_STORAGE",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)
"""Variables that no contestant inherits: record_curves has set the last three for itself."""


def command(contestant: str, options: argparse.Namespace, seed: int, folder: Path) -> list[str]:
    common = ["--space", str(options.space_file), "--corpus", str(options.corpus), "--seed", str(seed)]
    if contestant == OURS:
        two = ["--set", "search.concurrent=2"]
        return [sys.executable, "-m", "serhpo.cli.app", "search", *common, *two, "--name", "run"]
    python = options.syne_tune if contestant.startswith("syne") else sys.executable
    peer = [python, str(HERE / "end_to_end_peers.py"), contestant, *common]
    return [*peer, "--scratch", str(folder / "scratch")]


def finished(folder: Path, began: float) -> Finished:
    """The fully trained trials of a run, whoever ran it."""
    lines = folder / "finished.jsonl"
    rows = [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []
    if (folder / "home/studies/run/journal.log").exists():
        trials = Study(folder / "home/studies/run").journal.get_trials(deepcopy=False)
        rows += [
            {"at": trial.datetime_complete.timestamp(), "ua": trial.values[0], "ccc": trial.values[1]}
            for trial in trials
            if trial.state.name == "COMPLETE"
        ]
    found = [{**row, "at": round(row["at"] - began, 2)} for row in rows]
    return sorted(found, key=lambda row: row["at"])


@contextmanager
def started(arguments: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run under way; after it nothing is left of it, Ray's processes and workers included."""
    mark = f"END_TO_END_RUN={uuid.uuid4().hex}"
    name, _, value = mark.partition("=")
    environ = {
        **{key: text for key, text in os.environ.items() if key not in UNSET},
        "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)]),
        "SERHPO_HOME": str(folder / "home"),
        "END_TO_END_OUT": str(folder / "finished.jsonl"),
        name: value,
    }
    with (folder / "output.txt").open("wb") as log:
        process = subprocess.Popen(arguments, env=environ, stdout=log, stderr=log, cwd=folder)
        try:
            yield process
        finally:
            while left := with_environment(mark):
                for pid in left:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                process.wait()
                time.sleep(0.2)


def with_environment(mark: str) -> list[int]:
    """The living processes that were started with this variable."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def run(contestant: str, seed: int, options: argparse.Namespace) -> Run:
    """One search, until its time is over."""
    seconds = 60 * options.minutes
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        folder = Path(place)
        began = time.time()
        with started(command(contestant, options, seed, folder), folder) as process:
            while time.time() < began + seconds and process.poll() is None:
                if options.quick and finished(folder, began):
                    break
                time.sleep(0.5)
            died = process.poll()
        if died:
            log = (folder / "output.txt").read_text(errors="replace")
            raise SystemExit(f"{contestant} ended by itself with {died}:\n{log[-3000:]}")
        done = [trial for trial in finished(folder, began) if trial["at"] <= seconds]
    return {"contestant": contestant, "seed": seed, **settings(options), "finished": done}


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """What two runs must have in common to stand in one table."""
    names = (
        "minutes",
        "space",
        "streams",
        "width",
        "depth",
        "seconds",
        "epochs",
        "utterances",
        "corpus_seed",
    )
    return {name: getattr(options, name) for name in names}


def prepared(options: argparse.Namespace, folder: Path) -> Path:
    """The space's file in a folder, and the corpus there too unless one is given."""
    space: Space = capped(load_space(options.space), options)
    write_yaml(folder / "space.yaml", space.model_dump(mode="json", by_alias=True, exclude_unset=True))
    synthesise(folder / "corpus", SPEAKERS, options.utterances // SPEAKERS, options.corpus_seed)
    options.space_file, options.corpus = folder / "space.yaml", folder / "corpus"
    return folder


def read_runs(path: Path, options: argparse.Namespace) -> list[Run]:
    """Earlier runs under these settings."""
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [row for row in rows if settings(options).items() <= row.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--out", type=Path, required=True, help="JSON lines of finished runs, kept and added to"
    )
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--contestant", action="append", choices=[OURS, *PEERS], help="only these; repeatable"
    )
    parser.add_argument(
        "--syne-tune", metavar="PYTHON", help="the Python that has syne-tune; else it is left out"
    )
    parser.add_argument("--space", default="full")
    size_options(parser)
    parser.add_argument("--utterances", type=int, default=300, help="with one of the four classes")
    parser.add_argument("--corpus-seed", type=int, default=7)
    parser.add_argument("--png", type=Path, help="draw the curves there")
    parser.add_argument(
        "--quick", action="store_true", help="one trial of two contestants: only whether it runs"
    )
    options = parser.parse_args()
    if options.quick:
        options.space, options.width, options.epochs, options.utterances = "smoke", 16, 2, 40
        options.seeds, options.contestant = 1, options.contestant or [OURS, "optuna-nsga2"]
    chosen = options.contestant or [OURS, *PEERS]
    if not options.syne_tune:
        chosen = [name for name in chosen if not name.startswith("syne")]
    if not chosen:
        parser.error("syne-tune-moasha needs --syne-tune PYTHON")
    runs = read_runs(options.out, options)
    known = {(row["contestant"], row["seed"]) for row in runs}
    todo = [(name, seed) for seed in range(options.seeds) for name in chosen if (name, seed) not in known]
    with tempfile.TemporaryDirectory() as folder:
        if todo:
            prepared(options, Path(folder))
        for number, (name, seed) in enumerate(todo, start=1):
            print(f"{number}/{len(todo)}: {name}, seed {seed}, {options.minutes:g} minutes", file=sys.stderr)
            runs.append(run(name, seed, options))
            with options.out.open("a") as file:
                file.write(json.dumps(runs[-1]) + "\n")
    print("\n".join(table(runs, options.minutes)))
    if not options.quick:
        print("\n".join(["", *verdict(runs, options.minutes)]))
    if options.png:
        draw(runs, options.minutes, options.png)


if __name__ == "__main__":
    main()
