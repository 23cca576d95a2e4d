"""What a search strategy is worth, without training: hypervolume against epochs spent.

    python benchmarks/search_simulated.py [--quick] [--jobs 2] [--seeds 30] [--from-seed 15] [--out FILE]
        [--sampler tpe …] [--method "tpe, adaptive" …] [--less "tpe, adaptive"] [--png FILE] [problem …]

Replays searches with serhpo's own rungs, rankings and samplers (``replayed_search.py``) on test problems
with a known front and on recorded learning curves (``replayed_problems.py``). Every finished search is a
line of ``--out``, so a run that was cut off goes on where it stopped.

Syne Tune's MOASHA is a peer where it is installed; it wants an environment of its own::

    python -m venv peers && peers/bin/pip install -e . syne-tune==0.16.0
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from importlib.util import find_spec
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402
from replayed_problems import EPOCHS, Problem, QuarterCircle, Recorded  # noqa: E402
from replayed_search import OURS, PEERS, Method, replay  # noqa: E402

HERE = Path(__file__).parent
RANKINGS = (*OURS, "mean", "none")
METHODS = [
    *(Method("tpe", ranking) for ranking in RANKINGS),
    Method("tpe", "union", controls=3),
    Method("tpe", "adaptive", noise=True),
    *(Method("tpe", ranking, grace=grace) for grace in (1, 3, 9) for ranking in ("adaptive", "union")),
    *(Method("random", ranking) for ranking in (*RANKINGS, *PEERS)),
    *(
        Method(sampler, ranking)
        for sampler in ("gp", "nsga2", "nsga3", "qmc")
        for ranking in ("adaptive", "union", "none")
    ),
]
QUICK = [Method("tpe", "adaptive"), Method("random", "epsilon_net"), Method("random", "none")]
OURS_DEFAULT = "tpe, adaptive"
GP_SEEDS = 5
BUDGET = 40 * EPOCHS
NOISY = {"noise": 0.06, "lasting": 0.5}
SIZED = {"sized": True}

Run = tuple[str, str, int]  # problem, method, seed


@cache
def problems() -> dict[str, Problem]:
    found: list[Problem] = [
        QuarterCircle(crossing, **more) for more in ({}, NOISY, SIZED) for crossing in (False, True)
    ]
    found += [Recorded(path) for path in sorted(HERE.glob("curves-*.parquet"))]
    return {problem.name: problem for problem in found}


def one(run: Run, method: Method, budget: int) -> tuple[Run, list[float]]:
    name, _, seed = run
    return run, replay(problems()[name], method, seed, budget)


def finished(path: Path | None, budget: int) -> dict[Run, list[float]]:
    """Earlier searches of so many epochs; lines of before they were written down had the default."""
    if path is None or not path.exists():
        return {}
    rows = (json.loads(line) for line in path.read_text().splitlines())
    rows = (row for row in rows if row.get("epochs", BUDGET) == budget)
    return {(row["problem"], row["method"], row["seed"]): row["trace"] for row in rows}


def table(
    problem: Problem, results: dict[Run, list[float]], methods: list[Method], base: str | None
) -> Iterator[str]:
    """Markdown: mean ± standard error over seeds, after half of the budget and all of it.

    With ``base``, that method less each other one, paired by seed.
    """
    best = problem.best
    unit = "share of the true front's" if best else "× 1000, of reported values"
    yield f"\n**{problem.name}** (hypervolume{f' of {base} less that of' if base else ''}, {unit})\n"
    yield "| sampler | pruning | half the epochs | all epochs | seeds |"
    yield "|---|---|---|---|---|"
    for method in methods:
        mine = {run[2]: trace for run, trace in results.items() if run[:2] == (problem.name, str(method))}
        if base:
            others = {run[2]: trace for run, trace in results.items() if run[:2] == (problem.name, base)}
            mine = {seed: np.subtract(others[seed], mine[seed]) for seed in mine.keys() & others.keys()}
        if not mine or str(method) == base:
            continue
        traces = np.array(list(mine.values()))
        figures = traces[:, [traces.shape[1] // 2 - 1, -1]] * (1 / best if best else 1000)
        errors = figures.std(axis=0, ddof=1) / np.sqrt(len(figures)) if len(figures) > 1 else [np.nan] * 2
        digits = 3 if best else 1
        cells = [
            f"{m:{'+' if base else ''}.{digits}f} ± {e:.{digits}f}"
            for m, e in zip(figures.mean(axis=0), errors, strict=True)
        ]
        sampler, _, pruning = str(method).partition(", ")
        yield f"| {sampler} | {pruning} | {' | '.join(cells)} | {len(figures)} |"


def draw(
    known: list[Problem], results: dict[Run, list[float]], methods: list[Method], budget: int, path: Path
) -> None:
    """A panel a problem: mean and standard error over seeds, while epochs are spent."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = (len(known) + 1) // 2
    figure, panels = pyplot.subplots(rows, 2, figsize=(8, 3.2 * rows), layout="constrained", squeeze=False)
    for problem, axes in zip(known, panels.flat, strict=False):
        low = np.inf
        for method in methods:
            mine = [trace for run, trace in results.items() if run[:2] == (problem.name, str(method))]
            if not mine:
                continue
            traces = np.array(mine) * (1 / problem.best if problem.best else 1000)
            epochs = np.linspace(0, budget, traces.shape[1] + 1)[1:]
            mean, error = traces.mean(axis=0), traces.std(axis=0, ddof=1) / np.sqrt(len(traces))
            (line,) = axes.plot(
                epochs, mean, label=str(method), linewidth=2.5 if str(method) == OURS_DEFAULT else 1.2
            )
            axes.fill_between(epochs, mean - error, mean + error, alpha=0.15, color=line.get_color())
            low = min(low, mean[len(mean) // 3 - 1])  # before, all climb alike
        unit = "share of the true front's" if problem.best else "× 1000"
        axes.set(title=problem.name, xlabel="epochs spent", ylabel=f"hypervolume, {unit}", xlim=(0, budget))
        axes.set_ylim(bottom=low if np.isfinite(low) else None)
    figure.legend(
        *panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False
    )
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("problem", nargs="*", help="default: all")
    parser.add_argument("--quick", action="store_true", help="three methods, two seeds, few epochs")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--from-seed", type=int, default=0, help="the first of them")
    parser.add_argument("--epochs", type=int, default=BUDGET, help="budget of one search")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--sampler", action="append", help="only these; repeatable")
    parser.add_argument("--method", action="append", help='only these, as "tpe, adaptive"; repeatable')
    parser.add_argument("--less", metavar="METHOD", help="this one less each, paired by seed")
    parser.add_argument("--out", type=Path, help="JSON lines of finished searches, kept and added to")
    parser.add_argument("--png", type=Path, help="draw hypervolume against epochs there")
    args = parser.parse_args()

    known = problems()
    names = args.problem or list(known)
    if unknown := {*(args.method or ()), *([args.less] if args.less else ())} - {
        str(method) for method in METHODS
    }:
        parser.error(f"no such method: {'; '.join(unknown)}; known: {'; '.join(map(str, METHODS))}")
    if unknown := set(names) - set(known):
        parser.error(f"no such problem: {', '.join(unknown)}; known: {', '.join(known)}")
    for name in names:
        if isinstance(problem := known[name], Recorded):
            errors = ", ".join(f"{key} {value:.3f}" for key, value in problem.held_out_error.items())
            print(f"{name}: {len(problem.recorded)} curves; held-out error of the surrogate: {errors}")
    methods = QUICK if args.quick else METHODS
    if find_spec("syne_tune") is None:
        methods = [method for method in methods if method.pruning not in PEERS]
    seeds, budget = (2, args.epochs // 5) if args.quick else (args.seeds, args.epochs)
    results = finished(args.out, budget)
    todo = [
        ((name, str(method), seed), method)
        for seed in range(args.from_seed, seeds)
        for name in names
        for method in methods
        if not args.sampler or method.sampler in args.sampler
        if not args.method or str(method) in args.method
        if not method.noise or known[name].paired_error
        if method.grace != known[name].grace_period
        if method.sampler != "gp" or seed < GP_SEEDS
        if (name, str(method), seed) not in results
    ]
    with ProcessPoolExecutor(args.jobs) as pool:
        waiting = [pool.submit(one, run, method, budget) for run, method in todo]
        for count, future in enumerate(as_completed(waiting), start=1):
            run, trace = future.result()
            results[run] = trace
            if args.out:
                with args.out.open("a") as file:
                    line = {
                        "problem": run[0],
                        "method": run[1],
                        "seed": run[2],
                        "epochs": budget,
                        "trace": trace,
                    }
                    file.write(json.dumps(line) + "\n")
            print(f"\r{count}/{len(todo)} searches", end="", file=sys.stderr)
    print(file=sys.stderr)
    shown = {run: trace for run, trace in results.items() if args.from_seed <= run[2] < seeds}
    for name in names:
        print("\n".join(table(known[name], shown, methods, args.less)))
    if args.png:
        chosen = [method for method in methods if not args.method or str(method) in args.method]
        draw([known[name] for name in names], shown, chosen, budget, args.png)


if __name__ == "__main__":
    main()
