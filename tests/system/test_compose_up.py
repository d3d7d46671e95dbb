"""`docker compose up` with the embedded model server, on a real engine: `make e2e-compose`."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from support.compose import EMBEDDED, ROOT, compose
from support.engine import Engine, found_engine
from support.example_models import NAMES
from support.ports import free_port
from support.server_process import eventually

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1800)]

PROJECT = "headwise-e2e"
WINE = [13.2, 1.78, 2.14, 11.2, 100, 2.65, 2.76, 0.26, 1.28, 4.38, 1.05, 3.4, 1050]
Summarize = Callable[[str, object], None]


@dataclass(frozen=True)
class Stack:
    """The services of this project on an engine."""

    engine: Engine
    base: str
    environment: dict[str, str]

    def compose(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return compose("-p", PROJECT, *arguments, files=EMBEDDED, environment=self.environment, timeout_s=1200)

    def done(self, *arguments: str) -> str:
        """What compose wrote, if it succeeded."""
        done = self.compose(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def state(self, service: str) -> dict[str, Any]:
        state: dict[str, Any] = self.engine.inspect(f"{PROJECT}-{service}-1")["State"]
        return state

    def python(self, service: str, code: str) -> str:
        """Run it in the service's container."""
        return self.done("exec", "-T", service, "python", "-c", code).strip()

    def ask(self) -> httpx.Response:
        address = self.environment["PUBLISH_HTTP"]
        return httpx.post(f"http://{address}/v1/models/wine:classify", json={"instances": [WINE]}, timeout=10)

    def left(self) -> dict[str, list[dict[str, Any]]]:
        return {kind: self.engine.of_project(kind, PROJECT) for kind in ("containers", "networks", "volumes")}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Built, and up from nothing: no model is trained."""
    folder = tmp_path_factory.mktemp("engine")
    with found_engine(folder) as engine:
        default = re.findall(r"^ARG BASE_IMAGE=(\S+)", (ROOT / "service/Dockerfile").read_text("utf-8"), re.MULTILINE)
        base = engine.base_image(os.environ.get("BASE_IMAGE", default[0]), folder)
        passed_on = {name: os.environ[name] for name in ("PIP_CERT",) if name in os.environ}
        stack = Stack(
            engine,
            base,
            {
                "DOCKER_HOST": f"unix://{engine.path}",
                "DOCKER_BUILDKIT": "0",  # podman has none
                "BASE_IMAGE": base,
                "PUBLISH_HTTP": f"127.0.0.1:{free_port()}",
                "PUBLISH_GRPC": f"127.0.0.1:{free_port()}",
                **passed_on,
            },
        )
        stack.done("down", "--volumes")  # of a run that was killed
        stack.done("build")
        with engine.checking_health(PROJECT):
            try:
                stack.done("up", "--wait")
                yield stack
            finally:
                stack.compose("down", "--volumes")


def test_the_example_models_are_trained_and_a_request_is_answered(stack: Stack, record_property: Summarize) -> None:
    answer = stack.ask()
    assert answer.status_code == 200
    assert answer.json()["predictions"][0]["label"] == "Barolo"
    trained = stack.done("logs", "train", "--no-log-prefix").strip().splitlines()[-1]
    assert trained.startswith(f"{len(NAMES)} example models exported")
    record_property("summary", f"{stack.engine.name}: {trained}; a wine is a Barolo")


def test_the_gateways_image_adds_at_most_150_mb_to_its_base(stack: Stack, record_property: Summarize) -> None:
    base = stack.engine.size(stack.base)
    added = {name: stack.engine.size(f"{PROJECT}-{name}") - base for name in ("gateway", "model-server", "train")}
    sizes = ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in added.items())
    record_property("summary", f"beside a base of {base / 1e6:.0f} MB: {sizes}")
    assert added["gateway"] <= 150e6


def test_a_service_is_nobody_and_writes_nothing(stack: Stack) -> None:
    writes = "import os; print(os.getuid(), [path for path in ('/', '/srv/models') if os.access(path, os.W_OK)])"
    assert {stack.python(service, writes) for service in ("gateway", "model-server")} == {"65532 []"}


def test_the_model_server_reaches_the_gateway_and_no_other_network(stack: Stack) -> None:
    networks = stack.engine.inspect(f"{PROJECT}-gateway-1")["NetworkSettings"]["Networks"]
    addresses = {name.removeprefix(f"{PROJECT}_"): network["IPAddress"] for name, network in networks.items()}

    def reached(address: str) -> bool:
        tries = f"import socket; s = socket.socket(); s.settimeout(3); print(s.connect_ex(('{address}', 8080)))"
        return stack.python("model-server", tries) == "0"

    assert {name: reached(address) for name, address in addresses.items()} == {"models": True, "default": False}


def test_a_model_server_that_is_killed_comes_back(stack: Stack, record_property: Summarize) -> None:
    before = stack.state("model-server")["StartedAt"]
    # Every process but the first, which ends with its child, and the killer itself.
    stack.python("model-server", "import os, signal; os.kill(-1, signal.SIGKILL)")
    killed = time.monotonic()
    eventually(lambda: stack.ask().status_code == 503)
    eventually(lambda: stack.ask().status_code == 200, timeout_s=60)
    recovered = time.monotonic() - killed
    assert stack.state("model-server")["StartedAt"] != before
    record_property("summary", f"killed, the model server answers again after {recovered:.1f} s")


def test_what_is_stopped_ends_well_and_starts_again_without_training(stack: Stack) -> None:
    stack.done("stop")
    assert {service: stack.state(service)["ExitCode"] for service in ("gateway", "model-server")} == {
        "gateway": 0,
        "model-server": 0,
    }
    stack.done("up", "--wait")
    assert stack.ask().status_code == 200
    assert stack.done("logs", "train", "--no-log-prefix").strip().endswith("already there")


def test_down_leaves_nothing(stack: Stack, record_property: Summarize) -> None:
    assert [len(found) for found in stack.left().values()] == [3, 2, 1]
    stack.done("down", "--volumes")
    assert stack.left() == {"containers": [], "networks": [], "volumes": []}
    record_property("summary", "down: no container, network or volume is left")
