"""The page: numbers, figures and the lock put into one HTML document that asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
import plotly.graph_objects as go
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from serhpo import __version__
from serhpo.evaluate import words as evaluation
from serhpo.model.attended import spread
from serhpo.report import words
from serhpo.report.canvas import FONT
from serhpo.report.colours import PAGE, twins
from serhpo.report.comparison import fronts_figure, hypervolumes_figure
from serhpo.report.compute import compute
from serhpo.report.content import collect
from serhpo.report.look_figures import Picture, course_figure, fusion_figure
from serhpo.report.numbers import Numbers
from serhpo.study import STATES, Study
from serhpo.study.importance import FEWEST
from serhpo.training.uncertainty import method

_FOLDER = Path(__file__).parent


def render(study: Study) -> str:
    """The report of a study as HTML.

    Raises:
        StudyError: Journal or ledger is damaged.
    """
    content = collect(study)
    numbers = content.numbers
    return _page(
        "page.html.j2",
        study=study,
        lock=study.lock,
        created=_when(study.settings.created),
        space=Path(study.settings.space).name,  # a path of the author's machine is nobody's business
        numbers=numbers,
        error_method=_error_method(study),
        states=[(state, numbers.in_state(state)) for state in STATES if numbers.in_state(state)],
        parameters=list(dict.fromkeys(name for trial in numbers.trials for name in trial.params)),
        content=content,
        figures=_as_json(content.figures),
        states_of_cost=_cost(numbers),
        parameter_count=max((len(shares) for shares in content.importances.values()), default=0),
        fewest=FEWEST,
    )


def render_comparison(studies: Sequence[Study]) -> str:
    """Two or more studies laid over each other, as HTML.

    Raises:
        StudyError: A journal or ledger is damaged.
    """
    compared = [(study, compute(study)) for study in studies]
    figures = {
        "front": fronts_figure([(study.name, numbers) for study, numbers in compared]),
        "hypervolume": hypervolumes_figure([(study.name, numbers) for study, numbers in compared]),
    }
    return _page("compare.html.j2", compared=compared, figures=_as_json(figures), method=_error_method)


def render_pictures(model: str, pictures: Sequence[Picture]) -> str:
    """Where a model looked in some recordings, as HTML."""
    figures: dict[str, go.Figure | None] = {}
    for number, picture in enumerate(pictures, start=1):
        figures[f"course-{number}"] = course_figure(picture)
        figures[f"fusion-{number}"] = fusion_figure(picture.attended.fusion)
    spreads = [
        {
            stream: {part: spread(shares) for part, shares in parts.items()}
            for stream, parts in picture.attended.frames.items()
        }
        for picture in pictures
    ]
    values = {"model": model, "pictures": pictures, "spreads": spreads, "figures": _as_json(figures)}
    return _page("pictures.html.j2", **values)


def _page(template: str, **values: Any) -> str:
    """A template filled in, with style, scripts and the policy that lets only these scripts run."""
    plotly, script = get_plotlyjs(), (_FOLDER / "page.js").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(words=words, evaluation=evaluation, json=htmlsafe_json_dumps)
    return environment.get_template(template).render(
        version=__version__,
        font=Markup(FONT),  # noqa: S704 - a constant; quotes must stay quotes inside <style>
        colours=PAGE,
        twins=twins(),
        plotly=Markup(plotly),  # noqa: S704 - the library's own code
        script=Markup(script),  # noqa: S704 - ours
        script_hashes=" ".join(_hash(text) for text in (plotly, script)),
        **values,
    )


def _as_json(figures: Mapping[str, go.Figure | None]) -> dict[str, Any]:
    """Every figure as plain values, None where there is nothing to draw yet."""
    return {name: figure and figure.to_plotly_json() for name, figure in figures.items()}


def _error_method(study: Study) -> str:
    return method(len({name for fold in study.folds() for name in fold["validation"]}))


def _cost(numbers: Numbers) -> list[tuple[str, int, int, float]]:
    """State, trials, epochs and hours of training."""
    rows = []
    for state in STATES:
        own = [trial for trial in numbers.trials if trial.state == state]
        if own:
            epochs = sum(len(trial.curve.epochs) for trial in own)
            rows.append((state, len(own), epochs, sum(trial.seconds for trial in own) / 3600))
    return rows


def _hash(script: str) -> str:
    """Names one script in the page's security policy; any other script a study may smuggle in is refused."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _when(iso: str) -> str:
    return f"{datetime.fromisoformat(iso).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
