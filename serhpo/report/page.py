"""The page: numbers, figures and the lock put into one HTML document that asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from serhpo import __version__
from serhpo.report import words
from serhpo.report.canvas import FONT
from serhpo.report.colours import PAGE, twins
from serhpo.report.curve_figures import curve_figure, hypervolume_figure
from serhpo.report.front_figure import front_figure
from serhpo.report.numbers import Numbers, compute
from serhpo.study import STATES, Study
from serhpo.training.uncertainty import method

_FOLDER = Path(__file__).parent


def render(study: Study) -> str:
    """The report of a study as HTML.

    Raises:
        StudyError: Journal or ledger is damaged.
    """
    numbers = compute(study)
    plotly, script = get_plotlyjs(), (_FOLDER / "page.js").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(words=words, json=htmlsafe_json_dumps)
    return environment.get_template("page.html.j2").render(
        version=__version__,
        study=study,
        lock=study.lock,
        created=_when(study.settings.created),
        space=Path(study.settings.space).name,  # a path of the author's machine is nobody's business
        numbers=numbers,
        error_method=method(len({name for fold in study.folds() for name in fold["validation"]})),
        states=[(state, numbers.in_state(state)) for state in STATES if numbers.in_state(state)],
        parameters=list(dict.fromkeys(name for trial in numbers.trials for name in trial.params)),
        figures=_figures(numbers),
        font=Markup(FONT),  # noqa: S704 - a constant; quotes must stay quotes inside <style>
        colours=PAGE,
        twins=twins(),
        plotly=Markup(plotly),  # noqa: S704 - the library's own code
        script=Markup(script),  # noqa: S704 - ours
        script_hashes=" ".join(_hash(text) for text in (plotly, script)),
    )


def _figures(numbers: Numbers) -> dict[str, Any]:
    """Every figure as plain values, None where there is nothing to draw yet."""
    figures = {"front": front_figure(numbers), "hypervolume": hypervolume_figure(numbers)}
    for objective in numbers.objectives:
        figures[f"curve-{objective.metric}"] = curve_figure(numbers, objective)
    return {name: figure and figure.to_plotly_json() for name, figure in figures.items()}


def _hash(script: str) -> str:
    """Names one script in the page's security policy; any other script a study may smuggle in is refused."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _when(iso: str) -> str:
    return f"{datetime.fromisoformat(iso).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
