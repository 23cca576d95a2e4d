"""From a study's trial to a folder to take home."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from serhpo import __version__
from serhpo.config import parse
from serhpo.corpus.table import DIMENSIONS, Corpus
from serhpo.errors import SerhpoError, StorageError, StudyError, UsageError
from serhpo.export.card import model_card
from serhpo.export.model import GRAPH, EmotionModel, ModelSettings
from serhpo.export.onnx import require_onnx
from serhpo.study import Study
from serhpo.study.corpus import study_corpus
from serhpo.training.checkpoint import read_checkpoint
from serhpo.training.config import TrialConfig
from serhpo.training.networks import network_tensors


def export_trial(study: Study, number: int, out: Path, onnx: bool = False) -> EmotionModel:
    """Write weights, settings and model card of a complete trial at its best epoch.

    What is exported are the networks of all its folds, as they were measured: nothing is trained again, and
    nobody of a held-out session has been heard.

    Args:
        study: The study.
        number: The trial.
        out: Folder to make.
        onnx: Also write ``model.onnx``, see :mod:`serhpo.export.onnx`.

    Raises:
        ConfigError: It cannot be written as ONNX.
        UsageError: There is no such complete trial, or ``out`` holds something.
        StudyError: Its checkpoint is gone, damaged, or of a newer version; or the corpus has changed.
        CorpusError: The study's corpus, which tells the ratings' range, cannot be read.
        StorageError: Its checkpoint cannot be read, or ``out`` not be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError("There is something already", where=out, hint="name a new folder")
    complete = {trial.number: trial for trial in study.trials() if trial.state == "COMPLETE"}
    if number not in complete:
        known = ", ".join(map(str, sorted(complete))) or "none"
        raise UsageError("No complete trial of that number", where="--trial", got=number, allowed=known)
    folder = study.trial_folder(number) / "best"
    if not folder.is_dir():
        raise StudyError(
            "The trial's weights are gone: only those of the front are kept",
            where=folder,
            hint=f"`serhpo train {study.trial_folder(number) / 'config.json'} --out …` trains it again",
        )
    state, tensors = read_checkpoint(folder)
    corpus = study_corpus(study)
    trial = complete[number]
    settings = ModelSettings(
        serhpo=__version__,
        trial=parse(TrialConfig, state["config"], folder),
        classes=tuple(state["classes"]),
        dimensions=corpus.scheme.dimensions,
        rated=_rated(corpus, state["speakers"]),
        folds=tuple(tuple(fold["validation"]) for fold in state["speakers"]),
        origin={
            "study": study.name,
            "trial": number,
            "epoch": trial.epoch,
            "values": trial.values,
            "corpus": study.settings.corpus_name,
            "protocol": study.settings.protocol.name,
        },
    )
    if onnx:
        require_onnx(settings.trial)
    model = EmotionModel(settings, network_tensors(tensors), model_card(study, trial, corpus, settings))
    try:
        model.save_pretrained(out)
        if onnx:
            model.write_onnx(out / GRAPH)
    except (OSError, SerhpoError) as error:  # nothing half-made is left, nor in the way of the next attempt
        shutil.rmtree(out, ignore_errors=True)
        raise StorageError.from_os_error(error, out) if isinstance(error, OSError) else error from error
    return model


def _rated(corpus: Corpus, folds: Iterable[Mapping[str, list[str]]]) -> tuple[str, ...]:
    """Dimensions of which every fold has training speakers with ratings: the others no loss has touched."""
    heard = [set(fold["train"]) for fold in folds]
    found = []
    for name in DIMENSIONS:
        rows = zip(corpus.column("speaker"), corpus.column(name), strict=True)
        speakers = {speaker for speaker, value in rows if value is not None}
        if all(speakers & trained for trained in heard):
            found.append(name)
    return tuple(found)
