"""``serhpo export`` and ``serhpo predict``: a model out of a study, and its answers for any recording."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Column, Table

from serhpo.cli import completion, console
from serhpo.cli.console import StudyArgument
from serhpo.errors import CorpusError, Problem, UsageError

if TYPE_CHECKING:
    from serhpo.export import EmotionModel, Prediction

_SOUNDS = (".wav", ".flac", ".ogg", ".mp3")
_NAME_WIDTH = 12
"""Columns that the name of a recording needs at least; beside it no figure is cut or folded."""


def export(
    study: StudyArgument,
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    trial: Annotated[
        int | None,
        typer.Option(
            help="One of the front; without it the knee.",
            autocompletion=completion.kept_trials,
        ),
    ] = None,
    pick: Annotated[str | None, typer.Option(help="Instead: knee, best-ua, best-ccc, or ua>=0.70.")] = None,
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Also write model.onnx, compared with torch; takes minutes.")
    ] = False,
    as_json: console.JsonOption = False,
) -> None:
    """Write a trial's model: weights (safetensors), settings, model card. Nothing is trained again."""
    from serhpo.cli.front import front_document
    from serhpo.export import export_trial
    from serhpo.study import open_study

    if trial is not None and pick is not None:
        raise UsageError("Give one of --trial and --pick")
    opened = open_study(study)
    if trial is None:
        chosen = front_document(opened, pick or "knee")["picked"]
        trial = int(chosen["number"])
        if not as_json:
            console.say(f"trial {trial}: {chosen['why']}")
    model = export_trial(opened, trial, out, onnx)
    if as_json:
        document = {
            "schema_version": 1,
            "trial": trial,
            "folder": str(out),
            "folds": len(model.settings.folds),
        }
        console.print_json(document)
    else:
        console.out.print(f"trial {trial} in {out}", markup=False)
        console.out.print(f"next:   serhpo predict {out} a.wav", markup=False)


def predict(
    model: Annotated[Path, typer.Argument(help="An exported model.")],
    audio: Annotated[list[Path], typer.Argument(help="Recordings, or folders of them.")],
    explain: Annotated[
        Path | None,
        typer.Option(
            help="Also draw where the model looked: an .html file, or .png or .pdf of one recording."
        ),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: console.JsonOption = False,
) -> None:
    """Emotion and rated dimensions of recordings. A broken one is named, the others are done."""
    from serhpo.export import EmotionModel

    if not (model / "config.json").is_file():
        raise UsageError("No exported model here", where=model, hint="serhpo export STUDY FOLDER")
    if as_csv and as_json:
        raise UsageError("--csv and --json exclude each other")
    files = list(_recordings(audio))
    if not files:
        raise UsageError(
            "No recordings in the folder", where=", ".join(map(str, audio)), allowed=", ".join(_SOUNDS)
        )
    if explain is not None:
        from serhpo.report import check_pictures

        check_pictures(explain, len(files))
    loaded = EmotionModel.from_pretrained(str(model))
    done, problems = _predictions(loaded, files)
    if explain is not None and done:
        _draw(loaded, model.name, done, explain)
    if as_json:
        wrong = [{"audio": problem.file, "what": problem.what} for problem in problems]
        answers = [asdict(one) for one in done]
        console.print_json({"schema_version": 1, "predictions": answers, "problems": wrong})
        if problems:
            raise typer.Exit(CorpusError.exit_code)
    elif as_csv:
        _print_csv(done)
    else:
        _print_table(done)
    if problems:
        raise CorpusError(f"{len(problems)} of {len(files)} recordings cannot be used", problems=problems)


def _recordings(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.suffix.lower() in _SOUNDS)
        else:
            yield path


def _predictions(model: EmotionModel, files: list[Path]) -> tuple[list[Prediction], list[Problem]]:
    from serhpo.errors import AudioError

    done, problems = [], []
    with console.progress("listening", "recordings") as update:
        for number, file in enumerate(files, start=1):
            try:
                done.append(model.predict(file))
            except AudioError as error:
                problems.append(Problem(error.what, file=str(file)))
            update(number, len(files))
    return done, problems


def _draw(model: EmotionModel, name: str, done: list[Prediction], path: Path) -> None:
    """Draw where the model looked in recordings that it could hear."""
    from serhpo.corpus.audio import SAMPLE_RATE, read_audio
    from serhpo.report import Picture, loudness, write_pictures

    pictures = []
    with console.progress("looking", "recordings") as update:
        for number, one in enumerate(done, start=1):
            heard = loudness(read_audio(Path(one.audio)), SAMPLE_RATE)
            seen = model.explain(one.audio)[1]
            pictures.append(Picture(Path(one.audio).name, _in_words(one), seen, heard))
            update(number, len(done))
    console.say(f"drawn: {write_pictures(name, pictures, path)}")


def _in_words(one: Prediction) -> str:
    classes = sorted(one.probabilities.items(), key=lambda item: -item[1])
    ratings = [f"{name} {value:.2f}" for name, value in one.ratings.items()]
    return ", ".join([*(f"{name} {share:.2f}" for name, share in classes), *ratings])


def _print_table(done: list[Prediction]) -> None:
    if not done:
        return
    first = done[0]
    names = [Path(one.audio).name for one in done]
    if len(set(names)) < len(names):  # folders tell them apart
        names = [one.audio for one in done]
    rows = [("emotion", *first.probabilities, *first.ratings)]
    for one in done:
        figures = (*one.probabilities.values(), *one.ratings.values())
        rows.append((one.emotion, *(f"{value:.2f}" for value in figures)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    fits = sum(widths) + len(widths) + _NAME_WIDTH <= console.out.width  # then only names are folded
    table = Table(Column("recording", overflow="fold"), box=SIMPLE_HEAD, padding=0, show_edge=False)
    for head in rows[0]:
        table.add_column(escape(head), overflow="fold", no_wrap=fits)
    for name, row in zip(names, rows[1:], strict=True):
        table.add_row(*map(escape, (name, *row)))
    console.out.print(table)


def _print_csv(done: list[Prediction]) -> None:
    writer = csv.writer(sys.stdout)
    if done:
        writer.writerow(["audio", "emotion", *done[0].probabilities, *done[0].ratings])
    for one in done:
        writer.writerow([one.audio, one.emotion, *one.probabilities.values(), *one.ratings.values()])
