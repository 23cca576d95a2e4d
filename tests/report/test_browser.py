"""The report in a real browser: drawn without an error, without a network, on a screen, a phone and paper."""

import numpy as np
import pytest

from serhpo.model.attended import Attended
from serhpo.report import Picture, write_comparison, write_pictures, write_report
from tests.fakes import FakeTrial, make_study, random_trials
from tests.report.browser import Browser, find_browser

PROGRAM = find_browser()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="no Chromium here (Debian: apt install chromium)"),
]
HOSTILE = "<img src=x onerror=alert(1)><script>alert(1)</script>"
DRAWN = "[...document.querySelectorAll('[data-figure]')].filter(f => f.querySelector('svg')).length"
PLACES = "document.querySelectorAll('[data-figure]').length"


@pytest.fixture(scope="module")
def browser():
    with Browser(PROGRAM) as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("studies")
    trials = [*random_trials(100), FakeTrial("FAIL", [(0.3, 0.1)], reason=HOSTILE)]
    studies = [
        make_study(folder / "a", trials, name=HOSTILE, epochs=9, rungs=(1, 3)),
        make_study(folder / "b", random_trials(20, seed=1), name="other", epochs=9, rungs=(1, 3)),
    ]
    shares = {"mel": {"self-attention": np.full(9, 1 / 9), "pooling": np.arange(9) / 36}}
    seen = Attended({**shares, HOSTILE: shares["mel"]}, {"mel": 0.3, HOSTILE: 0.7}, {"mel": 2, HOSTILE: 2})
    picture = Picture(HOSTILE, HOSTILE, seen, np.arange(100) / 100)
    drawn = write_pictures(HOSTILE, [picture, picture], folder / "looks.html")
    return write_report(studies[0]), write_comparison(studies), drawn


@pytest.mark.parametrize("which", [0, 1, 2], ids=["report", "comparison", "pictures"])
@pytest.mark.parametrize(
    "look", [{}, {"dark": True}, {"width": 390, "mobile": True}], ids=["light", "dark", "phone"]
)
def test_every_figure_is_drawn_and_nothing_goes_wrong(browser, pages, which, look):
    browser.open(pages[which], **look)

    assert browser.run(DRAWN) == browser.run(PLACES) > 1
    assert browser.troubles() == []
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")  # tables scroll, not the page


@pytest.mark.parametrize(("which", "heading"), [(0, "h1"), (2, "h2")])
def test_nothing_a_study_says_becomes_an_element(browser, pages, which, heading):
    browser.open(pages[which])

    assert browser.run("document.querySelectorAll('img, script[src]').length") == 0
    assert browser.run(f"document.querySelector('{heading}').textContent") == HOSTILE


def test_dark_and_light_differ_in_page_and_figures(browser, pages):
    colours = []
    for dark in (False, True):
        browser.open(pages[0], dark=dark)
        page = browser.run("getComputedStyle(document.body).backgroundColor")
        figure = browser.run("document.querySelector('[data-figure=front]').layout.font.color")
        colours.append((page, figure))

    assert colours[0][0] != colours[1][0]
    assert colours[0][1] != colours[1][1]


def test_a_table_sorts_and_filters(browser, pages):
    browser.open(pages[0])
    heads = "[...document.querySelectorAll('#trials-table th > button')]"
    column = f"{heads}.findIndex(b => b.textContent.includes('UA'))"
    browser.run(f"{heads}[{column}].click()")
    values = browser.run(
        f"[...document.querySelectorAll('#trials-table tbody tr')].map(r => r.cells[{column}].dataset.value)"
    )
    numbers = [float(value) for value in values if value]
    assert numbers == sorted(numbers)

    browser.run(
        "(() => { const i = document.querySelector('[data-filter]'); i.value = 'FAILED img';"
        " i.dispatchEvent(new Event('input')); })()"
    )
    left = "[...document.querySelectorAll('#trials-table tbody tr')].filter(r => !r.hidden).map(r => r.id)"
    assert browser.run(left) == ["trial-100"]
    assert browser.run("document.querySelector('[role=status]').textContent") == "1 of 101"


def test_every_figure_and_field_has_a_name_for_a_screen_reader(browser, pages):
    browser.open(pages[0])

    named = "f.ariaLabel.length > 20 && f.role === 'img'"
    assert browser.run(f"[...document.querySelectorAll('[data-figure]')].every(f => {named})")
    assert browser.run("[...document.querySelectorAll('input')].every(i => i.labels.length === 1)")


def test_it_prints(browser, pages):
    browser.open(pages[0])

    assert browser.print().startswith(b"%PDF")
