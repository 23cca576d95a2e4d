"""The model card: what an exported model was trained on, how well it did, what it must not be used for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serhpo.corpus.table import Corpus
from serhpo.errors import StudyError
from serhpo.evaluate import documents, words
from serhpo.pareto import figure
from serhpo.study.baseline_names import BASELINES
from serhpo.text import counted

if TYPE_CHECKING:
    from serhpo.export.model import ModelSettings
    from serhpo.study import Study, TrialRecord

_LIMITS = """\
- An emotion category and ratings describe how listeners judged acted or found speech, not what a
  person feels. Do not decide about people with it.
- Figures are from one corpus: other speakers, languages, microphones and rooms will be harder.
- The licence of the corpus holds for what is made from it: whether weights may be passed on is for its owner
  to say.
"""


def model_card(study: Study, trial: TrialRecord, corpus: Corpus, settings: ModelSettings) -> str:
    """Markdown with the hub's header.

    Args:
        study: Where the trial is from.
        trial: A complete trial.
        corpus: What it was trained on.
        settings: Of the exported model.
    """
    errors = study.standard_errors().get((trial.number, trial.epoch), {})
    figures = [
        f"| {name.upper()} | {figure(name, value)} | {_error(errors.get(name))} |"
        for name, value in (trial.values or {}).items()
    ]
    counts = corpus.summary()
    complete = sum(other.state == "COMPLETE" for other in study.trials())
    low_high = settings.dimensions
    rated = ", ".join(settings.rated)
    ratings = "no ratings" if low_high is None else f"{rated} from {low_high[0]:g} to {low_high[1]:g}"
    baselines = [
        f"| {BASELINES[name].label} | {_figure(row.get('ua'))} | {_figure(row.get('ccc'))} |"
        for name, row in (study.baselines() or {}).items()
        if name in BASELINES and isinstance(row, dict)
    ]
    return "\n".join(
        [
            "---",
            "library_name: serhpo",
            "pipeline_tag: audio-classification",
            "tags: [speech-emotion-recognition]",
            "---",
            "",
            f"# Speech emotion: {', '.join(settings.classes)}" + (f", and {rated}" if rated else ""),
            "",
            f"Trial {trial.number} of the study `{study.name}` at epoch {trial.epoch}, exported by serhpo "
            f"{settings.serhpo}: {len(settings.folds)} networks, one a fold, whose answers are averaged.",
            "",
            "    from serhpo.export import EmotionModel",
            '    model = EmotionModel.from_pretrained("this folder")',
            '    print(model.predict("a.wav"))',
            "",
            "## Data",
            "",
            f"{study.settings.corpus_name}: {counts['utterances']} utterances, {counts['hours']:.1f} h, "
            f"{len(corpus.speakers)} speakers; {ratings}. Streams: {', '.join(settings.trial.streams)}.",
            "",
            "## Results",
            "",
            f"Protocol `{study.settings.protocol.name}`, {len(settings.folds)} folds, one seed. "
            f"{study.settings.claim[0].upper()}{study.settings.claim[1:]}.",
            f"The configuration was chosen among {complete} complete trials by these very figures, which "
            "flatters them.",
            "",
            "| validation | value | standard error |",
            "|---|---|---|",
            *figures,
            "",
            *(["| baseline | UA | CCC |", "|---|---|---|", *baselines, ""] if baselines else []),
            "An utterance was predicted by its fold's network alone; the average of them was not measured.",
            "",
            *_on_test_speakers(study, trial.number),
            "## Limits",
            "",
            _LIMITS,
        ]
    )


def _on_test_speakers(study: Study, number: int) -> list[str]:
    """What `serhpo evaluate` measured of this trial: a table for every protocol and corpus."""
    try:
        found = documents(study)
    except StudyError as error:
        return [f"What was measured on test speakers cannot be read: {error.what}.", ""]
    lines, told = [], set[tuple[str, str, str]]()
    for one in found:  # of one corpus and protocol, the most folds first
        measured = {(one["corpus"], one["protocol"], fold) for fold in one["folds"]}
        for row in one["rows"]:
            if (row["kind"], row["trial"]) == ("candidate", number) and not measured <= told:
                told |= measured
                seeds = counted(len(row["seeds"]), "seed")
                lines += [
                    f"### Test speakers of {one['corpus']}, `{one['protocol']}`",
                    "",
                    f"{one['level'][0].upper()}{one['level'][1:]}; {words.folds(one)}, {seeds}. "
                    "Networks of this configuration, trained anew.",
                    "",
                    "| test | value | standard error |",
                    "|---|---|---|",
                    *(
                        f"| {name.upper()} | {_figure(figure['value'])} | {_error(figure['se'])} |"
                        for name, figure in row["figures"].items()
                        if name in ("wa", "ua", "ccc")
                    ),
                    "",
                ]
    return lines


def _error(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _figure(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float | int) else "–"
