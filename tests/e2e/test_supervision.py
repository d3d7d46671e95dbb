"""Starting, a dying model server, and stopping: said plainly, healed where it can be, nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import httpx
import pytest

from support.gateway_process import GatewayProcess, alive, run_to_its_end
from support.model_repository import BINARY, add_model

GOOD = {"instances": [[1, 2, 3, 4]]}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    add_model(tmp_path, "logit", {"output_0": BINARY})
    return tmp_path


def listening(model_server: int) -> str:
    """Where a model server listens, by its process id."""
    command = Path(f"/proc/{model_server}/cmdline").read_text().split("\0")
    return command[command.index("--listen") + 1]


def test_a_model_server_that_dies_is_restarted_and_readyz_says_so(models: Path) -> None:
    with GatewayProcess("--models", str(models)) as gateway:
        gateway.wait_ready()
        (child,) = gateway.children()
        os.kill(child, signal.SIGKILL)
        gateway.wait_for(lambda: gateway.http.get("/readyz").status_code == 503)
        assert "model server" in gateway.http.get("/readyz").json()["reason"]
        assert gateway.http.get("/livez").status_code == 200
        refused = gateway.classify("logit", GOOD)
        assert (refused.status_code, refused.json()["code"]) == (503, "backend-unavailable")
        assert refused.headers["retry-after"] == "1"
        gateway.wait_ready()
        assert gateway.classify("logit", GOOD).status_code == 200
        assert gateway.children() != [child]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing_running(models: Path, number: int) -> None:
    with GatewayProcess("--models", str(models)) as gateway:
        gateway.wait_ready()
        (child,) = gateway.children()
        assert gateway.stop(number) == 0
        assert not alive(child)
        assert "Traceback" not in gateway.log


def test_a_signal_while_it_starts_leaves_nothing_running(models: Path) -> None:
    with GatewayProcess("--models", str(models)) as gateway:
        gateway.wait_for(gateway.children)
        (child,) = gateway.children()
        assert gateway.stop() == 0
        assert not alive(child)
        assert "Traceback" not in gateway.log


def test_a_killed_gateway_takes_its_model_server_along(models: Path) -> None:
    with GatewayProcess("--models", str(models)) as gateway:
        gateway.wait_ready()
        (child,) = gateway.children()
        folder = Path(listening(child).removeprefix("unix:")).parent
        assert folder.is_dir()
        gateway.stop(signal.SIGKILL)
        gateway.wait_for(lambda: not alive(child))
        assert not folder.exists()


def test_without_backend_it_is_up_and_says_what_is_missing(models: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
    with GatewayProcess("--models", str(models), "--backend", address) as gateway:
        assert gateway.http.get("/livez").status_code == 200
        gateway.wait_for(lambda: address in (gateway.http.get("/readyz").json()["reason"] or ""))
        ready = gateway.http.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["models"]["logit"]["ready"] is False
        answer = gateway.classify("logit", GOOD)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        raw = gateway.http.post("/v1/models/logit:predict", json=GOOD)
        assert raw.status_code == 503
        assert address in raw.json()["error"]


def test_a_real_backend_address_serves_the_same(models: Path) -> None:
    with GatewayProcess("--models", str(models)) as owner:
        owner.wait_ready()
        target = listening(owner.children()[0])
        with GatewayProcess("--models", str(models), "--backend", target) as second:
            second.wait_ready()
            answers = [g.classify("logit", GOOD).json()["predictions"] for g in (owner, second)]
            assert answers[0] == answers[1]
            assert second.children() == []


@pytest.mark.parametrize("surface", ["--http", "--grpc"])
def test_a_port_in_use_is_named(models: Path, surface: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        free = "--grpc" if surface == "--http" else "--http"
        done = run_to_its_end("--models", str(models), surface, address, free, "127.0.0.1:0")
    assert done.returncode == 2
    assert address in done.stderr
    assert surface in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--models", "/nowhere"], "/nowhere: no such folder"),
        (["--http", "nonsense"], "no HOST:PORT"),
        (["--config", "/nowhere.toml"], "/nowhere.toml: no such file"),
        (["--model-config-file", "/nowhere.config"], "/nowhere.config"),
    ],
)
def test_wrong_settings_are_named(models: Path, arguments: list[str], part: str) -> None:
    defaults = {"--models": str(models), "--http": "127.0.0.1:0", "--grpc": "127.0.0.1:0"}
    others = [part for flag, value in defaults.items() if flag not in arguments for part in (flag, value)]
    done = run_to_its_end(*others, *arguments)
    assert done.returncode == 2
    assert part in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_come_from_file_environment_and_flags_in_that_order(models: Path, tmp_path: Path) -> None:
    config = tmp_path / "headwise.toml"
    config.write_text('models = "/from/file"\nlog_format = "console"\n')
    environment = {"HEADWISE_MODELS": "/from/environment", "HEADWISE_LOG_FORMAT": "json"}
    with GatewayProcess("--config", str(config), "--models", str(models), environment=environment) as gateway:
        gateway.wait_ready()
        httpx.get(f"{gateway.url}/v1/models")
        gateway.wait_for(lambda: '"path":"/v1/models"' in gateway.log)
