import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from optuna.distributions import CategoricalDistribution

from serhpo.report.page import render, render_comparison
from tests import fakes
from tests.fakes import STANDARD, FakeTrial, make_study, random_trials

HOSTILE = "<script>alert(1)</script>\"'&{{ 7 * 7 }}"


class Page(HTMLParser):
    """What a browser would find: every element, the scripts, the text outside of them."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.scripts, self.data, self.text = [], [], {}, ""
        self._inside = None
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self._inside = (tag, dict(attributes))
        self.elements.append(self._inside)

    def handle_endtag(self, tag):
        self._inside = None

    def handle_data(self, data):
        tag, attributes = self._inside or ("", {})
        if tag == "script" and attributes.get("type") == "application/json":
            self.data[attributes["id"]] = json.loads(data)
        elif tag == "script":
            self.scripts.append(data)
        elif tag != "style":
            self.text += data

    def all(self, tag, **wanted):
        return [a for t, a in self.elements if t == tag and wanted.items() <= a.items()]


def page_of(tmp_path, trials=STANDARD, **options):
    return Page(render(make_study(tmp_path / "study", trials, **options)))


def squeezed(text):
    return re.sub(r"\s+", " ", text)


def test_the_top_tells_what_was_searched_and_what_may_be_claimed(tmp_path):
    text = squeezed(page_of(tmp_path).text)

    assert "Corpus embedded · space smoke · created 2026-03-01 11:59 UTC" in text
    assert "Protocol holdout, 2 folds, 1 seed." in text
    assert "Protocol in words: held-out session: the search never saw the test speakers." in text
    assert "3 complete, 1 pruned, 1 failed, 1 running" in text
    assert "13 of 15 13 % saved by pruning" in text
    assert "0.1425" in text


def test_the_lock_is_told(tmp_path):
    text = squeezed(page_of(tmp_path).text)

    for shown in ("torch 2.13.0", "aa" * 16, "train 1F, 1M · validate 2F, 2M · test 3F, 3M"):
        assert shown in text
    assert "/data" not in text  # where the corpus lies on the author's machine


def test_every_trial_has_a_row(tmp_path):
    page = page_of(tmp_path)
    rows = [a for a in page.all("tr") if a.get("id", "").startswith("trial-")]

    assert [row["id"] for row in rows] == [f"trial-{number}" for number in range(6)]
    assert [row["class"] for row in rows] == ["front", "", "front", "off", "off", "off"]
    assert "the loss is not finite" in page.text
    assert "pruned at rung 1" in page.text


def test_cells_sort_by_value_not_by_text(tmp_path):
    cells = [a["data-value"] for a in page_of(tmp_path).all("td") if "data-value" in a]

    assert "0.6" in cells
    assert "mfcc+mel" in cells
    assert "" in cells  # a parameter that does not exist for a trial


def test_figures_are_embedded_and_each_has_its_place_and_alternative(tmp_path):
    page = page_of(tmp_path)
    places = {a["data-figure"]: a for a in page.all("div") if "data-figure" in a}

    assert set(places) == {"front", "curve-ua", "curve-ccc", "hypervolume"}
    for name, place in places.items():
        assert page.data[f"figure-{name}"]["data"]
        assert place["role"] == "img"
        assert len(place["aria-label"]) > 30


def test_nothing_points_to_the_network(tmp_path):
    page = page_of(tmp_path)
    (policy,) = [a["content"] for a in page.all("meta") if "http-equiv" in a]

    links = [a.get(key, "") for _, a in page.elements for key in ("src", "href", "action") if key in a]
    assert all(link.startswith(("#", "data:")) for link in links)
    assert "default-src 'none'" in policy
    assert not page.all("script", src="")
    assert "showSendToCloud: false" in page.scripts[1]


def test_the_policy_lets_exactly_the_two_scripts_run(tmp_path):
    page = page_of(tmp_path)
    (policy,) = [a["content"] for a in page.all("meta") if "http-equiv" in a]

    assert len(page.scripts) == 2
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in page.scripts]
    allowed = " ".join(f"'sha256-{value}'" for value in hashes)
    assert f"script-src {allowed};" in policy


def test_whatever_a_study_is_called_stays_text(tmp_path):
    trials = [*STANDARD[:3], FakeTrial("FAIL", [(0.3, 0.1)], reason=HOSTILE)]
    page = page_of(tmp_path, trials, name=HOSTILE)

    assert page.text.count(HOSTILE) == 4  # title, headline, reason among the trials and under failures
    assert len(page.scripts) == 2
    assert "alert" not in "".join(page.scripts[1:])


def test_hostile_parameters_stay_text_in_table_and_figures(tmp_path, monkeypatch):
    monkeypatch.setitem(fakes.SPACE, "streams", CategoricalDistribution((HOSTILE,)))
    page = page_of(tmp_path, [FakeTrial("COMPLETE", [(0.5, 0.2)], {"streams": HOSTILE})])

    assert len(page.scripts) == 2
    names = [trace["name"] for trace in page.data["figure-front"]["data"] if "name" in trace]
    assert any("&lt;script&gt;" in name for name in names)
    assert not any("<script>" in name for name in names)


@pytest.mark.parametrize(
    ("trials", "options", "figures"),
    [
        ((), {}, set()),
        (STANDARD[:1], {}, {"front", "curve-ua", "curve-ccc", "hypervolume"}),
        (STANDARD[3:], {"baselines": None}, {"front", "curve-ua", "curve-ccc"}),
        (STANDARD, {"ledger": False, "baselines": None}, {"front", "hypervolume"}),
        ((FakeTrial("RUNNING"),), {}, set()),
    ],
    ids=["nothing", "one trial", "none complete", "no ledger", "just started"],
)
def test_an_unfinished_study_has_a_report_too(tmp_path, trials, options, figures):
    page = page_of(tmp_path, trials, **options)

    assert {a["data-figure"] for a in page.all("div") if "data-figure" in a} == figures
    assert {name for name in page.data if name != "colours"} == {f"figure-{name}" for name in figures}


def test_a_screen_reader_finds_its_way(tmp_path):
    page = page_of(tmp_path)

    assert page.all("html", lang="en")
    assert len(page.all("h1")) == 1
    assert len(page.all("caption")) == len(page.all("table")) == 3
    assert all("scope" in heading for heading in page.all("th"))
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["aria-labelledby"] for _, a in page.elements if "aria-labelledby" in a} <= set(ids)


def test_a_trial_without_streams_is_no_trouble(tmp_path):
    page = page_of(tmp_path, [FakeTrial("COMPLETE", [(0.5, 0.2)], {"model.width": 16})])

    assert "trials" in [trace.get("name") for trace in page.data["figure-front"]["data"]]


def test_settings_cost_and_ties_are_told(tmp_path):
    study = make_study(tmp_path / "study", random_trials(100), epochs=9, rungs=(1, 3))
    page = Page(render(study))
    text = squeezed(page.text)

    assert {"effects", "importance", "lambda"} <= {a.get("data-figure") for a in page.all("div")}
    assert "ties, not beaten" in text
    assert "flatters itself: expect the best UA" in text
    assert "hours of training" in text
    assert page.all("input", type="search")
    assert len(page.all("caption")) == len(page.all("table"))


def test_studies_are_laid_over_each_other(tmp_path):
    studies = [make_study(tmp_path / n, random_trials(9, seed=i), name=n) for i, n in enumerate("ab")]
    empty = make_study(tmp_path / "c", (), name=HOSTILE)
    page = Page(render_comparison([*studies, empty]))

    names = [trace.get("name") for trace in page.data["figure-front"]["data"]]
    assert {"a", "b"} <= set(names)
    assert len(page.scripts) == 2
    assert page.text.count(HOSTILE) >= 3
    assert "share corpus, classes, folds and objectives" in page.text


def test_studies_without_a_front_are_compared_too(tmp_path):
    page = Page(render_comparison([make_study(tmp_path / n, ()) for n in "ab"]))

    assert "there is no front" in page.text
    assert set(page.data) == {"colours"}


def test_a_third_objective_has_its_column_and_no_curve(tmp_path):
    trials = [replace(t, parameters=1_000_000 // (n + 1)) for n, t in enumerate(random_trials(14))]
    sized = page_of(tmp_path, trials, epochs=9, rungs=(1, 3))
    text = squeezed(sized.text)

    assert "Best Parameters" in text
    assert "above UA 0.25, above CCC 0, below Parameters 1e+08" in text
    assert "1,000,000" in text
    assert set(sized.data) >= {"figure-front", "figure-curve-ua", "figure-curve-ccc", "figure-effects"}
    assert "figure-curve-parameters" not in sized.data
    for name in ("front", "effects"):  # neither a staircase of two objectives nor a count among figures
        named = {trace.get("name") for trace in sized.data[f"figure-{name}"]["data"]}
        assert not named & {"hypervolume", "front", "Parameters"}
