"""``serhpo corpus``: look at a labelled corpus, convert it, or make the synthetic one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from serhpo.cli import console
from serhpo.cli.sources import ClassesOption

if TYPE_CHECKING:
    from serhpo.corpus.table import Corpus

app = typer.Typer(
    help="Look at a labelled corpus, convert it, or make the synthetic one.", no_args_is_help=True
)

MOST_ROWS = 24
"""Speakers beyond so many are told in one line, those with fewest utterances first."""


@app.command()
def show(
    path: Annotated[Path, typer.Argument(help="Folder of the corpus, or a manifest.")],
    classes: ClassesOption = None,
    as_json: console.JsonOption = False,
) -> None:
    """Count utterances per class and speaker, ranges, hours, missing labels and problems."""
    from serhpo.cli.sources import find_corpus

    corpus = find_corpus(path, classes)
    summary = corpus.summary()
    if as_json:
        console.print_json({"schema_version": 1, **summary})
        return
    console.out.print(f"[bold]{escape(corpus.name)}[/] at {escape(str(corpus.root))}")
    for line in _lines(summary):
        console.out.print(line, markup=False)
    console.out.print(_speaker_table(summary))
    if any(summary["dimensions"].values()):
        console.out.print(_dimension_table(summary))
    for problem in corpus.problems[:20]:
        console.out.print(f"problem: {problem}", markup=False)
    if len(corpus.problems) > 20:
        console.out.print(f"... and {len(corpus.problems) - 20} more; --json lists all")


@app.command()
def convert(
    path: Annotated[Path, typer.Argument(help="Folder of the corpus, or a manifest.")],
    out: Annotated[Path, typer.Argument(help="Parquet file to write.")],
    classes: ClassesOption = None,
    as_json: console.JsonOption = False,
) -> None:
    """Write a corpus as one Parquet manifest, which every command reads as it reads the corpus."""
    from serhpo.cli.sources import find_corpus
    from serhpo.corpus.manifest import write

    corpus: Corpus = find_corpus(path, classes).require_clean()
    write(corpus, out)
    if as_json:
        console.print_json({"schema_version": 1, "manifest": str(out), "utterances": len(corpus)})
    else:
        console.out.print(f"{out}: {len(corpus)} utterances", markup=False)


@app.command()
def synth(
    out: Annotated[Path, typer.Argument(help="Folder to write; must not exist or be empty.")],
    speakers: Annotated[int, typer.Option(min=2, help="Speakers, an even number: two to a session.")] = 10,
    utterances: Annotated[int, typer.Option(min=4, help="Labelled utterances per speaker.")] = 32,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 0,
    like_iemocap: Annotated[
        bool,
        typer.Option(
            "--like-iemocap",
            help="As large as IEMOCAP: 5,531 utterances, 7 h, its counts per speaker and class; "
            "takes no --speakers or --utterances.",
        ),
    ] = False,
) -> None:
    """Speak an emotional corpus with eSpeak NG, in IEMOCAP's own folder layout.

    For trying things out: no figure measured on it says anything about human speech.
    """
    from serhpo.corpus.synthetic import synthesise, synthesise_like_iemocap
    from serhpo.errors import UsageError

    if like_iemocap and (speakers, utterances) != (10, 32):
        raise UsageError("--like-iemocap fixes the speakers and their utterances", where="corpus synth")
    with console.progress("speaking", "utterances") as update:
        if like_iemocap:
            synthesise_like_iemocap(out, seed=seed, progress=update)
        else:
            synthesise(out, speakers=speakers, utterances=utterances, seed=seed, progress=update)
    console.out.print(f"{out}", markup=False)


def _lines(summary: dict[str, Any]) -> list[str]:
    """What needs no table."""
    counts = {key: ", ".join(f"{name} {n}" for name, n in summary[key].items()) for key in _COUNTED}
    rates = ", ".join(f"{n} at {rate} Hz" for rate, n in summary["sample_rates"].items())
    channels = ", ".join(f"{n} with {count}" for count, n in summary["channels"].items())
    lines = [
        f"{summary['utterances']} utterances, {summary['hours']:.2f} h, {len(summary['speakers'])} speakers "
        f"in {len(summary['groups'])} groups; {summary['unlabelled']} without one of the classes, "
        f"{summary['soft_labels']} with a soft label, {summary['clamped']} ratings clamped to the scale",
        f"recordings: {summary['recordings']} ({rates}; channels: {channels})",
    ]
    return lines + [f"{title}: {counts[key]}" for key, title in _COUNTED.items() if counts[key]]


_COUNTED = {"splits": "own split", "styles": "style"}


def _speaker_table(summary: dict[str, Any]) -> Table:
    classes = list(summary["labels"])
    table = Table("speaker", *map(escape, classes), "all")
    speakers = summary["speakers"]
    shown = list(speakers)
    if len(shown) > MOST_ROWS:
        shown = sorted(sorted(speakers, key=speakers.__getitem__, reverse=True)[:MOST_ROWS])
    for name in shown:
        counts = summary["speaker_labels"][name]
        table.add_row(escape(name), *(str(counts[label]) for label in classes), str(speakers[name]))
    table.add_section()
    if rest := [name for name in speakers if name not in set(shown)]:
        sums = [sum(summary["speaker_labels"][name][label] for name in rest) for label in classes]
        total = sum(speakers[name] for name in rest)
        most = max(speakers[name] for name in rest)
        table.add_row(f"{len(rest)} more, up to {most} each", *map(str, sums), str(total))
        table.caption = "--json lists every speaker"
    table.add_row("all", *(str(count) for count in summary["labels"].values()), str(summary["utterances"]))
    return table


def _dimension_table(summary: dict[str, Any]) -> Table:
    scale = summary["scale"]
    title = f"ratings, {scale[0]:g} to {scale[1]:g}" if scale else "ratings"
    table = Table(title, "rated", "missing", "lowest", "mean", "highest")
    for name, found in summary["dimensions"].items():
        missing = str(summary["missing"][name])
        figures = [f"{found[key]:.2f}" for key in ("min", "mean", "max")] if found else ["", "", ""]
        table.add_row(name, str(found["rated"] if found else 0), missing, *figures)
    return table
