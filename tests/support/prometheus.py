"""A real Prometheus over a gateway, by the files of deploy/ with shorter times."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from headwise.telemetry.metric_table import METRICS
from support.ports import free_port

DEPLOY = Path(__file__).parents[2] / "deploy"
_RULES = (DEPLOY / "prometheus" / "rules" / "headwise.yml").read_text("utf-8")
_RECORDED = set(re.findall(r"- record: (\S+)", _RULES))
_NAME = re.compile(r"(?<![\w./:-])(?:\w+:)?headwise_\w+(?::\w+)?")


def unknown_metrics(text: str) -> set[str]:
    """The names of metrics in a text that neither a gateway tells nor a rule records."""
    parts = {f"{name}{part}" for name in METRICS for part in ("", "_bucket", "_sum", "_count")}
    return set(_NAME.findall(text)) - parts - _RECORDED


class Prometheus:
    """Asked over its HTTP API."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=f"{url}/api/v1", timeout=30)

    def __enter__(self) -> Prometheus:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ask(self, path: str, **parameters: Any) -> Any:
        """The data of an answer."""
        answer = self._http.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def query(self, expression: str) -> list[Any]:
        """An instant vector, as the API has it."""
        found: list[Any] = self.ask("query", query=expression)["result"]
        return found

    def firing(self) -> set[str]:
        """The names of the alerts that fire now."""
        return {alert["labels"]["alertname"] for alert in self.ask("alerts")["alerts"] if alert["state"] == "firing"}

    def wait_for(self, condition: Callable[[Prometheus], bool], seconds: float = 60) -> None:
        """Wait until a condition holds."""
        give_up = time.monotonic() + seconds
        while not condition(self):
            if time.monotonic() > give_up:
                raise AssertionError(f"not within {seconds} s")
            time.sleep(0.1)

    def is_ready(self) -> bool:
        """While it starts it refuses, and then answers 503."""
        try:
            return httpx.get(f"{self.url}/-/ready").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def prometheus(folder: Path, gateway: str, *, interval: str = "500ms") -> Iterator[Prometheus]:
    """Prometheus over a gateway at HOST:PORT. interval: between scrapes, and evaluations of the rules.

    The files are those of deploy/prometheus but for the target, the intervals and what alerts wait `for`: 1 s.
    """
    shutil.copytree(DEPLOY / "prometheus", folder)
    _rewrite(folder / "prometheus.yml", {r"(_interval): .*": rf"\1: {interval}", r"\bgateway:8080": gateway})
    _rewrite(folder / "rules" / "headwise.yml", {r"(\n +for): .*": r"\1: 1s"})
    address = f"127.0.0.1:{free_port()}"
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--log.level=warn",
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            with Prometheus(f"http://{address}") as started:
                started.wait_for(Prometheus.is_ready)
                yield started
        finally:
            process.terminate()


def _rewrite(file: Path, replacements: dict[str, str]) -> None:
    """Replace patterns of a file, each of which must be there."""
    text = file.read_text("utf-8")
    for pattern, replacement in replacements.items():
        text, times = re.subn(pattern, replacement, text)
        assert times, f"{pattern} is not in {file.name}"
    file.write_text(text, "utf-8")
