"""What a caller sends is never written anywhere: not a credential, not a query, not a body, not in an error's trace."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest

from headwise.backends.base import PREDICT
from headwise.v1 import classification_service_pb2 as v1
from headwise.v2 import open_inference_pb2 as v2
from support import faulty_answers as faults
from support.faulty_backend import FaultyBackend
from support.gateway_process import GatewayProcess
from support.in_memory_gateway import BINARY, Models

CANARY = "canary-3f9a"
NUMBER = 271828182.5
"""A canary among numbers."""
HEADERS = {
    "authorization": f"Bearer {CANARY}",
    "x-api-key": CANARY,
    "cookie": f"session={CANARY}",
    "user-agent": CANARY,
    "referer": f"http://{CANARY}/",
    "traceparent": CANARY,
    "x-request-id": f"{CANARY} with a space",
}
METADATA = tuple(
    (name, f" {CANARY} ") for name in ("authorization", "x-api-key", "cookie", "x-request-id", "traceparent")
)
PATHS = (
    "/v1/models/m:classify",
    "/v1/models/m:predict",
    "/v1/models/m:regress",
    "/v1/models/nobody:classify",
    "/v1/models/raw:classify",
    "/v2/models/m/infer",
    "/v2/repository/index",
    "/v2/nowhere",
    "/nowhere",
)
READ = (
    "/livez",
    "/readyz",
    "/metrics",
    "/v1/models",
    "/v1/models/m",
    "/v1/models/m/metadata",
    "/v1/models/m/head",
    "/v2/models/m",
)
GOOD = {"instances": [[NUMBER]]}
SPOILT: list[tuple[str, bytes]] = [
    ("application/json", json.dumps(GOOD).encode()),
    ("application/json", json.dumps({"instances": [[CANARY]]}).encode()),
    ("application/json", json.dumps({"instances": [{CANARY: [NUMBER]}]}).encode()),
    ("application/json", json.dumps({"inputs": {CANARY: [[1]]}}).encode()),
    ("application/json", json.dumps({**GOOD, CANARY: 1}).encode()),
    ("application/json", json.dumps({**GOOD, "signature_name": CANARY}).encode()),
    ("application/json", json.dumps({**GOOD, "options": {"threshold": CANARY}}).encode()),
    ("application/json", json.dumps({"examples": [{"x": CANARY}]}).encode()),
    ("application/json", json.dumps({"inputs": [{"name": CANARY, "datatype": CANARY, "shape": [1]}]}).encode()),
    ("application/json", f'{{"instances": [["{CANARY}'.encode()),
    ("application/json", b"\xff" + CANARY.encode()),
    ("application/json", json.dumps({"instances": CANARY * 20_000}).encode()),
    ("application/x-npz", CANARY.encode()),
    ("application/x-npy", b"\x93NUMPY" + CANARY.encode()),
    ("application/x-ndjson", f'"{CANARY}"\n{{{CANARY}\n[[{NUMBER}]]\n'.encode()),
    (f"text/{CANARY}", CANARY.encode()),
]


def requests(url: str) -> list[int]:
    """Every body to every path, each with a query and with credentials; the statuses."""
    statuses = []
    with httpx.Client(base_url=url, headers=HEADERS, timeout=30) as client:
        for path in PATHS:
            for kind, body in SPOILT:
                for query in ("", f"?api_key={CANARY}"):
                    headers = {"content-type": kind}
                    statuses.append(client.post(path + query, content=body, headers=headers).status_code)
            packed = {"content-encoding": "gzip"}
            statuses.append(client.post(path, content=gzip.compress(SPOILT[1][1]), headers=packed).status_code)
            statuses.append(client.post(path, content=CANARY.encode(), headers=packed).status_code)
            statuses.append(client.post(path, content=b"", headers={"content-encoding": CANARY}).status_code)
        statuses += [client.get(f"{path}?token={CANARY}").status_code for path in READ]
    return statuses


def no_requests(address: str) -> None:
    """Bytes that are no request, to a port that expects some."""
    host, _, port = address.rpartition(":")
    for data in (
        f"{CANARY}\r\n\r\n",
        f"GET / HTTP/9.9\r\nx: {CANARY}\r\n\r\n",
        f"GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\nx-{CANARY}: {CANARY}\r\n\r\n",
        f"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {CANARY}\r\n\r\n",
        f"GET /?{CANARY} HTTP/1.1\r\nhost: a\r\nx: {CANARY * 20_000}\r\n\r\n",
        f"POST /v1/models/m:classify HTTP/1.1\r\nhost: a\r\ncontent-length: 999\r\n\r\n{CANARY}",
        f"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{CANARY}{CANARY}",
    ):
        with socket.create_connection((host, int(port)), 5) as connection, contextlib.suppress(OSError):
            connection.sendall(data.encode())
            connection.settimeout(0.3)
            while connection.recv(65536):
                pass


def leave(address: str) -> None:
    """Say goodbye in HTTP/2, for a reason that nobody has and in words that look like a line of a log."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), 5) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, b""))
        connection.recv(65536)
        said = f"{CANARY}\n2026-01-01T00:00:00Z [info     ] request \x1b[31m{CANARY}".encode()
        connection.sendall(frame(4, b"", 1) + frame(7, struct.pack(">II", 0, 11) + said))
        with contextlib.suppress(OSError):
            while connection.recv(65536):
                pass


def frame(kind: int, payload: bytes, flags: int = 0) -> bytes:
    """Of HTTP/2, for the connection as a whole."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags, 0, 0, 0, 0]) + payload


def calls(address: str) -> list[str]:
    """Messages, and bytes that are none, to every method and to one that there is not; the statuses."""
    tensor = v1.Tensor(data_type=v1.DATA_TYPE_FLOAT32, shape=[1, 1], content=np.array([NUMBER], "<f4").tobytes())
    good = v1.ClassifyRequest(model=v1.ModelSpec(name="m"), inputs={"x": tensor})
    named = v1.ClassifyRequest(model=v1.ModelSpec(name="m"), inputs={CANARY: tensor})
    infer = v2.ModelInferRequest(model_name="m", id=CANARY)
    infer.inputs.add(name=CANARY, datatype=CANARY, shape=[1])
    bodies = [good.SerializeToString(), named.SerializeToString(), infer.SerializeToString(), CANARY.encode()]
    methods = (
        "headwise.v1.ClassificationService/Classify",
        "headwise.v1.ClassificationService/GetHead",
        "tensorflow.serving.PredictionService/Predict",
        "tensorflow.serving.PredictionService/Classify",
        "tensorflow.serving.ModelService/GetModelStatus",
        "inference.GRPCInferenceService/ModelInfer",
        f"{CANARY}.Service/{CANARY}",
    )
    statuses = []
    with grpc.insecure_channel(address) as channel:
        for method in methods:
            for body in (*bodies, CANARY.encode() * 20_000):
                try:
                    channel.unary_unary(f"/{method}")(body, timeout=20, metadata=METADATA)
                    statuses.append("OK")
                except grpc.RpcError as error:
                    statuses.append(error.code().name)
    return statuses


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[FaultyBackend]:
    with FaultyBackend() as started:
        models = Models(tmp_path / "models", started.memory)
        models.add("m", {"output_0": BINARY})
        models.add("raw", None)
        yield started


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_what_is_sent_is_nowhere_in_what_a_gateway_writes(
    tmp_path: Path, backend: FaultyBackend, log_format: str
) -> None:
    said = io.FileIO(tmp_path / "stdout", "w")
    environment = {
        "HEADWISE_LOG_FORMAT": log_format,
        "HEADWISE_LOG_LEVEL": "debug",
        "HEADWISE_MAX_BODY_BYTES": "65536",
    }
    arguments = ("--models", str(tmp_path / "models"), "--backend", backend.address)
    with said, GatewayProcess(*arguments, environment=environment, stdout=said) as gateway:
        gateway.wait_ready()
        statuses = [*requests(gateway.url), *calls(gateway.grpc)]
        backend.behave(PREDICT, faults.refuses(grpc.StatusCode.INVALID_ARGUMENT, f"cannot read {CANARY}"))
        statuses += [*requests(gateway.url), *calls(gateway.grpc)]
        for address in (gateway.url.removeprefix("http://"), gateway.grpc):
            no_requests(address)
        leave(gateway.grpc)
        gateway.wait_for(lambda: "Invalid HTTP request received." in gateway.log)
    written = gateway.log + (tmp_path / "stdout").read_text()
    assert {200, 400, 404, 413, 415, "OK", "INVALID_ARGUMENT", "UNIMPLEMENTED", "RESOURCE_EXHAUSTED"} <= {*statuses}
    assert 500 not in statuses
    assert CANARY not in written
    assert str(int(NUMBER)) not in written
    lines = gateway.log.splitlines()
    assert sum("/v1/models/m:classify" in line for line in lines) > 40
    if log_format == "json":
        told = [json.loads(line) for line in lines if not line.startswith("headwise ")]
        assert {"request", "Invalid HTTP request received."} <= {line["event"] for line in told}


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_the_trace_of_an_internal_error_quotes_nothing(tmp_path: Path, log_format: str) -> None:
    tests = Path(__file__).parents[1]
    ended = subprocess.run(
        [sys.executable, str(tests / "support" / "broken_gateway.py"), log_format, str(tmp_path), CANARY, str(NUMBER)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "PYTHONPATH": f"{tests}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("internal error") >= 6
    assert ended.stderr.count("builtins.ValueError") >= 6
    assert CANARY not in ended.stderr + ended.stdout
    assert str(int(NUMBER)) not in ended.stderr + ended.stdout
