"""What a running search shows: one table on a terminal or in a notebook, a plain line per event elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from html import escape as escape_html
from time import monotonic
from types import TracebackType
from typing import Any

from rich import box, live
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from serhpo.pareto import figure
from serhpo.search.estimate import Remaining
from serhpo.study import Study, TrialRecord
from serhpo.study.overview import Overview, Overviews, Row
from serhpo.text import counted

_WORDS = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}
_STYLES = {"COMPLETE": "green", "PRUNED": "yellow", "FAIL": "red"}
_LONG = ("encoders", "weighting")
"""Columns that a narrow terminal cuts short."""

_LEAST = 5
"""Width of a figure."""

_SECONDS_BETWEEN = 0.5
"""Epochs of tiny models come faster than anybody reads."""


class Live:
    """A :class:`~serhpo.search.listener.Listener` that draws to a console (stderr).

    Args:
        console: Where to.
        study: The study that runs.
    """

    def __init__(self, console: Console, study: Study) -> None:
        self._study = study
        self._overviews = Overviews(study)
        self._view = View(console)
        self._console = console
        self._drawn = 0.0
        self._told = False

    def __enter__(self) -> Live:
        self._overviews.take(self._study.epochs())
        self._view.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._view.stop()

    def started(self, trials: int, continued: int, at_once: int) -> None:
        """Trials are about to start."""
        going_on = f", {continued} of them where they were cut off" if continued else ""
        self.phase(f"{counted(trials, 'trial')} to go{going_on}, {at_once} at a time")
        self._draw()

    def epoch(self, row: Mapping[str, Any]) -> None:
        """A trial finished an epoch."""
        self._overviews.take([row])
        if monotonic() - self._drawn > _SECONDS_BETWEEN:
            self._draw()

    def ended(self, trial: TrialRecord) -> None:
        """A trial ended: a row of the table; a line where there is none, or where it failed."""
        if not self._view.draws or trial.state == "FAIL":
            overview = self._overviews.now()
            self._console.print(line(trial, overview.done, overview.asked, overview.hypervolume))
        self._draw()

    def finished(self) -> None:
        """Nothing: the table stays until the front takes its place."""

    def remaining(self, left: Remaining) -> None:
        """How long the search will take: a line after the first epoch; later the table tells the end."""
        if not self._told:
            self._told = True
            others = "others may take a third of that one's time, or three times it"
            self._console.print(f"estimate after one epoch: {left}; {others}", markup=False)

    def phase(self, text: str) -> None:
        """Something other than a trial begins."""
        self._console.print(escape(text))

    def _draw(self) -> None:
        if self._view.draws:
            self._view.show(self._overviews.now())
            self._drawn = monotonic()


class View:
    """One table that is drawn again in its place: on a terminal, or in a notebook as HTML.

    Args:
        console: Where to; on anything but a terminal or a notebook nothing is drawn.

    Attributes:
        draws: Whether anything is.
    """

    def __init__(self, console: Console) -> None:
        self.draws = not console.quiet and (console.is_terminal or console.is_jupyter)
        self._console = console
        self._live = live.Live(console=console, auto_refresh=False, transient=True)
        self._handle: Any = None

    def start(self) -> None:
        """Take the place."""
        if self.draws and not self._console.is_jupyter:
            self._live.start()

    def stop(self) -> None:
        """Give it back: what follows stands where the table was."""
        self._live.stop()

    def show(self, overview: Overview) -> None:
        """Draw a study's state in place of the last one."""
        if not self._console.is_jupyter:
            self._live.update(table(overview), refresh=True)
            return
        from IPython.display import HTML, display  # there is one in every notebook, and only there

        if self._handle is None:
            self._handle = display(HTML(html(overview)), display_id=True)
        else:
            self._handle.update(HTML(html(overview)))


def line(trial: TrialRecord, done: int, asked: int, hypervolume: float) -> str:
    """The end of a trial in one line, in rich's markup."""
    values = "  ".join(
        f"{name.upper()} {figure(name, value)}" for name, value in (trial.values or {}).items()
    )
    detail = escape(str(trial.notes["reason"])) if "reason" in trial.notes else values
    label = "best epoch" if trial.state == "COMPLETE" else "last epoch"
    state = f"[{_STYLES[trial.state]}]{trial.state:8}[/]"
    epoch = "–" if trial.epoch is None else trial.epoch
    return (
        f"{done:>3}/{asked} trial {trial.number:>3} {state} {label} {epoch:>2}  {detail}  "
        f"hypervolume {hypervolume:.4f}"
    )


def table(overview: Overview) -> Table:
    """The state of a study as a table: running trials first, then the last that ended."""
    title = Text(heading(overview), no_wrap=False, overflow="fold")  # its end is the one to expect
    drawn = Table(
        title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for name, *justify in _columns(overview):
        least = None if name in _LONG else max(len(name), _LEAST)
        drawn.add_column(name, justify="right" if justify else "left", no_wrap=True, min_width=least)
    for row in overview.rows:
        style = "bold" if row.on_front else _STYLES.get(row.state, "") if row.state != "COMPLETE" else ""
        drawn.add_row(*map(escape, _cells(row, overview)), style=style)
    return drawn


def html(overview: Overview) -> str:
    """The same as HTML, for notebooks; everything is escaped."""
    heads = "".join(f'<th scope="col">{escape_html(name)}</th>' for name, *_ in _columns(overview))
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape_html(cell)}</td>' for cell in _cells(row, overview))}</tr>"
        for row in overview.rows
    )
    caption = escape_html(heading(overview)).replace("\n", "<br>")
    return f"<table><caption>{caption}</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def heading(overview: Overview) -> str:
    """Front, hypervolume and its last change, budget used and the end to expect, in two lines."""
    grown = ""
    if overview.grown_by is not None:
        since = f"{counted(overview.stalled, 'trial')} ago"
        grown = f", grew with trial {overview.grown_by}" + (f", {since}" if overview.stalled else "")
    counts = [f"{n} {_WORDS[s]}" for s, n in overview.counts.items() if n and s in _WORDS]
    end = ""
    if overview.seconds_left and overview.counts["RUNNING"]:
        end = f" · end about {datetime.now() + timedelta(seconds=overview.seconds_left):%a %H:%M}"
    return (
        f"{overview.name}: {overview.done}/{overview.asked} trials ({', '.join(counts) or 'none yet'}) · "
        f"{overview.epochs} epochs · used {overview.used}{end}\n"
        f"front {overview.front_size} · hypervolume {overview.hypervolume:.4f}{grown}"
    )


def _columns(overview: Overview) -> list[tuple[str, ...]]:
    metrics = [(metric.upper(), "right") for metric in overview.metrics]
    head: list[tuple[str, ...]] = [("trial", "right"), ("state",), ("encoders",), ("weighting",)]
    return [*head, ("epoch", "right"), *metrics, ("elapsed", "right")]


def _cells(row: Row, overview: Overview) -> list[str]:
    values = [figure(m, row.values[m]) if m in row.values else "–" for m in overview.metrics]
    epoch = "–" if row.epoch is None else f"{row.epoch}/{overview.epochs_of_trial}"
    epoch += "" if row.rung is None else f" r{row.rung}"
    state = "front" if row.on_front else _WORDS.get(row.state, row.state.lower())
    minutes, seconds = divmod(round(row.seconds), 60)
    return [
        str(row.number),
        state,
        row.encoders,
        row.weighting,
        epoch,
        *values,
        f"{minutes}:{seconds:02}",
    ]
