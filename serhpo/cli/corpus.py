"""``serhpo corpus``: look at a labelled corpus, or make the synthetic one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from serhpo.cli import console

app = typer.Typer(help="Look at a labelled corpus, or make the synthetic one.", no_args_is_help=True)


@app.command()
def show(
    path: Annotated[Path, typer.Argument(help="Folder of the corpus.")], as_json: console.JsonOption = False
) -> None:
    """Count utterances per class and speaker, hours, missing labels and problems."""
    from serhpo.corpus import read_corpus

    corpus = read_corpus(path)
    summary = corpus.summary()
    if as_json:
        console.print_json({"schema_version": 1, **summary})
        return
    console.out.print(
        f"[bold]{corpus.name}[/] at {corpus.root}\n"
        f"{summary['utterances']} utterances, {summary['hours']:.2f} h; "
        f"{summary['unlabelled']} without one of the classes, "
        f"{summary['clamped']} ratings clamped to the scale"
    )
    counts = Counter(zip(corpus.column("speaker"), corpus.column("label"), strict=True))
    classes = corpus.scheme.classes
    table = Table("speaker", *classes, "all")
    for speaker, utterances in summary["speakers"].items():
        table.add_row(speaker, *(str(counts[speaker, label]) for label in classes), str(utterances))
    table.add_section()
    table.add_row("all", *(str(summary["labels"][label]) for label in classes), str(summary["utterances"]))
    console.out.print(table)
    for problem in corpus.problems[:20]:
        console.out.print(f"problem: {problem}", markup=False)
    if len(corpus.problems) > 20:
        console.out.print(f"... and {len(corpus.problems) - 20} more; --json lists all")


@app.command()
def synth(
    out: Annotated[Path, typer.Argument(help="Folder to write; must not exist or be empty.")],
    speakers: Annotated[int, typer.Option(min=2, help="Speakers, an even number: two to a session.")] = 10,
    utterances: Annotated[int, typer.Option(min=4, help="Labelled utterances per speaker.")] = 32,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 0,
) -> None:
    """Speak an emotional corpus with eSpeak NG, in IEMOCAP's own folder layout.

    For trying things out: no figure measured on it says anything about human speech.
    """
    from serhpo.corpus.synthetic import synthesise

    with console.progress("speaking", "utterances") as update:
        synthesise(out, speakers=speakers, utterances=utterances, seed=seed, progress=update)
    console.out.print(f"{out}", markup=False)
