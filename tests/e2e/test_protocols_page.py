"""docs/protocols.md is true: every example in Python runs, and no path and no method is missing."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor import FileDescriptor

from headwise.tfserving import services_pb2
from headwise.v1 import classification_service_pb2
from headwise.v2 import open_inference_pb2
from support.example_models import Examples
from support.gateway_process import GatewayProcess

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "protocols.md").read_text("utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
V2 = re.findall(r"```python v2\n(.*?)```", PAGE, re.DOTALL)
CLIENTS = ROOT / ".venv-clients" / "bin" / "python"

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def gateway(examples: Examples) -> Iterator[GatewayProcess]:
    with GatewayProcess("--models", str(examples.models)) as process:
        yield process.wait_ready()


def run(python: str | Path, code: str, gateway: GatewayProcess, examples: Examples) -> str:
    """Run an example where its models are, against this gateway."""
    told = code.replace("127.0.0.1:8080", gateway.url.removeprefix("http://")).replace("127.0.0.1:8081", gateway.grpc)
    told = told.replace('"models/', f'"{examples.models}/')
    ended = subprocess.run([str(python), "-c", told], capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("code", PYTHON, ids=range(len(PYTHON)))
def test_every_example_runs(code: str, gateway: GatewayProcess, examples: Examples) -> None:
    assert run(sys.executable, code, gateway, examples)


def test_the_v2_example_runs(gateway: GatewayProcess, examples: Examples) -> None:
    (code,) = V2
    assert CLIENTS.exists(), "the client's environment is missing: make .venv-clients/.complete (make test does it)"
    assert "benign" in run(CLIENTS, code, gateway, examples)


def test_there_is_an_example_for_each_client() -> None:
    code = "\n".join(PYTHON)
    for client in (
        "HeadwiseClient(",
        "AsyncHeadwiseClient(",
        "requests.post",
        "PredictionServiceStub",
        "v1.ClassifyRequest",
    ):
        assert client in code


def test_every_path_is_named(gateway: GatewayProcess) -> None:
    paths = gateway.http.get("/openapi.json").json()["paths"]
    for path in paths:
        before, _, verb = path.replace("{model}", "NAME").partition(":")
        assert f"{before}:{verb}" in PAGE or (f"{before}:" in PAGE and f"`:{verb}`" in PAGE) or f"{before}`" in PAGE, (
            path
        )


@pytest.mark.parametrize(
    "file", [classification_service_pb2.DESCRIPTOR, services_pb2.DESCRIPTOR, open_inference_pb2.DESCRIPTOR]
)
def test_every_method_is_named(file: FileDescriptor) -> None:
    for service in file.services_by_name.values():
        for method in service.methods:
            assert f"`{method.name}`" in PAGE, method.full_name
