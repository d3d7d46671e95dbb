"""TensorFlow Serving's calls reach the models, and every error comes back in its form."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Literal, cast

import httpx
import pytest
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from headwise.admission import Admission
from headwise.api.rest.exchange import Exchange
from headwise.api.rest.middleware import Envelope
from headwise.api.rest.tfs.answers import error
from headwise.api.rest.tfs.routes import RawModels, TfsRoutes, refusal
from headwise.api.rest.watch import Watch
from headwise.api.timeouts import Timeouts
from headwise.backends.base import Arrays, RawPrediction
from headwise.backends.in_memory import InMemoryBackend, InMemoryModel
from headwise.errors import (
    BackendRejectedError,
    BackendTimeoutError,
    BackendUnavailableError,
    HeadConfigError,
    HeadwiseError,
    NonFiniteOutputError,
    PayloadTooLargeError,
    UnsupportedError,
)
from headwise.repository.model_spec import ModelSpec
from headwise.savedmodel import Signature
from headwise.telemetry.metrics import Metrics
from headwise.telemetry.requests import Requests
from headwise.tfserving import prediction_service_pb2, saved_model_pb2
from support.recordings import MODELS

pytestmark = pytest.mark.anyio

_LOGIT = MODELS / "logit" / "1"
"""The signature is that of the recorded model: (batch, 4) float32 to output_0."""

_OTHER_SIGNATURE = b'{"signature_name": "z"}'


def _model() -> InMemoryModel:
    saved = saved_model_pb2.SavedModel.FromString((_LOGIT / "saved_model.pb").read_bytes())
    return InMemoryModel(
        saved.meta_graphs[0].signature_def,
        lambda inputs: {"output_0": inputs["features"].sum(axis=1, keepdims=True)},
    )


class Models(InMemoryBackend):
    """The backend as the gateway offers it; `failure` is what every prediction meets."""

    failure: HeadwiseError | None = None

    async def predict(
        self, spec: ModelSpec, inputs: Arrays, *, timeout: float, outputs: tuple[str, ...] = ()
    ) -> RawPrediction:
        if self.failure is not None:
            raise self.failure
        return await super().predict(spec, inputs, timeout=timeout, outputs=outputs)

    async def signatures(self, spec: ModelSpec, *, timeout: float) -> Mapping[str, Signature]:
        packed = (await self.metadata(spec, timeout=timeout)).metadata["signature_def"].value
        protos = prediction_service_pb2.SignatureDefMap.FromString(packed).signature_def
        return {name: Signature.from_proto(proto) for name, proto in protos.items()}


TIMEOUTS = Timeouts(5, 5)


async def _classify(_: Scope, receive: Receive, spec: ModelSpec) -> Response:
    return PlainTextResponse(f"{spec} got {len((await receive())['body'])} bytes")


def _enveloped(app: ASGIApp) -> Envelope:
    return Envelope(
        app,
        Requests("http", Metrics(), lambda name: name == "m"),
        Watch(),
        max_body_bytes=2**20,
        timeouts=TIMEOUTS,
        admission=Admission(),
    )


@asynccontextmanager
async def _client(models: Models, nonfinite: Literal["error", "bare"] = "error") -> AsyncIterator[httpx.AsyncClient]:
    # The head-aware calls of a gateway are tested through the whole application: test_example_answers.py.
    app = TfsRoutes(cast(RawModels, models), _classify, nonfinite)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(_enveloped(app)), base_url="http://test") as client:
        yield client


def _two_versions() -> Models:
    return Models({"m": {1: _model(), 2: _model()}}, {"m": {"stable": 1}})


@pytest.mark.parametrize("place", ["", "/versions/1", "/labels/stable"])
async def test_predict_answers_the_models_own_numbers(place: str) -> None:
    async with _client(_two_versions()) as client:
        response = await client.post(f"/v1/models/m{place}:predict", content=b'{"instances": [[1, 2, 3, 4.5]]}')
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.text == '{\n    "predictions": [[10.5]\n    ]\n}'


async def test_status_and_metadata_are_passed_through() -> None:
    async with _client(_two_versions()) as client:
        status = (await client.get("/v1/models/m")).json()
        metadata = (await client.get("/v1/models/m/versions/1/metadata")).json()
    assert [entry["version"] for entry in status["model_version_status"]] == ["2", "1"]
    assert metadata["model_spec"] == {"name": "m", "version": "1", "signature_name": ""}
    assert "serving_default" in metadata["metadata"]["signature_def"]["signature_def"]


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("/v1/models/nope:predict", b"{", 400, "JSON Parse error: Missing a name for object member. at offset: 1"),
        ("/v1/models/nope:predict", b"{}", 404, "Servable not found for request: Latest(nope)"),
        ("/v1/models/m:predict", _OTHER_SIGNATURE, 400, 'Serving signature name: "z" not found in signature def'),
        ("/v1/models/m:predict", b"{}", 400, "Missing 'inputs' or 'instances' key"),
        ("/v1/models/m/labels/x:predict", b"{}", 400, "Unrecognized servable version label: x"),
    ],
)  # fmt: skip
async def test_errors_come_in_the_order_of_tfs(path: str, body: bytes, status: int, text: str) -> None:
    async with _client(_two_versions()) as client:
        response = await client.post(path, content=body)
    assert (response.status_code, response.json()) == (status, {"error": text})


async def test_nan_input_is_taken_and_nan_output_refused_unless_bare_is_set() -> None:
    path, body = "/v1/models/m:predict", b'{"instances": [[NaN, 0, 0, 0]]}'
    async with _client(_two_versions()) as client:
        refused = await client.post(path, content=body)
    async with _client(_two_versions(), "bare") as client:
        bare = await client.post(path, content=body)
    assert (refused.status_code, refused.json()) == (
        502,
        {"error": "output 'output_0' is not finite in 1 of 1 rows: 0"},
    )
    assert (bare.status_code, bare.text) == (200, '{\n    "predictions": [[NaN]\n    ]\n}')


async def test_classify_goes_to_headwise_with_the_body_untouched() -> None:
    async with _client(_two_versions()) as client:
        response = await client.post("/v1/models/m/labels/stable:classify", content=b"12345")
    assert response.text == "m label stable got 5 bytes"


@pytest.mark.parametrize(
    ("failure", "status", "text", "retry_after"),
    [
        (BackendRejectedError("FAILED_PRECONDITION", "no"), 400, "no", None),
        (BackendRejectedError("RESOURCE_EXHAUSTED", "full"), 429, "full", "1"),
        (BackendRejectedError("SOMETHING_NEW", "odd"), 500, "odd", None),
        (BackendUnavailableError("down"), 503, "down", "1"),
        (BackendTimeoutError("late"), 504, "late", None),
        (HeadConfigError("card"), 503, "card", None),
        (PayloadTooLargeError("big"), 413, "big", None),
        (UnsupportedError("not here"), 501, "not here", None),
        (NonFiniteOutputError("nan"), 502, "nan", None),
    ],
)
async def test_every_error_has_tfs_form_and_its_status(
    failure: HeadwiseError, status: int, text: str, retry_after: str | None
) -> None:
    models = _two_versions()
    models.failure = failure
    async with _client(models) as client:
        response = await client.post("/v1/models/m:predict", content=b'{"inputs": [[1, 2, 3, 4]]}')
    assert (response.status_code, response.json()) == (status, {"error": text})
    assert response.headers.get("retry-after") == retry_after


def test_a_refusal_of_the_backend_keeps_its_own_words() -> None:
    assert refusal(BackendRejectedError("NOT_FOUND", "Servable")) == error(404, "Servable")


@pytest.mark.parametrize("method", ["TRACE", "BREW"])
async def test_unknown_methods_get_a_page(method: str) -> None:
    async with _client(_two_versions()) as client:
        response = await client.request(method, "/v1/models/m")
    assert (response.status_code, response.headers["content-type"]) == (501, "text/html")


async def test_verb_and_model_are_left_for_the_metrics() -> None:
    seen: list[Exchange] = []
    routes = TfsRoutes(cast(RawModels, _two_versions()), _classify)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await routes(scope, receive, send)
        seen.append(scope["headwise.exchange"])

    async with httpx.AsyncClient(transport=httpx.ASGITransport(_enveloped(app)), base_url="http://test") as client:
        await client.get("/v1/models/m")
    assert (seen[0].verb, seen[0].model) == ("status", "m")
