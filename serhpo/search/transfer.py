"""Configurations from elsewhere: a file, a space's known good ones, another study's front or its trials.

Each becomes an assignment of this space's parameters, or reasons why it does not fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.trial import FixedTrial, FrozenTrial, TrialState, create_trial

from serhpo.config import read_yaml, read_yaml_value
from serhpo.corpus.folds import Fold
from serhpo.errors import ConfigError, LeakageError, Problem, SpaceError, StudyError, UsageError, nearest
from serhpo.search.assignment import Assignment, as_value, leaves, partial
from serhpo.search.space import Space, known_spaces, load_space, load_space_data
from serhpo.study import Study, known_studies, open_study
from serhpo.text import counted


@dataclass(frozen=True)
class Enqueued:
    """Configurations to try before the sampler proposes any.

    Attributes:
        assignments: Values of the space's parameters; those that are missing the sampler chooses.
        dropped: Why others of the same source are not among them.
    """

    assignments: tuple[Assignment, ...]
    dropped: tuple[str, ...] = ()


def enqueued(space: Space, source: str, folds: Iterable[Fold], corpus: str) -> Enqueued:
    """Read what ``--enqueue`` names.

    Args:
        space: Whose parameters are wanted.
        source: A YAML or JSON file with one configuration or a list of them, a space (by name or file)
            with ``known_good`` ones, or a study, whose front it is.
        folds: Of the search to come.
        corpus: Its corpus' name.

    Raises:
        UsageError: There is nothing of that name.
        SpaceError: A configuration of a file does not fit the space; names every problem.
        LeakageError: The study saw speakers that this search holds out.
    """
    file = Path(source) if source.endswith((".yaml", ".yml", ".json")) else None
    if file is not None and (entries := _entries(file)) is not None:
        return _from_file(space, file, entries)
    if file is not None or source in known_spaces():
        theirs = load_space(source)
        good = (partial(theirs.parameters, entry)[0] for entry in theirs.known_good)
        named = ((f"{source} {n}", whole(theirs, entry)) for n, entry in enumerate(good, start=1))
        return _fitting(space, named)
    if source in known_studies() or (Path(source) / "study.yaml").is_file():
        study = open_study(source)
        refuse_leak(study, folds, corpus)
        theirs = _space_of(study)
        return _fitting(space, ((f"trial {t.number}", whole(theirs, t.params)) for t in study.front()))
    raise UsageError(
        f"Nothing that could be enqueued is named `{source}`",
        where="--enqueue",
        allowed="a .yaml or .json file, a space with known_good configurations, a study",
        hint=nearest(source, [*known_spaces(), *known_studies()]).strip() or None,
    )


def warm_trials(space: Space, study: Study) -> tuple[list[FrozenTrial], Counter[str]]:
    """The ended trials of another study, for this space's sampler to learn from.

    Returns:
        The trials, and how many were left out for which reason.

    Raises:
        StudyError: None fits, or their figures do not compare.
    """
    if study.settings.epochs != space.search.epochs:
        raise StudyError(
            "The other study's trials are trained for another number of epochs; their figures do not compare",
            where=study.path,
            got=study.settings.epochs,
            allowed=space.search.epochs,
            hint=f"--enqueue {study.name} tries the configurations of its front instead",
        )
    metrics = [objective.metric for objective in study.objectives]
    if missing := set(space.search.objectives) - set(metrics):
        raise StudyError(
            f"The other study did not measure {', '.join(missing)}, which this search optimises",
            where=study.path,
            got=", ".join(metrics),
            allowed=", ".join(space.search.objectives),
            hint=f"--enqueue {study.name} tries the configurations of its front instead",
        )
    theirs = _space_of(study)
    found: list[FrozenTrial] = []
    dropped: Counter[str] = Counter()
    for trial in study.trials():
        if trial.state not in ("COMPLETE", "PRUNED"):
            dropped[f"its state is {trial.state}"] += 1
            continue
        assignment, reasons = fit(space, whole(theirs, trial.params))
        if reasons:
            dropped[reasons[0]] += 1
            continue
        fixed = FixedTrial(assignment)
        space.suggest(fixed)
        values = trial.values if trial.state == "COMPLETE" else None
        found.append(
            create_trial(
                state=TrialState[trial.state],
                values=[values[metric] for metric in space.search.objectives] if values else None,
                params=assignment,
                distributions=fixed.distributions,
                user_attrs={"warm_start": study.name, "warm_start_trial": trial.number},
            )
        )
    if not found:
        raise StudyError(
            "No trial of the other study fits this space",
            where=study.path,
            got="; ".join(f"{count} trials: {reason}" for reason, count in dropped.most_common(5))
            or "no trials",
        )
    return found, dropped


def refuse_leak(study: Study, folds: Iterable[Fold], corpus: str) -> None:
    """Make sure that nothing is taken from a study that saw what this search holds out.

    Held out are speakers whom no fold of this search trains or validates on. Corpora of different names
    have different speakers.

    Raises:
        LeakageError: It saw some of them.
    """
    folds = list(folds)
    seen = {speaker for fold in folds for speaker in (*fold.train, *fold.validation)}
    held_out = {speaker for fold in folds for speaker in fold.test} - seen
    theirs = {s for fold in study.folds() for part in ("train", "validation") for s in fold[part]}
    if study.settings.corpus_name == corpus and (leaked := sorted(held_out & theirs)):
        raise LeakageError(
            f"`{study.name}` has seen speakers that this search holds out; what it chose would leak them",
            where=study.path,
            got=", ".join(leaked[:10]) + (" …" if len(leaked) > 10 else ""),
            hint="hold out the same speakers in both",
        )


def fit(space: Space, config: Mapping[str, Any]) -> tuple[Assignment, list[str]]:
    """A whole configuration as an assignment of a space.

    Args:
        space: Whose parameters are wanted.
        config: A ``TrialConfig`` as JSON data.

    Returns:
        The assignment, and why it does not mean this configuration; no reasons where it does.
    """
    values = dict(leaves(config))
    assignment: Assignment = {}
    reasons = []
    for name in space.order:
        parameter = space.parameters[name]
        if not parameter.exists(assignment):
            continue
        value = as_value(parameter, values.get(name))
        # A file may write a choice in another way than the configuration it becomes: `true` for 1.
        value = next((choice for choice in parameter.choice or () if choice == value), value)
        if parameter.admits(value):
            assignment[name] = value
        else:
            reasons.append(f"{name} = {value} is not in the space ({parameter})")
    if reasons:
        return assignment, reasons
    mine = dict(leaves(whole(space, assignment)))
    names = [name for name in {**mine, **values} if name != "epochs"]
    differing = [name for name in names if mine.get(name) != values.get(name)]
    return assignment, [f"{name} is {values.get(name)}, and {mine.get(name)} here" for name in differing]


def whole(space: Space, assignment: Mapping[str, Any]) -> dict[str, Any]:
    """The whole configuration that an assignment means, as JSON data."""
    return space.trial_config(assignment).model_dump(mode="json", by_alias=True)


def _entries(path: Path) -> list[Any] | None:
    """Configurations as a file has them; None where it is a space."""
    try:
        document = read_yaml_value(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"Cannot read the configurations: {error.strerror}", where=path) from error
    except (ConfigError, UnicodeDecodeError) as error:
        raise ConfigError("The file of configurations is not YAML", where=path) from error
    if isinstance(document, dict) and "parameters" in document:
        return None
    return document if isinstance(document, list) else [document]


def _from_file(space: Space, path: Path, entries: list[Any]) -> Enqueued:
    assignments: list[Assignment] = []
    problems: list[Problem] = []
    for number, entry in enumerate(entries, start=1):
        assignment, found = _read_entry(space, entry)
        assignments.append(assignment)
        key = f"configuration {number}"
        problems += [Problem(p.what, str(path), key=f"{key}: {p.key}" if p.key else key) for p in found]
    if problems:
        raise SpaceError(f"{counted(len(problems), 'problem')} in {path}", problems=problems)
    return Enqueued(tuple(assignments))


def _read_entry(space: Space, entry: Any) -> tuple[Assignment, list[Problem]]:
    if not isinstance(entry, Mapping):
        return {}, [Problem(f"must be a mapping of parameters to values, got {entry!r}")]
    if isinstance(entry.get("trial"), Mapping):  # a trial's own config.json
        assignment, reasons = fit(space, entry["trial"])
        return assignment, [Problem(reason) for reason in reasons]
    return partial(space.parameters, entry)


def _fitting(space: Space, named: Iterable[tuple[str, Mapping[str, Any]]]) -> Enqueued:
    fitted = [(name, *fit(space, config)) for name, config in named]
    dropped = [f"{name}: {'; '.join(reasons)}" for name, _, reasons in fitted if reasons]
    return Enqueued(tuple(assignment for _, assignment, reasons in fitted if not reasons), tuple(dropped))


def _space_of(study: Study) -> Space:
    return load_space_data(read_yaml(study.path / "space.yaml"), study.path / "space.yaml")
