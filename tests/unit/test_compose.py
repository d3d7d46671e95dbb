"""docker-compose.yml: the real compose accepts it; images, mounts, start order and health checks are as promised."""

from __future__ import annotations

import json
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

from headwise.batching.lane import Limits
from headwise.gateway.gateway import ONE_BY_ONE
from headwise.settings import Settings
from headwise.tfserving import model_server_config_pb2
from support.compose import EMBEDDED, PLAIN, ROOT, compose
from support.example_models import NAMES

MODEL_CONFIG = ROOT / "deploy/tensorflow-serving/models.config"
IN_CONTAINER = "/etc/tensorflow-serving/models.config"
MODELS = "/srv/models"
SERVING = ("model-server", "gateway")
MONITORING = ("prometheus", "grafana")

both = pytest.mark.parametrize("files", [PLAIN, EMBEDDED], ids=["tensorflow-serving", "embedded"])


@cache
def services(files: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """The services as compose understands them: merged, with every default written out."""
    done = compose("--profile", "monitoring", "config", "--format", "json", files=files)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)["services"]
    return found


@both
@pytest.mark.parametrize("profile", [(), ("--profile", "monitoring")], ids=["alone", "monitoring"])
def test_compose_accepts_the_files(files: tuple[str, ...], profile: tuple[str, ...]) -> None:
    done = compose(*profile, "config", "-q", files=files)
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


def test_every_knob_is_in_the_example_with_its_default() -> None:
    text = (ROOT / PLAIN[0]).read_text("utf-8")
    knobs = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", text))
    assert len(re.findall(r"(?<!\$)\$\{?\w", text)) == len(re.findall(r"\$\{\w+:-", text)), "without a default"
    passed_on = re.findall(r"^ +((?:HEADWISE|OTEL)_\w+):$", text, re.MULTILINE)
    (arguments,) = set(re.findall(r"args: \[(.*)\]", text))
    example = dict(re.findall(r"^#(\w+)=(.*)$", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE))
    assert example.keys() == {*knobs, *passed_on, *arguments.split(", ")}
    assert {knob: example[knob] for knob in knobs} == knobs
    settings = {knob.removeprefix("HEADWISE_").lower() for knob in passed_on if knob.startswith("HEADWISE_")}
    assert settings <= Settings.model_fields.keys()
    dockerfile = (ROOT / "service/Dockerfile").read_text("utf-8")
    assert f"\nARG BASE_IMAGE={example['BASE_IMAGE']}\n" in dockerfile


@both
def test_ports_are_published_to_this_machine_alone_and_only_the_gateways_without_a_profile(
    files: tuple[str, ...],
) -> None:
    published = {
        name: [(port["host_ip"], port["published"], port["target"]) for port in service.get("ports", [])]
        for name, service in services(files).items()
    }
    assert published == {
        "gateway": [("127.0.0.1", "8080", 8080), ("127.0.0.1", "8081", 8081)],
        "model-server": [],
        "train": [],
        "prometheus": [("127.0.0.1", "9090", 9090)],
        "grafana": [("127.0.0.1", "3000", 3000)],
    }
    assert [name for name, service in services(files).items() if service.get("profiles")] == sorted(MONITORING)


@both
def test_the_model_server_reaches_the_gateway_and_nothing_else(files: tuple[str, ...]) -> None:
    networks = json.loads(compose("config", "--format", "json", files=files).stdout)["networks"]
    on = {name: set(service.get("networks") or {}) for name, service in services(files).items()}
    assert networks["models"]["internal"] is True
    assert [name for name in on if "models" in on[name]] == ["gateway", "model-server"]
    assert on["model-server"] == {"models"}
    assert services(files)["train"]["network_mode"] == "none"


@both
def test_every_service_has_a_memory_limit_and_what_serves_is_restarted(files: tuple[str, ...]) -> None:
    assert [name for name, service in services(files).items() if not service.get("mem_limit")] == []
    restarted = {name for name, service in services(files).items() if service.get("restart") == "unless-stopped"}
    assert restarted == {*SERVING, *MONITORING}


def test_tensorflow_serving_takes_as_many_calls_as_a_worker_makes() -> None:
    (threads,) = [flag for flag in services(PLAIN)["model-server"]["command"] if "grpc_max_threads" in flag]
    assert int(threads.partition("=")[2]) > Limits().calls_in_all + ONE_BY_ONE.calls_in_all


@both
def test_anybody_may_call_only_what_this_machine_alone_reaches(files: tuple[str, ...]) -> None:
    gateway = services(files)["gateway"]
    assert gateway["environment"]["HEADWISE_ALLOW_ANONYMOUS"] == "true"
    assert {port["host_ip"] for port in gateway["ports"]} == {"127.0.0.1"}


@both
def test_a_service_has_a_root_that_it_cannot_write_and_no_rights(files: tuple[str, ...]) -> None:
    for name, service in services(files).items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert re.fullmatch(r"[1-9]\d*:\d+", service["user"]), name


def mounts(service: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    """Where to what, and whether it is read-only."""
    return {mount["target"]: (mount["source"], mount.get("read_only", False)) for mount in service["volumes"]}


@both
def test_models_are_a_volume_that_only_the_training_writes(files: tuple[str, ...]) -> None:
    config = {"/etc/tensorflow-serving": (str(MODEL_CONFIG.parent), True)}
    for name in SERVING:
        assert mounts(services(files)[name]) == {MODELS: ("models", True), **config}
    assert mounts(services(files)["train"]) == {MODELS: ("models", False), **config}


def test_models_of_ones_own_are_a_folder() -> None:
    done = compose("config", "--format", "json", files=PLAIN, environment={"MODELS": "./models"})
    for name in ("train", *SERVING):
        assert mounts(json.loads(done.stdout)["services"][name])[MODELS][0] == str(ROOT / "models")


def test_what_watches_reads_its_configuration_from_deploy() -> None:
    prometheus, grafana = (mounts(services(PLAIN)[name]) for name in MONITORING)
    deploy = ROOT / "deploy"
    assert prometheus["/etc/prometheus"] == (str(deploy / "prometheus"), True)
    assert grafana == {
        "/etc/grafana/provisioning": (str(deploy / "grafana/provisioning"), True),
        "/var/lib/grafana/dashboards": (str(deploy / "grafana/dashboards"), True),
    }


@both
def test_nothing_serves_before_the_models_are_trained(files: tuple[str, ...]) -> None:
    condition = services(files)["model-server"]["depends_on"]["train"]["condition"]
    assert condition == "service_completed_successfully"
    assert services(files)["train"]["command"] == ["--listed-in", IN_CONTAINER]


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
    assert [model.base_path for model in models] == [f"{MODELS}/{model.name}" for model in models]
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
