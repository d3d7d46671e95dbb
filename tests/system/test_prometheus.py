"""A real Prometheus by the files of deploy/ scrapes a gateway, evaluates the rules, and answers the dashboard."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dashboard
import grpc
import pytest

from support.gateway_process import GatewayProcess
from support.model_repository import recorded_repository
from support.prometheus import DEPLOY, Prometheus, prometheus

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "headwise.json").read_text("utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
VARIABLES = {"$job": "headwise", "$instance": ".*", "$model": ".*", "$__rate_interval": "1m"}
EMPTY = {"Golden records": "none of these models has any"}
"""Panels that have nothing to show here, and why."""


class Watched:
    """A gateway with an embedded model server, and a Prometheus that scrapes it."""

    def __init__(self, gateway: GatewayProcess, server: Prometheus) -> None:
        self.gateway = gateway
        self.server = server

    def traffic(self) -> None:
        """Something for every panel: answers, abstentions, errors of callers and of models."""
        for value in (9, -9, 0.1):
            self.gateway.classify("logit", {"instances": [[value] * 4]})
            self.gateway.classify("softmax4", {"instances": [[value] * 4]})
        self.gateway.classify("logit", {"instances": [[0] * 4], "options": {"abstain": {"floor": 0.99}}})
        self.gateway.classify("logit", {"instances": [["no number"]]})
        self.gateway.classify("nobody", {"instances": [[1]]})
        self.gateway.classify("nanout", {"instances": [1.0, 2.0]})
        with grpc.insecure_channel(self.gateway.grpc) as channel:
            channel.unary_unary("/headwise.v1.ClassificationService/ListModels")(b"", timeout=20)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    with GatewayProcess("--models", str(recorded_repository(folder / "models"))) as gateway:
        gateway.wait_ready(120)
        with prometheus(folder / "prometheus", gateway.url.removeprefix("http://")) as server:
            server.wait_for(lambda of: [one["value"][1] for one in of.query('up{job="headwise"}')] == ["1"])
            yield Watched(gateway, server)


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "rules/headwise.yml"),
        ("test", "rules", "tests/headwise.yml"),
    ],
    ids=" ".join,
)
def test_promtool_has_nothing_to_say(arguments: tuple[str, ...]) -> None:
    done = promtool(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def promtool(*arguments: str, told: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["promtool", *arguments],
        cwd=DEPLOY / "prometheus",
        input=told,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_promtool_finds_no_fault_with_the_metrics(watched: Watched) -> None:
    watched.traffic()
    done = promtool("check", "metrics", told=watched.gateway.http.get("/metrics").text)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_rule_is_evaluated(watched: Watched) -> None:
    def evaluated(server: Prometheus) -> bool:
        rules = [rule for group in server.ask("rules")["groups"] for rule in group["rules"]]
        return len(rules) == 20 and all(rule["health"] == "ok" for rule in rules)

    watched.server.wait_for(evaluated)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_every_panel_has_something_to_show(watched: Watched, panel: dict[str, Any]) -> None:
    """Some traffic, then the queries as Grafana sends them."""
    expressions = [target["expr"] for target in panel["targets"]]
    for name, value in VARIABLES.items():
        expressions = [expression.replace(name, value) for expression in expressions]

    def shown(server: Prometheus) -> bool:
        watched.traffic()
        return all(
            any(math.isfinite(float(one["value"][1])) for one in server.query(expression)) for expression in expressions
        )

    if panel["title"] in EMPTY:
        assert not shown(watched.server), f"{panel['title']} is no longer empty: {EMPTY[panel['title']]}"
    else:
        watched.server.wait_for(shown, 20)


def test_an_alert_fires_when_the_model_server_is_killed_and_clears_when_it_is_back(watched: Watched) -> None:
    """The gateway starts another one, which takes as long as TensorFlow takes to be imported."""
    server, gateway = watched.server, watched.gateway
    server.wait_for(lambda of: "HeadwiseBackendAway" not in of.firing())
    (model_server,) = gateway.children()
    os.kill(model_server, signal.SIGKILL)
    server.wait_for(lambda of: "HeadwiseBackendAway" in of.firing())
    gateway.wait_for(lambda: gateway.classify("logit", {"instances": [[1] * 4]}).status_code == 200, 120)
    server.wait_for(lambda of: "HeadwiseBackendAway" not in of.firing())


def test_an_alert_fires_when_the_gateway_is_gone(tmp_path: Path) -> None:
    models = recorded_repository(tmp_path / "models")
    with (
        GatewayProcess("--models", str(models), "--backend", "127.0.0.1:1") as gateway,
        prometheus(tmp_path / "prometheus", gateway.url.removeprefix("http://")) as server,
    ):
        server.wait_for(lambda of: "HeadwiseBackendAway" in of.firing())
        assert "HeadwiseGatewayDown" not in server.firing()
        gateway.stop()
        server.wait_for(lambda of: "HeadwiseGatewayDown" in of.firing())


def test_the_dashboard_can_be_drawn(watched: Watched, tmp_path: Path) -> None:
    file = tmp_path / "dashboard.png"
    dashboard.draw(watched.server.url, 1, file)
    assert file.read_bytes().startswith(b"\x89PNG")
