"""What a running search shows: a bar on a terminal, a plain line per event elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from serhpo.study import Study, TrialRecord

_STYLES = {"COMPLETE": "green", "PRUNED": "yellow", "FAIL": "red"}


class Live:
    """A :class:`~serhpo.search.runner.Listener` that draws to a console (stderr).

    Args:
        console: Where to.
        study: The study that runs.
    """

    def __init__(self, console: Console, study: Study) -> None:
        self._console = console
        self._study = study
        self._epochs = 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("trials · {task.fields[epochs]} epochs · hypervolume {task.fields[hypervolume]:.4f}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("search", total=None, epochs=0, hypervolume=0.0)

    def __enter__(self) -> Live:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def started(self, trials: int, continued: int, at_once: int) -> None:
        """Trials are about to start."""
        self._bar.update(self._task, total=trials)
        going_on = f", {continued} of them where they were cut off" if continued else ""
        self._say(f"{trials} {'trial' if trials == 1 else 'trials'} to go{going_on}, {at_once} at a time")

    def epoch(self, row: Mapping[str, Any]) -> None:
        """A trial finished an epoch."""
        self._epochs += 1
        self._bar.update(self._task, epochs=self._epochs)

    def ended(self, trial: TrialRecord) -> None:
        """A trial ended: one line, with the front it leaves behind."""
        counts = self._study.counts()
        done = sum(counts[state] for state in _STYLES)
        hypervolume = self._study.hypervolume()
        self._bar.advance(self._task)
        self._bar.update(self._task, hypervolume=hypervolume)
        values = "  ".join(f"{name.upper()} {value:.3f}" for name, value in (trial.values or {}).items())
        detail = escape(str(trial.notes["reason"])) if "reason" in trial.notes else values
        label = "best epoch" if trial.state == "COMPLETE" else "last epoch"
        state = f"[{_STYLES[trial.state]}]{trial.state:8}[/]"
        self._console.print(
            f"{done:>3}/{self._study.asked} trial {trial.number:>3} {state} "
            f"{label} {trial.epoch:>2}  {detail}  hypervolume {hypervolume:.4f}"
        )

    def phase(self, text: str) -> None:
        """Something other than a trial begins."""
        self._say(text)

    def _say(self, text: str) -> None:
        self._console.print(escape(text))
