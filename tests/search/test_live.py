import io
import sys
import types

import pytest
from optuna.distributions import CategoricalDistribution
from rich.console import Console

from serhpo.search.live import Live, View, heading, html, table
from serhpo.study.overview import Overviews
from tests import fakes
from tests.fakes import STANDARD, FakeTrial, make_study, random_trials


def printed(console):
    return console.file.getvalue()


def terminal(**options):
    return Console(file=io.StringIO(), force_terminal=True, width=140, legacy_windows=False, **options)


def follow(console, study):
    """What a search of this study would have shown."""
    with Live(console, study) as shown:
        shown.started(6, 0, 2)
        shown.epoch({"trial": 5, "epoch": 3, "ua": 0.5, "ccc": 0.2, "seconds": 2.0})
        for trial in study.ended():
            shown.ended(trial)


def test_elsewhere_than_on_a_terminal_every_end_is_one_plain_line(tmp_path):
    console = Console(file=io.StringIO(), width=140)
    follow(console, make_study(tmp_path / "s"))
    lines = printed(console).splitlines()

    assert lines[0] == "6 trials to go, 2 at a time"
    assert len(lines) == 1 + 5
    assert "PRUNED" in lines[-1]
    assert "FAIL     last epoch  1  the loss is not finite" in lines[-2]
    assert "\x1b" not in printed(console)


def test_on_a_terminal_there_is_one_table_and_a_line_for_failures(tmp_path):
    console = terminal()
    follow(console, make_study(tmp_path / "s"))
    text = printed(console)

    assert "encoders" in text
    assert "the loss is not finite" in text
    assert "best epoch" not in text


def test_no_colour_where_nobody_wants_any(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    console = terminal()
    console.print(table(Overviews(make_study(tmp_path / "s")).reread()))

    assert "\x1b[3" not in printed(console)  # no code of a colour


def test_quiet_says_nothing(tmp_path):
    console = terminal(quiet=True)
    follow(console, make_study(tmp_path / "s"))

    assert printed(console) == ""


@pytest.mark.parametrize("width", [60, 140])
def test_the_table_has_at_most_ten_rows_and_fits(tmp_path, width):
    study = make_study(tmp_path / "s", random_trials(40), epochs=9, rungs=(1, 3))
    console = Console(file=io.StringIO(), width=width)
    console.print(table(Overviews(study).reread()))
    lines = printed(console).splitlines()

    assert max(map(len, lines)) <= width
    assert sum("complete" in line or "pruned" in line or "front " in line for line in lines) <= 11 * 3


def test_eighty_columns_hold_every_figure(tmp_path):
    console = Console(file=io.StringIO(), width=80)
    trials = [FakeTrial("COMPLETE", [(0.5, 0.2)] * 9, {"streams": "mfcc+waveform", "weighting.lambda": 0.25})]
    console.print(table(Overviews(make_study(tmp_path / "s", trials, epochs=27)).reread()))

    assert all(
        shown in printed(console) for shown in ("front", "1/27 r1", "λ 0.25", "0.500", "elapsed", "0:09")
    )


def test_the_heading_tells_front_hypervolume_budget_and_pace(tmp_path):
    text = heading(Overviews(make_study(tmp_path / "s")).reread())

    assert "demo: 5/6 trials (3 complete, 1 pruned, 1 failed, 1 running)" in text
    assert "front 2 · hypervolume 0.1425, grew with trial 2, 2 trials ago" in text


def test_a_narrow_terminal_has_the_whole_heading(tmp_path):
    console = Console(file=io.StringIO(), width=60, soft_wrap=True)
    overview = Overviews(make_study(tmp_path / "s")).reread()
    console.print(table(overview))

    assert " ".join(heading(overview).split()) in " ".join(printed(console).split())


def test_html_escapes_what_a_study_brings(tmp_path, monkeypatch):
    hostile = "<script>alert(1)</script>"
    monkeypatch.setitem(fakes.SPACE, "streams", CategoricalDistribution((hostile,)))
    trials = [FakeTrial("COMPLETE", [(0.5, 0.2)], {"streams": hostile})]
    text = html(Overviews(make_study(tmp_path / "s", trials, name=hostile)).reread())

    assert "<script>" not in text
    assert text.count("&lt;script&gt;") == 2
    assert '<th scope="col">' in text


def test_markup_in_a_name_is_text(tmp_path):
    console = terminal()
    console.print(table(Overviews(make_study(tmp_path / "s", name="[red]x[/red]")).reread()))

    assert "[red]x[/red]" in printed(console)


def test_a_notebook_gets_one_html_table_that_changes_in_its_place(tmp_path, monkeypatch):
    shown = []

    class Handle:
        def update(self, page):
            shown.append(("update", page))

    def display(page, display_id):
        shown.append(("display", page))
        return Handle()

    fake = types.ModuleType("IPython.display")
    fake.HTML, fake.display = str, display
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", fake)
    view = View(Console(file=io.StringIO(), force_jupyter=True))
    overview = Overviews(make_study(tmp_path / "s", STANDARD)).reread()
    view.start()
    view.show(overview)
    view.show(overview)
    view.stop()

    assert [kind for kind, _ in shown] == ["display", "update"]
    assert all(page.startswith("<table>") for _, page in shown)
