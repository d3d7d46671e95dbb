"""A request's trace: from its caller over the gateway's stages to the model server, whichever way it comes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from structlog.testing import capture_logs

from headwise.backends.addresses import lookup
from headwise.backends.base import METADATA, PREDICT, STATUS
from headwise.backends.replicas import Replicas
from headwise.backends.tfserving import TFServingBackend
from headwise.savedmodel.tensors import to_proto
from headwise.telemetry.metrics import Metrics
from headwise.tfserving import prediction_service_pb2
from headwise.v1 import classification_service_pb2 as v1
from headwise.v2 import open_inference_pb2 as v2
from support import faulty_answers as faults
from support.faulty_backend import FaultyBackend
from support.in_memory_gateway import BINARY, Models
from support.spans import SAMPLED, SPAN, TRACE, UNSAMPLED, Spans, add_up, ids, said, span_id
from support.surfaces import Surfaces, serving

pytestmark = pytest.mark.anyio

PATH = "/v1/models/m:classify"
BODY = {"instances": [[1.0], [2.0]]}
LONG_WAY = {"accept": "application/json, */*"}
Headers = Mapping[str, str]
NONE: Headers = {}


@dataclass(frozen=True)
class Traced:
    """A gateway whose requests are traced, before a model server that remembers what it was asked."""

    surfaces: Surfaces
    spans: Spans
    backend: FaultyBackend

    async def post(self, headers: Headers = NONE, body: Any = BODY, path: str = PATH) -> httpx.Response:
        return await self.surfaces.http.post(path, json=body, headers=dict(headers))

    @property
    def handed_on(self) -> list[str | bytes | None]:
        """What the model server was told with each Predict."""
        return [call.metadata.get("traceparent") for call in self.backend.seen(PREDICT)]


@asynccontextmanager
async def traced(folder: Path, spans: Spans | None = None) -> AsyncIterator[Traced]:
    spans = spans or Spans()
    async with FaultyBackend() as backend:
        models = Models(folder, backend.memory)
        models.add("m", {"output_0": BINARY})
        server = TFServingBackend(backend.address, tracing=spans.tracing)
        async with serving(models, backend=server, tracing=spans.tracing) as surfaces:
            yield Traced(surfaces, spans, backend)
        await server.close()


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Traced]:
    async with traced(tmp_path) as found:
        yield found


def metadata(headers: Headers) -> tuple[tuple[str, str], ...]:
    return tuple(headers.items())


async def short(gateway: Traced, headers: Headers) -> None:
    assert (await gateway.post(headers)).status_code == 200


async def long(gateway: Traced, headers: Headers) -> None:
    assert (await gateway.post({**headers, **LONG_WAY})).status_code == 200


async def of_a_version(gateway: Traced, headers: Headers) -> None:
    assert (await gateway.post(headers, path="/v1/models/m/versions/1:classify")).status_code == 200


async def tfs_http(gateway: Traced, headers: Headers) -> None:
    assert (await gateway.post(headers, path="/v1/models/m:predict")).status_code == 200


async def v2_http(gateway: Traced, headers: Headers) -> None:
    tensor = {"name": "x", "datatype": "FP32", "shape": [2, 1], "data": [1.0, 2.0]}
    answer = await gateway.post(headers, {"inputs": [tensor]}, "/v2/models/m/infer")
    assert answer.status_code == 200, answer.text


async def headwise_grpc(gateway: Traced, headers: Headers) -> None:
    tensor = v1.Tensor(data_type=v1.DATA_TYPE_FLOAT32, shape=(2, 1), content=np.ones(2, "<f4").tobytes())
    request = v1.ClassifyRequest(model=v1.ModelSpec(name="m"), inputs={"x": tensor})
    await gateway.surfaces.grpc.Classify(request, timeout=20, metadata=metadata(headers))


async def tfs_grpc(gateway: Traced, headers: Headers) -> None:
    request = prediction_service_pb2.PredictRequest(inputs={"x": to_proto(np.ones((2, 1), np.float32))})
    request.model_spec.name = "m"
    call = gateway.surfaces.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    await call(request.SerializeToString(), timeout=20, metadata=metadata(headers))


async def v2_grpc(gateway: Traced, headers: Headers) -> None:
    request = v2.ModelInferRequest(model_name="m")
    tensor = request.inputs.add(name="x", datatype="FP32", shape=(2, 1))
    tensor.contents.fp32_contents.extend((1.0, 2.0))
    call = gateway.surfaces.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    await call(request.SerializeToString(), timeout=20, metadata=metadata(headers))


Way = Callable[[Traced, Headers], Awaitable[None]]
WAYS: dict[str, Way] = {
    "POST /v1/models/{model}:classify": short,
    "POST /v1/models/{model}/versions/{version}:classify": of_a_version,
    "POST /v1/models/{model}:predict": tfs_http,
    "POST /v2/models/{model}/infer": v2_http,
    "headwise.v1.ClassificationService/Classify": headwise_grpc,
    "tensorflow.serving.PredictionService/Predict": tfs_grpc,
    "inference.GRPCInferenceService/ModelInfer": v2_grpc,
}
"""Requests by the names of their spans."""
EITHER = pytest.mark.parametrize("way", [short, long, headwise_grpc])


async def ended(gateway: Traced, requests: int = 1) -> list[ReadableSpan]:
    """The requests' spans: a caller may be answered before its trace has ended."""
    async with asyncio.timeout(5):
        while len(gateway.spans.roots) < requests:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    assert len(gateway.spans.roots) == requests
    return gateway.spans.roots


@pytest.mark.parametrize(("name", "way"), [*WAYS.items(), ("POST /v1/models/{model}:classify", long)])
async def test_one_tree_from_the_caller_over_the_stages_to_the_model_server(
    gateway: Traced, name: str, way: Way
) -> None:
    await way(gateway, {"traceparent": SAMPLED, "tracestate": "rojo=00f067aa0ba902b7"})
    (root,) = await ended(gateway)
    assert root.name == name
    assert root.parent is not None
    assert (f"{root.parent.trace_id:032x}", f"{root.parent.span_id:016x}") == (TRACE, SPAN)
    assert {ids(span)[0] for span in gateway.spans.all} == {TRACE}
    stages = gateway.spans.stages(root)
    assert add_up(root, stages)
    (call,) = gateway.spans.under(stages[2])
    assert (call.name, call.kind.name) == ("tensorflow.serving.PredictionService/Predict", "CLIENT")
    assert (stages[2].start_time or 0) <= (call.start_time or 0) < (call.end_time or 0) <= (stages[2].end_time or 0)
    assert gateway.handed_on == [f"00-{TRACE}-{ids(call)[1]}-01"]
    assert gateway.backend.seen(PREDICT)[0].metadata["tracestate"] == "rojo=00f067aa0ba902b7"


async def test_spans_say_what_was_asked_and_how_it_went(gateway: Traced) -> None:
    await short(gateway, {"x-request-id": "id-1"})
    await headwise_grpc(gateway, {"x-request-id": "id-2"})
    http, rpc = await ended(gateway, 2)
    told = {"headwise.model": "m", "headwise.model.version": 1, "headwise.rows": 2, "headwise.verb": "classify"}
    assert said(http) == {
        **told,
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": "/v1/models/{model}:classify",
        "url.path": PATH,
        "url.scheme": "http",
        "headwise.request_id": "id-1",
    }
    assert said(rpc) == {
        **told,
        "rpc.system.name": "grpc",
        "rpc.method": "headwise.v1.ClassificationService/Classify",
        "rpc.response.status_code": "OK",
        "headwise.request_id": "id-2",
    }
    backend = gateway.spans.stages(http)[2]
    assert said(backend) == {"headwise.batch.requests": 1, "headwise.batch.rows": 2}
    host, port = gateway.backend.address.split(":")
    assert said(gateway.spans.under(backend)[0]) == {
        "rpc.system.name": "grpc",
        "rpc.method": "tensorflow.serving.PredictionService/Predict",
        "rpc.response.status_code": "OK",
        "server.address": host,
        "server.port": int(port),
    }


@EITHER
async def test_what_the_caller_does_not_record_nobody_does_and_the_model_server_hears_of_it(
    gateway: Traced, way: Way
) -> None:
    await way(gateway, {"traceparent": UNSAMPLED})
    assert gateway.spans.all == ()
    (told,) = gateway.handed_on
    assert str(told).startswith(f"00-{TRACE}-")
    assert str(told).endswith("-00")
    assert SPAN not in str(told)


async def test_a_sampler_decides_where_no_caller_does(tmp_path: Path) -> None:
    async with traced(tmp_path, Spans(ALWAYS_OFF)) as gateway:
        await short(gateway, {})
        assert gateway.spans.all == ()
        assert int(str(gateway.handed_on[0])[-2:], 16) & 1 == 0


@EITHER
@pytest.mark.parametrize("told", [f"00-{'0' * 32}-{SPAN}-01", f"ff-{TRACE}-{SPAN}-01", f"00-{TRACE}-01", "", "x" * 600])
async def test_a_context_that_cannot_be_read_is_none(gateway: Traced, way: Way, told: str) -> None:
    await way(gateway, {"traceparent": told})
    (root,) = await ended(gateway)
    assert root.parent is None
    assert ids(root)[0] != TRACE


@pytest.mark.parametrize("recorded", [(True, True, True), (False, True, True), (False, False, True)])
async def test_a_call_for_several_is_in_the_trace_of_the_first_and_the_others_have_links(
    gateway: Traced, recorded: tuple[bool, ...]
) -> None:
    traces = [f"{number:032x}" for number in (1, 2, 3)]
    await asyncio.gather(
        *(
            gateway.post({"traceparent": f"00-{trace}-{SPAN}-{'01' if on else '00'}"})
            for trace, on in zip(traces, recorded, strict=True)
        )
    )
    assert len(gateway.backend.seen(PREDICT)) == 1
    roots = await ended(gateway, sum(recorded))
    assert all(add_up(root, gateway.spans.stages(root)) for root in roots)
    first, *others = [gateway.spans.stages(root)[2] for root in roots]
    assert ids(first)[0] == traces[recorded.index(True)]
    assert [call.name for call in gateway.spans.under(first)] == ["tensorflow.serving.PredictionService/Predict"]
    assert first.links == ()
    for other in others:
        assert [link.context for link in other.links] == [first.context]
        assert gateway.spans.under(other) == []
    assert {tuple(said(span).values()) for span in (first, *others)} == {(6, 3)}


async def test_a_failure_of_the_model_server_is_one_of_each_span(gateway: Traced) -> None:
    gateway.backend.behave(PREDICT, faults.refuses(grpc.StatusCode.UNAVAILABLE, "secret"))
    answers = await asyncio.gather(gateway.post(), gateway.post())
    assert [answer.status_code for answer in answers] == [503, 503]
    for root in await ended(gateway, 2):
        assert root.status.status_code.name == "ERROR"
        assert said(root)["error.type"] == said(root)["headwise.error.code"] == "backend-unavailable"
        (backend,) = gateway.spans.stages(root)
        assert said(backend)["error.type"] == "backend-unavailable"
        assert backend.status.status_code.name == "ERROR"
        for call in gateway.spans.under(backend):
            assert said(call)["error.type"] == said(call)["rpc.response.status_code"] == "UNAVAILABLE"
            assert call.status.status_code.name == "ERROR"
    assert [span.kind.name for span in gateway.spans.all].count("CLIENT") == 1
    assert "secret" not in "".join(span.to_json() for span in gateway.spans.all)


async def test_a_failure_over_grpc_is_that_of_the_gateway_or_of_its_caller(gateway: Traced) -> None:
    gateway.backend.behave(PREDICT, faults.refuses(grpc.StatusCode.UNAVAILABLE, "away"))
    with pytest.raises(grpc.aio.AioRpcError):
        await headwise_grpc(gateway, {})
    request = v1.ClassifyRequest(model=v1.ModelSpec(name="nobody"))
    with pytest.raises(grpc.aio.AioRpcError):
        await gateway.surfaces.grpc.Classify(request, timeout=20)
    failed, refused = await ended(gateway, 2)
    assert (said(failed)["rpc.response.status_code"], failed.status.status_code.name) == ("UNAVAILABLE", "ERROR")
    assert (said(refused)["rpc.response.status_code"], refused.status.status_code.name) == ("NOT_FOUND", "UNSET")


@pytest.mark.parametrize("way", [{}, LONG_WAY])
async def test_a_callers_mistake_is_no_failure_and_not_quoted(gateway: Traced, way: Headers) -> None:
    assert (await gateway.post(way, {"instances": [["secret"]]})).status_code == 400
    (root,) = await ended(gateway)
    assert root.status.status_code.name == "UNSET"
    assert said(root)["headwise.error.code"] == "invalid-tensor"
    assert "error.type" not in said(root)
    assert "secret" not in root.to_json()


async def test_a_call_that_nobody_waits_for_ends_its_span(gateway: Traced) -> None:
    gateway.backend.behave(PREDICT, faults.never)
    asking = asyncio.create_task(gateway.post(LONG_WAY))
    async with asyncio.timeout(5):
        while not gateway.backend.seen(PREDICT):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    asking.cancel()
    (root,) = await ended(gateway)
    async with asyncio.timeout(5):
        while len(gateway.spans.all) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    (backend,) = gateway.spans.stages(root)
    assert said(backend)["error.type"] == "CancelledError"
    assert said(gateway.spans.under(backend)[0])["rpc.response.status_code"] == "CANCELLED"


async def test_a_second_try_is_a_second_call_of_the_same_stage(tmp_path: Path) -> None:
    spans = Spans()
    async with FaultyBackend() as bad, FaultyBackend() as good:
        good.memory = bad.memory
        models = Models(tmp_path, good.memory)
        models.add("m", {"output_0": BINARY})
        bad.behave(PREDICT, faults.refuses(grpc.StatusCode.UNAVAILABLE, "away"))

        servers = lookup(f"{bad.address},{good.address}")
        replicas = Replicas(servers, lambda target: TFServingBackend(target, tracing=spans.tracing), Metrics())
        async with serving(models, backend=replicas, tracing=spans.tracing) as surfaces:
            gateway = Traced(surfaces, spans, good)
            for _ in range(2):  # they are asked in turn
                assert (await gateway.post()).status_code == 200
            roots = await ended(gateway, 2)
        await replicas.close()
    calls = [spans.under(spans.stages(root)[2]) for root in roots]
    assert sorted([said(call)["rpc.response.status_code"] for call in some] for some in calls) == [
        ["OK"],
        ["UNAVAILABLE", "OK"],
    ]
    assert {said(call)["server.port"] for some in calls for call in some} == {
        int(server.address.rpartition(":")[2]) for server in (bad, good)
    }


async def test_what_is_asked_of_the_model_server_at_once_is_the_requests_own(gateway: Traced) -> None:
    looked = len(gateway.backend.seen(STATUS))
    assert (await gateway.surfaces.http.get("/v1/models/m", headers={"traceparent": SAMPLED})).status_code == 200
    (root,) = await ended(gateway)
    assert root.name == "GET /v1/models/{model}"
    (call,) = gateway.spans.under(root)
    assert call.name == "tensorflow.serving.ModelService/GetModelStatus"
    told = [seen.metadata.get("traceparent") for seen in gateway.backend.seen(STATUS)]
    assert told == [*[None] * looked, f"00-{TRACE}-{ids(call)[1]}-01"]
    assert {seen.metadata.get("traceparent") for seen in gateway.backend.seen(METADATA)} <= {None}


async def test_probes_have_no_trace_and_a_path_without_a_form_no_name(gateway: Traced) -> None:
    for path in ("/livez", "/readyz", "/metrics", f"/nothing/{'x' * 2000}"):
        await gateway.surfaces.http.get(path)
    (root,) = await ended(gateway)
    assert root.name == "GET"
    assert len(said(root)["url.path"]) == 512
    assert said(root)["http.response.status_code"] == 404


async def test_each_answer_of_a_stream_has_its_stages(gateway: Traced) -> None:
    lines = b"\n".join(b"[%d]" % number for number in range(300))
    headers = {"content-type": "application/x-ndjson", "traceparent": SAMPLED}
    answer = await gateway.surfaces.http.post(PATH, content=lines, headers=headers)
    assert len(answer.text.splitlines()) == 300

    async def requests() -> AsyncIterator[v1.ClassifyStreamRequest]:
        for number in range(100):
            tensor = v1.Tensor(data_type=v1.DATA_TYPE_FLOAT32, shape=(1, 1), content=np.ones(1, "<f4").tobytes())
            asked = v1.ClassifyRequest(model=v1.ModelSpec(name="m"), inputs={"x": tensor})
            yield v1.ClassifyStreamRequest(id=str(number), request=asked)

    answers = [one async for one in gateway.surfaces.grpc.ClassifyStream(requests(), timeout=20)]
    assert len(answers) == 100
    http, rpc = await ended(gateway, 2)
    for root, least in ((http, 1), (rpc, 100)):
        names = [span.name for span in gateway.spans.stages(root)]
        assert (names[0], names[-1]) == ("parse", "encode")
        assert names.count("queue") == names.count("head") >= least
    assert said(rpc)["headwise.rows"] == 100
    backends = [span for span in gateway.spans.stages(rpc) if span.name == "backend"]
    assert sum(said(span)["headwise.batch.rows"] for span in backends) >= 100


@EITHER
async def test_the_log_names_the_trace(gateway: Traced, way: Way) -> None:
    with capture_logs() as lines:
        await way(gateway, {"traceparent": SAMPLED})
        await way(gateway, {"traceparent": UNSAMPLED})
        (root,) = await ended(gateway)
        async with asyncio.timeout(5):
            while len(lines) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
    assert [(line.get("trace_id"), line.get("span_id")) for line in lines] == [ids(root), (None, None)]


async def test_the_metrics_name_a_trace_for_who_accepts_openmetrics(gateway: Traced) -> None:
    await short(gateway, {"traceparent": SAMPLED})
    await ended(gateway)
    accept = {"accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}
    open_metrics = await gateway.surfaces.http.get("/metrics", headers=accept)
    shown = [line for line in open_metrics.text.splitlines() if "# {" in line]
    assert len(shown) == 1
    assert shown[0].startswith("headwise_request_duration_seconds_bucket{")
    assert f'# {{trace_id="{TRACE}"}}' in shown[0]
    assert TRACE not in (await gateway.surfaces.http.get("/metrics")).text


async def test_requests_at_once_keep_to_their_own_traces(gateway: Traced) -> None:
    """Whoever wakes the batcher does not lend its trace to the calls of others."""
    await asyncio.gather(*(gateway.post({"traceparent": f"00-{number:032x}-{SPAN}-01"}) for number in range(1, 41)))
    for root in await ended(gateway, 40):
        assert add_up(root, gateway.spans.stages(root))
    assert len(gateway.handed_on) == [span.kind.name for span in gateway.spans.all].count("CLIENT")
    parents = {span_id(span): ids(span)[0] for span in gateway.spans.all}
    for span in gateway.spans.all:
        if span.kind.name != "SERVER":
            assert span.parent is not None
            assert parents[span.parent.span_id] == ids(span)[0]


async def test_without_traces_the_model_server_is_told_nothing(tmp_path: Path) -> None:
    async with FaultyBackend() as backend:
        models = Models(tmp_path, backend.memory)
        models.add("m", {"output_0": BINARY})
        server = TFServingBackend(backend.address)
        async with serving(models, backend=server) as surfaces:
            answer = await surfaces.http.post(PATH, content=json.dumps(BODY), headers={"traceparent": SAMPLED})
            assert answer.status_code == 200
        await server.close()
    assert "traceparent" not in backend.seen(PREDICT)[0].metadata
