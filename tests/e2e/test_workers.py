"""Several gateway processes behind the same ports are one gateway to whoever calls, starts, stops or scrapes it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.json_format import ParseDict
from prometheus_client.parser import text_string_to_metric_families

from headwise.tfserving.model_service_pb2 import GetModelStatusResponse
from support.gateway_process import GatewayProcess, alive, run_to_its_end
from support.model_repository import BINARY, add_model
from support.server_process import server_process

BODY = b'{"instances": [[1, 2, 3, 4]]}'
PATH = "/v1/models/logit:classify"
CONNECTIONS = 24


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """Arguments that name the models and a model server that has loaded them."""
    models = tmp_path_factory.mktemp("models")
    add_model(models, "logit", {"output_0": BINARY})
    with server_process("--models", str(models)) as server:
        yield "--models", str(models), "--backend", server.addresses[0]


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files, with a short name: a Unix socket's may not be long."""
    folder = Path(tempfile.mkdtemp(prefix="hw-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def gateway(backend: tuple[str, ...], temporary: Path) -> Iterator[GatewayProcess]:
    environment = {"HEADWISE_LOG_FORMAT": "json", "TMPDIR": str(temporary)}
    with GatewayProcess("--workers", "2", *backend, environment=environment) as started:
        yield started.wait_ready()


def workers(gateway: GatewayProcess) -> list[int]:
    """The process ids of those that run."""
    return [pid for pid in gateway.children() if b"headwise.workers.worker" in command(pid)]


def command(pid: int) -> bytes:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def logged(gateway: GatewayProcess, **fields: str) -> list[dict[str, Any]]:
    """The lines of answered requests."""
    lines = [json.loads(line) for line in gateway.log.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "request" and fields.items() <= line.items()]


def classify(gateway: GatewayProcess, times: int) -> None:
    """Each on a connection of its own."""
    for _ in range(times):
        assert httpx.post(f"{gateway.url}{PATH}", content=BODY).status_code == 200


def classified(gateway: GatewayProcess) -> float:
    """How many HTTP requests /metrics tells of, by whichever worker answers."""
    families = text_string_to_metric_families(httpx.get(f"{gateway.url}/metrics").text)
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "headwise_requests_total" and sample.labels["verb"] == "classify"
    )


def list_models(gateway: GatewayProcess) -> None:
    options = (("grpc.use_local_subchannel_pool", 1),)
    with grpc.insecure_channel(gateway.grpc, options) as channel:
        channel.unary_unary("/headwise.v1.ClassificationService/ListModels")(b"", timeout=10)


def test_connections_are_spread_and_every_worker_tells_the_same_sums(gateway: GatewayProcess) -> None:
    classify(gateway, CONNECTIONS)
    for _ in range(CONNECTIONS):
        list_models(gateway)
    methods = ({"path": PATH}, {"method": "headwise.v1.ClassificationService/ListModels"})
    for fields in methods:
        gateway.wait_for(lambda fields=fields: len(logged(gateway, **fields)) == CONNECTIONS)
        assert {line["worker"] for line in logged(gateway, **fields)} == {1, 2}
    assert [classified(gateway) for _ in range(12)] == [CONNECTIONS] * 12
    scrapes = 'headwise_requests_total{model="",status="200",surface="http",verb="other"}'
    assert scrapes in httpx.get(f"{gateway.url}/metrics").text


def figures(gateway: GatewayProcess) -> dict[str, float]:
    """Some of what /metrics tells, by whichever worker answers."""
    text = httpx.get(f"{gateway.url}/metrics").text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    wanted = ("requests_in_flight", "backend_up", "model_version", "predicted_labels_total", "confidence_ratio_count")
    return {name: sum(sample.value for sample in samples if sample.name == f"headwise_{name}") for name in wanted}


def test_gauges_and_answers_are_those_of_all_workers_also_after_one_was_killed(gateway: GatewayProcess) -> None:
    classify(gateway, CONNECTIONS)
    one = {"requests_in_flight": 0, "backend_up": 1, "model_version": 1}
    told = {**one, "predicted_labels_total": CONNECTIONS, "confidence_ratio_count": CONNECTIONS}
    gateway.wait_for(lambda: figures(gateway) == told)
    assert [figures(gateway) for _ in range(6)] == [told] * 6
    os.kill(workers(gateway)[0], signal.SIGKILL)
    gateway.wait_for(lambda: gateway.log.count("worker cannot") == 0 and len(workers(gateway)) == 2)
    time.sleep(1.5)  # for the new one to have told
    assert figures(gateway) == told


def test_a_worker_that_dies_is_restarted_and_requests_go_on(gateway: GatewayProcess) -> None:
    classify(gateway, CONNECTIONS)
    gateway.wait_for(lambda: len(logged(gateway, path=PATH)) == CONNECTIONS)  # counted, each of them
    killed, other = workers(gateway)
    os.kill(killed, signal.SIGKILL)
    gateway.wait_for(lambda: not alive(killed))
    count = CONNECTIONS
    while len({line["worker"] for line in logged(gateway, path=PATH)[CONNECTIONS:]}) < 2:
        classify(gateway, 1)
        count += 1
        time.sleep(0.02)
    assert len(workers(gateway)) == 2
    assert other in workers(gateway)
    gateway.wait_for(lambda: classified(gateway) == count)
    assert "worker 1 ended, restarting" in gateway.log or "worker 2 ended, restarting" in gateway.log
    assert [gateway.log.count(f"headwise {text}") for text in ("starting;", "serving logit 1", "ready;")] == [1, 1, 1]


def test_a_worker_that_dies_is_back_in_two_seconds(gateway: GatewayProcess, temporary: Path) -> None:
    (ready,) = temporary.glob("*/1.ready")
    took = []
    for _ in range(3):  # others may need the machine, too
        reported = ready.stat().st_mtime_ns
        (killed,) = [pid for pid in workers(gateway) if b'"number":1' in command(pid)]
        began = time.monotonic()
        os.kill(killed, signal.SIGKILL)
        gateway.wait_for(lambda reported=reported: ready.stat().st_mtime_ns != reported)
        took.append(time.monotonic() - began)
    assert min(took) <= 2


def test_workers_show_that_they_move(gateway: GatewayProcess, temporary: Path) -> None:
    pulses = sorted(temporary.glob("*/*.pulse"))
    assert [pulse.name for pulse in pulses] == ["1.pulse", "2.pulse"]
    for pulse in pulses:
        seen = pulse.read_bytes()
        gateway.wait_for(lambda pulse=pulse, seen=seen: pulse.read_bytes() != seen)


def test_a_worker_listens_when_it_knows_its_models(backend: tuple[str, ...]) -> None:
    asked, answer = Event(), Event()

    def status(_: bytes, __: grpc.ServicerContext) -> bytes:
        asked.set()
        answer.wait(1)
        loaded = {"version": 1, "state": "AVAILABLE", "status": {}}
        return bytes(ParseDict({"model_version_status": [loaded]}, GetModelStatusResponse()).SerializeToString())

    handler = {"GetModelStatus": grpc.unary_unary_rpc_method_handler(status)}
    with ThreadPoolExecutor(8) as threads:
        slow = grpc.server(threads, [grpc.method_handlers_generic_handler("tensorflow.serving.ModelService", handler)])
        port = slow.add_insecure_port("127.0.0.1:0")
        slow.start()
        with GatewayProcess("--workers", "2", *backend[:2], "--backend", f"127.0.0.1:{port}") as gateway:
            assert asked.wait(30)
            assert refuses(gateway)
            answer.set()
            gateway.wait_for(lambda: not refuses(gateway))
            assert gateway.http.get("/readyz").status_code == 200
        slow.stop(None).wait()


def test_a_stop_under_load_fails_no_request(gateway: GatewayProcess, temporary: Path) -> None:
    started = workers(gateway)
    statuses: list[int] = []
    load = [Thread(target=ask_until_closed, args=(gateway, statuses)) for _ in range(4)]
    with begun(gateway, CONNECTIONS) as finish:
        for thread in load:
            thread.start()
        time.sleep(0.5)
        gateway.process.send_signal(signal.SIGTERM)
        gateway.wait_for(lambda: refuses(gateway))
        assert finish() == [b"HTTP/1.1 200 OK"] * CONNECTIONS
    for thread in load:
        thread.join()
    assert len(statuses) > 20
    assert set(statuses) == {200}
    assert gateway.stop() == 0
    assert not any(map(alive, started))
    assert "Traceback" not in gateway.log
    assert [gateway.log.count(f"headwise {text}") for text in ("stopping", "stopped")] == [1, 1]
    assert list(temporary.iterdir()) == []


@contextmanager
def begun(gateway: GatewayProcess, count: int) -> Iterator[Callable[[], list[bytes]]]:
    """Requests of which the last bytes are sent when the call is made that answers their first lines."""
    head = f"POST {PATH} HTTP/1.1\r\nHost: headwise\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
    with ExitStack() as stack:
        connections = [stack.enter_context(socket.create_connection(address(gateway), 10)) for _ in range(count)]
        for connection in connections:
            connection.sendall(head + BODY[:5])
        time.sleep(0.2)  # for the workers to read them: what they have not begun they need not finish

        def finish() -> list[bytes]:
            for connection in connections:
                connection.sendall(BODY[5:])
            return [connection.recv(15) for connection in connections]

        yield finish


def ask_until_closed(gateway: GatewayProcess, statuses: list[int]) -> None:
    """One request after the other, until the gateway takes none."""
    with suppress(httpx.TransportError), httpx.Client(base_url=gateway.url) as client:
        while True:
            statuses.append(client.post(PATH, content=BODY).status_code)


def address(gateway: GatewayProcess) -> tuple[str, int]:
    host, port = gateway.url.removeprefix("http://").split(":")
    return host, int(port)


def refuses(gateway: GatewayProcess) -> bool:
    """Whether nobody listens for HTTP."""
    with suppress(ConnectionRefusedError), socket.create_connection(address(gateway)):
        return False
    return True


def test_a_stop_while_it_starts_leaves_nothing(backend: tuple[str, ...], temporary: Path) -> None:
    with GatewayProcess("--workers", "2", *backend, environment={"TMPDIR": str(temporary)}) as gateway:
        gateway.wait_for(lambda: len(workers(gateway)) == 2)
        children = gateway.children()
        assert gateway.stop() == 0
        assert not any(map(alive, children))
        assert "Traceback" not in gateway.log
        assert "ready;" not in gateway.log
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("after", ["it is ready", "it has started"])
def test_a_killed_parent_leaves_nothing(after: str, backend: tuple[str, ...], temporary: Path) -> None:
    environment = {"TMPDIR": str(temporary)}
    with GatewayProcess("--workers", "2", *backend[:2], environment=environment) as gateway:
        gateway.wait_for(lambda: len(gateway.children()) == 3)
        if after == "it is ready":
            gateway.wait_ready()
            classify(gateway, 1)
        children = gateway.children()
        gateway.stop(signal.SIGKILL)
        gateway.wait_for(lambda: not any(map(alive, children)))
    assert list(temporary.iterdir()) == []


def test_there_is_one_model_server_and_it_ends_last(backend: tuple[str, ...], temporary: Path) -> None:
    environment = {"TMPDIR": str(temporary)}
    with GatewayProcess("--workers", "2", *backend[:2], environment=environment) as gateway:
        gateway.wait_ready()
        (model_server,) = set(gateway.children()) - set(workers(gateway))
        assert b"model-server" in command(model_server)
        with begun(gateway, 4) as finish:
            gateway.process.send_signal(signal.SIGTERM)
            gateway.wait_for(lambda: refuses(gateway))
            assert alive(model_server)
            assert finish() == [b"HTTP/1.1 200 OK"] * 4
        assert gateway.stop() == 0
        assert not alive(model_server)
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("surface", ["--http", "--grpc"])
def test_a_port_in_use_is_named(gateway: GatewayProcess, backend: tuple[str, ...], surface: str) -> None:
    taken = gateway.grpc if surface == "--grpc" else gateway.url.removeprefix("http://")
    free = "--grpc" if surface == "--http" else "--http"
    for number in ("1", "2"):
        done = run_to_its_end("--workers", number, *backend, surface, taken, free, "127.0.0.1:0")
        assert done.returncode == 2
        assert taken in done.stderr
        assert surface in done.stderr
        assert "Traceback" not in done.stderr
        assert "starting" not in done.stderr
