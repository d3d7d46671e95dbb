"""The dashboard is the generated one, asks of metrics that there are, and is found where Grafana looks for it."""

from __future__ import annotations

import json
import re
import runpy

from headwise.telemetry.metric_table import METRICS
from support.prometheus import DEPLOY, unknown_metrics

GRAFANA = DEPLOY / "grafana"
TEXT = (GRAFANA / "dashboards" / "headwise.json").read_text("utf-8")
DASHBOARD = json.loads(TEXT)
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def test_the_file_is_the_generated_one() -> None:
    assert runpy.run_path(str(GRAFANA / "dashboard.py"))["text"]() == TEXT, "python deploy/grafana/dashboard.py"


def test_every_metric_is_shown_and_no_other() -> None:
    assert unknown_metrics(TEXT) == set()
    assert [name for name in METRICS if name not in TEXT] == []


def test_what_counts_as_failed_is_what_the_rules_say() -> None:
    rules = (DEPLOY / "prometheus" / "rules" / "headwise.yml").read_text("utf-8")
    (told,) = set(re.findall(r'status=~"([^"]+)"', TEXT.replace('\\"', '"')))
    assert set(re.findall(r'status=~"([^"]+)"', rules)) == {told}


def test_panels_have_titles_of_their_own_and_lie_beside_each_other() -> None:
    assert len({panel["title"] for panel in PANELS}) == len(PANELS)
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    assert len({(at["x"], at["y"]) for at in places}) == len(places)
    assert max(at["x"] + at["w"] for at in places) == 24


def test_grafana_is_told_of_prometheus_and_of_the_dashboard() -> None:
    source, provider = (next((GRAFANA / "provisioning" / name).iterdir()) for name in ("datasources", "dashboards"))
    assert "url: http://prometheus:9090\n" in source.read_text("utf-8")
    assert "path: /var/lib/grafana/dashboards\n" in provider.read_text("utf-8")
