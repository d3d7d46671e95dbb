"""Rules ask of metrics that there are, and each alert has a test and a page that says what to do."""

from __future__ import annotations

import re

from headwise.api.status import STATUSES, status_of
from headwise.telemetry.answers import NAMES
from headwise.telemetry.metric_table import METRICS, REFUSALS, VERSION_STATES
from support.prometheus import DEPLOY, unknown_metrics

DOCS = DEPLOY.parent / "docs"
RULES = (DEPLOY / "prometheus" / "rules" / "headwise.yml").read_text("utf-8")
TESTS = (DEPLOY / "prometheus" / "tests" / "headwise.yml").read_text("utf-8")
PAGE = (DOCS / "operations.md").read_text("utf-8")
ALERTS = re.findall(r"- alert: (\w+)", RULES)


def test_every_alert_has_its_heading_and_every_heading_its_alert() -> None:
    assert len(ALERTS) == len(set(ALERTS)) > 10
    assert re.findall(r"^### (\w+)$", PAGE, re.MULTILINE) == ALERTS


def test_every_alert_says_how_bad_it_is_and_where_to_read_on() -> None:
    for alert, body in zip(ALERTS, RULES.split("- alert: ")[1:], strict=True):
        assert re.search(r"severity: (critical|warning)\n", body)
        assert all(f"{name}: " in body for name in ("summary", "description"))
        assert f"runbook_url: docs/operations.md#{alert.lower()}\n" in body


def test_every_alert_is_tested_to_fire() -> None:
    assert [alert for alert in ALERTS if alert not in TESTS] == []


def test_rules_and_runbooks_name_metrics_and_labels_that_there_are() -> None:
    for text in (RULES, TESTS, PAGE):
        assert unknown_metrics(text) == set()
    named = {value for found in re.findall(r'(?:state|reason)=~?"([^"]+)"', RULES) for value in found.split("|")}
    assert named <= {*VERSION_STATES, *REFUSALS}
    labels = {label for found in re.findall(r"by \(([\w, ]+)\)", RULES) for label in found.split(", ")}
    assert labels <= {label for metric in METRICS.values() for label in metric.labels} | {"job", "instance", "le"}
    assert set(NAMES) <= METRICS.keys()


def test_what_counts_as_failed_is_what_no_caller_is_to_blame_for() -> None:
    (failed,) = set(re.findall(r'model!="",status=~"([^"]+)"', RULES))
    for kind in STATUSES:
        status = status_of(kind.__new__(kind))
        is_failure = status.http >= 500 and status.http != 501
        assert bool(re.fullmatch(failed, str(status.http))) == is_failure, kind
        if is_failure:
            assert re.fullmatch(failed, status.grpc.name), kind


def test_every_error_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", PAGE))
    codes = {kind.code for kind in STATUSES} | {*REFUSALS}
    assert named - codes <= {"json-file", "max-size"}
    assert {"backend-unavailable", "load-failed", "head-config"} <= named


def test_what_the_configuration_names_and_the_page_shows_is_there() -> None:
    assert "rules/*.yml" in (DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8")
    assert [file.name for file in (DEPLOY / "prometheus" / "rules").iterdir()] == ["headwise.yml"]
    assert (DOCS / "dashboard.png").is_file()
