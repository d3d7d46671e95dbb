"""One trace from a caller over the gateway to the model server, as a collector receives it from their processes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from headwise.telemetry.trail import STAGES
from headwise.v1 import classification_service_pb2 as v1
from support.gateway_process import GatewayProcess
from support.model_repository import BINARY, add_model
from support.otlp_receiver import OtlpReceiver, Received, otlp_receiver
from support.ports import free_port

CALLER = "b7ad6b7169203331"
PATH = "/v1/models/logit:classify"
BODY = {"instances": [[1, 2, 3, 4]]}
PREDICT = "tensorflow.serving.PredictionService/Predict"
SPANS = 1 + len(STAGES) + 2
"""Of a request: its own, its stages, the call, and the model server's."""


def environment(address: str) -> dict[str, str]:
    return {
        "HEADWISE_TRACES": "true",
        "HEADWISE_LOG_FORMAT": "json",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{address}",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    add_model(folder, "logit", {"output_0": BINARY})
    return folder


@pytest.fixture(scope="module")
def receiver() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as found:
        yield found


@pytest.fixture(scope="module")
def gateway(models: Path, receiver: OtlpReceiver) -> Iterator[GatewayProcess]:
    """With the embedded model server."""
    secret = {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=secret"}
    with GatewayProcess("--models", str(models), environment={**environment(receiver.address), **secret}) as started:
        yield started.wait_ready()


def parent(trace: str) -> str:
    return f"00-{trace}-{CALLER}-01"


def by_http(gateway: GatewayProcess, trace: str) -> None:
    headers = {"traceparent": parent(trace)}
    assert gateway.http.post(PATH, json=BODY, headers=headers).status_code == 200


def by_grpc(gateway: GatewayProcess, trace: str) -> None:
    tensor = v1.Tensor(data_type=v1.DATA_TYPE_FLOAT32, shape=(1, 4), content=np.ones(4, "<f4").tobytes())
    request = v1.ClassifyRequest(model=v1.ModelSpec(name="logit"), inputs={"features": tensor})
    with grpc.insecure_channel(gateway.grpc) as channel:
        call = channel.unary_unary("/headwise.v1.ClassificationService/Classify")
        call(request.SerializeToString(), timeout=20, metadata=(("traceparent", parent(trace)),))


def children(spans: Sequence[Received], of: str) -> list[Received]:
    return [one for one in spans if one.span.parent_span_id.hex() == of]


def within(inner: Received, outer: Received) -> bool:
    return (
        outer.span.start_time_unix_nano <= inner.span.start_time_unix_nano
        and inner.span.end_time_unix_nano <= outer.span.end_time_unix_nano
    )


def nanoseconds(one: Received) -> int:
    return int(one.span.end_time_unix_nano - one.span.start_time_unix_nano)


@pytest.mark.parametrize(
    ("ask", "name", "trace"),
    [
        (by_http, "POST /v1/models/{model}:classify", f"{1:032x}"),
        (by_grpc, "headwise.v1.ClassificationService/Classify", f"{2:032x}"),
    ],
)
def test_a_trace_shows_every_stage_across_gateway_and_model_server_with_times_that_add_up(
    gateway: GatewayProcess, receiver: OtlpReceiver, ask: Any, name: str, trace: str
) -> None:
    ask(gateway, trace)
    spans = receiver.wait_for(trace, SPANS)
    assert len(spans) == SPANS
    (root,) = children(spans, CALLER)
    assert (root.span.name, root.service) == (name, "headwise")
    stages = children(spans, root.span.span_id.hex())
    assert tuple(one.span.name for one in stages) == STAGES
    assert sum(map(nanoseconds, stages)) == nanoseconds(root)
    (call,) = children(spans, stages[2].span.span_id.hex())
    (served,) = children(spans, call.span.span_id.hex())
    assert (call.span.name, call.service) == (PREDICT, "headwise")
    assert (served.span.name, served.service) == (PREDICT, "headwise-model-server")
    assert within(served, call)
    assert within(call, stages[2])
    assert nanoseconds(served) > 0
    assert str(call.attributes["server.address"]).endswith("/model-server.sock")


def test_a_call_that_the_model_server_refuses_is_no_failure_of_its_own(
    gateway: GatewayProcess, receiver: OtlpReceiver
) -> None:
    trace = f"{4:032x}"
    headers = {"traceparent": parent(trace)}
    refused = gateway.http.get("/v1/models/logit/versions/77/metadata", headers=headers)
    assert refused.status_code == 404
    root, call, served = receiver.wait_for(trace, 3)
    assert [one.attributes.get("rpc.response.status_code") for one in (call, served)] == ["NOT_FOUND"] * 2
    assert [Status.StatusCode.Name(one.span.status.code) for one in (root, call, served)] == [
        "STATUS_CODE_UNSET",
        "STATUS_CODE_ERROR",
        "STATUS_CODE_UNSET",
    ]


def test_the_log_and_the_metrics_lead_to_the_trace(gateway: GatewayProcess, receiver: OtlpReceiver) -> None:
    trace = f"{3:032x}"
    by_http(gateway, trace)
    (root,) = children(receiver.wait_for(trace, SPANS), CALLER)
    lines = [json.loads(line) for line in gateway.log.splitlines() if trace in line]
    assert [line["span_id"] for line in lines] == [root.span.span_id.hex()]
    accept = {"accept": "application/openmetrics-text;version=1.0.0"}
    assert f'trace_id="{trace}"' in gateway.http.get("/metrics", headers=accept).text


def test_the_model_server_is_told_where_spans_go_and_no_collectors_key(gateway: GatewayProcess) -> None:
    (child,) = gateway.children()
    told = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
    assert any(variable.startswith(b"OTEL_EXPORTER_OTLP_ENDPOINT=") for variable in told)
    assert not any(b"secret" in variable for variable in told)


def test_what_is_not_sent_yet_is_sent_at_the_end_by_each_worker(models: Path) -> None:
    with otlp_receiver() as receiver:
        later = {**environment(receiver.address), "OTEL_BSP_SCHEDULE_DELAY": "60000"}
        with GatewayProcess("--models", str(models), "--workers", "2", environment=later) as gateway:
            gateway.wait_ready()
            traces = [f"{number:032x}" for number in range(1, 25)]
            for trace in traces:  # each on a connection of its own: some come to one worker, some to the other
                headers = {"traceparent": parent(trace)}
                assert httpx.post(f"{gateway.url}{PATH}", json=BODY, headers=headers).status_code == 200
            assert [receiver.of(trace) for trace in traces] == [[]] * len(traces)
            lines = [json.loads(line) for line in gateway.log.splitlines() if '"span_id"' in line]
            assert {line["worker"] for line in lines} == {1, 2}
            assert gateway.stop() == 0
        for trace in traces:
            assert len(receiver.of(trace)) == SPANS


def test_a_collector_that_is_away_harms_nobody_and_is_told_once(models: Path) -> None:
    with GatewayProcess("--models", str(models), environment=environment(f"127.0.0.1:{free_port()}")) as gateway:
        gateway.wait_ready()
        for _ in range(3):
            began = time.monotonic()
            by_http(gateway, f"{9:032x}")
            assert time.monotonic() - began < 5
        gateway.wait_for(lambda: "Transient error" in gateway.log)
        by_http(gateway, f"{9:032x}")
        time.sleep(1.5)
        told = [line for line in gateway.log.splitlines() if "exporting traces" in line]
        assert len([line for line in told if line.startswith("{")]) == 1, told
        began = time.monotonic()
        assert gateway.stop() == 0
        assert time.monotonic() - began < 5


def test_variables_that_are_wrong_are_told(models: Path) -> None:
    wrong = GatewayProcess(
        "--models",
        str(models),
        "--backend",
        "127.0.0.1:1",
        environment={"HEADWISE_TRACES": "true", "OTEL_EXPORTER_OTLP_TIMEOUT": "soon"},
    )
    assert wrong.process.wait(30) == 2
    wrong.wait_for(lambda: "OTEL_*" in wrong.log)
    assert "could not convert string to float: 'soon'" in wrong.log
    assert "Traceback" not in wrong.log
