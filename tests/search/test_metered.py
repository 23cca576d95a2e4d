"""Metrics as Prometheus would read them from a real node, and the dashboard that shows them."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import ray

from serhpo.search.metered import Metered
from tests.cluster.conftest import private_cluster
from tests.fakes import make_study

DASHBOARD = Path(__file__).parents[2] / "cluster" / "grafana.json"


class Recorder:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *told: self.heard.append(name)


def scrape(port: int, until: str) -> dict[str, float]:
    """Our metrics on a node, by name and tags, as soon as one is there."""
    for _ in range(300):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
            text = page.read().decode()
        lines = (line for line in text.splitlines() if line.startswith("ray_serhpo"))
        found = {}
        for line in lines:
            name, tags, value = re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line).groups()  # type: ignore[union-attr]
            own = re.findall(r'((?:study|state|how)="[^"]*")', tags)
            found[f"{name}{{{','.join(sorted(own))}}}"] = float(value)
        if until in found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"no {until} in {found}")


@pytest.mark.slow
@pytest.mark.skipif(find_spec("prometheus_client") is None, reason="needs ray[default], the extra `cluster`")
def test_a_nodes_endpoint_tells_how_the_search_stands_and_the_dashboard_shows_it(tmp_path: Path) -> None:
    study, listener = make_study(tmp_path / "demo"), Recorder()
    counts = study.counts()
    trial = next(trial for trial in study.trials() if trial.state == "COMPLETE")
    with private_cluster(_system_config={"metrics_report_interval_ms": 500}) as cluster:
        ray.init(cluster.address, log_to_driver=False)
        metered = Metered(study, {"found": 3, "fetched": 0, "built": 1}, listener)  # type: ignore[arg-type]
        metered.ended(trial)  # written down late: not counted twice
        metered.started(3, 0, 2)
        for number in (7, 8, 7):
            metered.epoch({"trial": number})
        metered.ended(trial)
        (node,) = ray.nodes()
        found = scrape(node["MetricsExportPort"], 'ray_serhpo_epochs_total{study="demo"}')
    assert listener.heard == ["ended", "started", "epoch", "epoch", "epoch", "ended"]
    expected = {
        'ray_serhpo_epochs_total{study="demo"}': 3,
        'ray_serhpo_front_size{study="demo"}': len(study.front()),
        'ray_serhpo_hypervolume{study="demo"}': pytest.approx(study.hypervolume()),
        'ray_serhpo_trials_fitting{study="demo"}': 2,
        'ray_serhpo_cache_files_total{how="built",study="demo"}': 1,
        'ray_serhpo_cache_files_total{how="found",study="demo"}': 3,
        'ray_serhpo_trials{state="COMPLETE",study="demo"}': counts["COMPLETE"] + 1,
        'ray_serhpo_trials{state="PRUNED",study="demo"}': counts["PRUNED"],
        'ray_serhpo_trials{state="FAIL",study="demo"}': counts["FAIL"],
        'ray_serhpo_trials{state="RUNNING",study="demo"}': 2,
    }
    assert found == expected
    shown = {name for panel in json.loads(DASHBOARD.read_text())["panels"] for name in names(panel)}
    assert shown == {name.partition("{")[0] for name in expected}


def names(panel: dict[str, Any]) -> list[str]:
    return [name for target in panel["targets"] for name in re.findall(r"ray_\w+", target["expr"])]


def test_the_dashboards_panels_are_whole() -> None:
    document = json.loads(DASHBOARD.read_text())
    ids = [panel["id"] for panel in document["panels"]]
    assert len(ids) == len(set(ids))
    variables = {variable["name"] for variable in document["templating"]["list"]}
    for panel in document["panels"]:
        assert panel["title"]
        for target in panel["targets"]:
            assert set(re.findall(r"\$(\w+)", target["expr"])) <= variables
            assert target["expr"].count("(") == target["expr"].count(")")
    places = [tuple(panel["gridPos"][axis] for axis in "xy") for panel in document["panels"]]
    assert len(places) == len(set(places))
