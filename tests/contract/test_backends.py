"""One suite over every backend: the in-memory one, and TFServingBackend on the real embedded model server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from headwise.backends.base import Arrays, Backend
from headwise.backends.in_memory import InMemoryBackend, InMemoryModel
from headwise.backends.tfserving import TFServingBackend
from headwise.errors import BackendProtocolError, BackendRejectedError, BackendTimeoutError, BackendUnavailableError
from headwise.repository.model_spec import ModelSpec, VersionState
from headwise.savedmodel import Signature, read
from headwise.tfserving import prediction_service_pb2, saved_model_pb2
from support.recordings import MODELS
from support.server_process import server_process

pytestmark = pytest.mark.anyio

CONFIG = f"""
model_config_list {{
  config {{
    name: "steps" base_path: "{MODELS}/steps" model_platform: "tensorflow"
    model_version_policy {{ specific {{ versions: 1 versions: 2 versions: 3 }} }}
    version_labels {{ key: "stable" value: 1 }}
  }}
  config {{ name: "pair" base_path: "{MODELS}/pair" model_platform: "tensorflow" }}
  config {{ name: "bytes" base_path: "{MODELS}/bytes" model_platform: "tensorflow" }}
}}
"""
"""steps: version v answers 10 v. pair: two inputs, two outputs. bytes: texts."""

OpenBackend = Callable[[], AbstractAsyncContextManager[Backend]]


def signatures(name: str) -> dict[str, saved_model_pb2.SignatureDef]:
    saved = saved_model_pb2.SavedModel.FromString((MODELS / name / "saved_model.pb").read_bytes())
    return dict(saved.meta_graphs[0].signature_def)


def in_memory() -> InMemoryBackend:
    def step(version: int) -> InMemoryModel:
        return InMemoryModel(signatures(f"steps/{version}"), lambda inputs: {"y": inputs["x"] * 0 + 10 * version})

    def pair(inputs: Arrays) -> Arrays:
        size = len(inputs["x"])
        return {"prob": np.full((size, 1), 0.5, np.float32), "hidden": np.zeros((size, 2), np.float32)}

    echo = InMemoryModel(signatures("bytes/1"), lambda inputs: {"out_bytes": inputs["data"]})
    return InMemoryBackend(
        {
            "steps": {version: step(version) for version in (1, 2, 3)},
            "pair": {1: InMemoryModel(signatures("pair/1"), pair)},
            "bytes": {1: echo},
        },
        {"steps": {"stable": 1}},
    )


@pytest.fixture(scope="module")
def model_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a model server that has loaded everything."""
    file = tmp_path_factory.mktemp("backends") / "models.config"
    file.write_text(CONFIG)
    with server_process(f"--model_config_file={file}", "--allow_version_labels_for_unavailable_models=true") as server:
        asyncio.run(_loaded(server.addresses[0]))
        yield server.addresses[0]


async def _loaded(address: str) -> None:
    backend = TFServingBackend(address)
    async with asyncio.timeout(60):
        for name, count in (("steps", 3), ("pair", 1), ("bytes", 1)):
            while await _available(backend, name) < count:  # noqa: ASYNC110  # another process has no event
                await asyncio.sleep(0.05)
    await backend.close()


async def _available(backend: Backend, name: str) -> int:
    try:
        answer = await backend.status(ModelSpec(name), timeout=10)
    except (BackendRejectedError, BackendUnavailableError):
        return 0
    return sum(version.state == VersionState.AVAILABLE for version in answer.model_version_status)


@pytest.fixture(params=["in memory", "model server"])
def backend(request: pytest.FixtureRequest) -> OpenBackend:
    """Opens the backend inside the test's event loop."""
    address = request.getfixturevalue("model_server") if request.param == "model server" else None

    @asynccontextmanager
    async def opened() -> AsyncIterator[Backend]:
        made: Backend = TFServingBackend(address) if address else in_memory()
        try:
            yield made
        finally:
            await made.close()

    return opened


ROWS: Arrays = {"x": np.zeros(2, np.float32)}
PAIR: Arrays = {"x": np.ones((2, 3), np.float32), "n": np.ones((2, 1), np.int32)}


@pytest.mark.parametrize(
    ("spec", "version"),
    [(ModelSpec("steps"), 3), (ModelSpec("steps", 2), 2), (ModelSpec("steps", label="stable"), 1)],
    ids=["newest", "version", "label"],
)
async def test_the_answer_names_the_version_that_computed_it(
    backend: OpenBackend, spec: ModelSpec, version: int
) -> None:
    async with backend() as opened:
        raw = await opened.predict(spec, ROWS, timeout=10)
    assert (raw.version, raw.outputs["y"].tolist()) == (version, [10.0 * version] * 2)


async def test_all_outputs_come_unless_some_are_named(backend: OpenBackend) -> None:
    async with backend() as opened:
        everything = await opened.predict(ModelSpec("pair"), PAIR, timeout=10)
        one = await opened.predict(ModelSpec("pair"), PAIR, timeout=10, outputs=("prob",))
    assert {name: (array.shape, array.dtype.name) for name, array in everything.outputs.items()} == {
        "prob": ((2, 1), "float32"),
        "hidden": ((2, 2), "float32"),
    }
    assert set(one.outputs) == {"prob"}


async def test_texts_go_and_come_as_bytes(backend: OpenBackend) -> None:
    texts = np.array([b"a", b"", b"\xff\x00"], dtype=object)
    spec = ModelSpec("bytes", signature_name="only_bytes")
    async with backend() as opened:
        raw = await opened.predict(spec, {"data": texts}, timeout=10)
    assert raw.outputs["out_bytes"].tolist() == texts.tolist()


@pytest.mark.parametrize(
    ("spec", "outputs", "status", "detail"),
    [
        (ModelSpec("nope"), (), "NOT_FOUND", "Servable not found for request: Latest(nope)"),
        (ModelSpec("steps", 9), (), "NOT_FOUND", "Servable not found for request: Specific(steps, 9)"),
        (ModelSpec("steps", label="x"), (), "INVALID_ARGUMENT", "Unrecognized servable version label: x"),
        (
            ModelSpec("steps", signature_name="zzz"),
            (),
            "FAILED_PRECONDITION",
            'Serving signature key "zzz" not found.',
        ),
        (
            ModelSpec("steps"),
            ("zzz",),
            "INVALID_ARGUMENT",
            "output tensor alias not found in signature: zzz Outputs expected to be in the set {y}.",
        ),
    ],
    ids=["model", "version", "label", "signature", "output"],
)
async def test_refusals_carry_status_and_text_untouched(
    backend: OpenBackend, spec: ModelSpec, outputs: tuple[str, ...], status: str, detail: str
) -> None:
    async with backend() as opened:
        with pytest.raises(BackendRejectedError) as raised:
            await opened.predict(spec, ROWS, timeout=10, outputs=outputs)
    assert (raised.value.status, raised.value.detail) == (status, detail)


async def test_states_of_versions(backend: OpenBackend) -> None:
    async def states(opened: Backend, spec: ModelSpec) -> dict[int, VersionState]:
        answer = await opened.status(spec, timeout=10)
        return {version.version: VersionState(version.state) for version in answer.model_version_status}

    async with backend() as opened:
        everything = await states(opened, ModelSpec("steps"))
        assert everything == dict.fromkeys((3, 2, 1), VersionState.AVAILABLE)
        assert list(everything) == [3, 2, 1]
        assert await states(opened, ModelSpec("steps", 2)) == {2: VersionState.AVAILABLE}
        for spec, what in (
            (ModelSpec("steps", 9), "version 9 of model steps"),
            (ModelSpec("n"), "any versions of model n"),
        ):
            with pytest.raises(BackendRejectedError) as raised:
                await states(opened, spec)
            assert (raised.value.status, raised.value.detail) == ("NOT_FOUND", f"Could not find {what}")


@pytest.mark.parametrize(
    ("spec", "version"), [(ModelSpec("steps"), 3), (ModelSpec("steps", 1), 1), (ModelSpec("steps", label="stable"), 1)]
)
async def test_metadata_names_the_version_and_its_signatures(
    backend: OpenBackend, spec: ModelSpec, version: int
) -> None:
    async with backend() as opened:
        answer = await opened.metadata(spec, timeout=10)
        with pytest.raises(BackendRejectedError) as raised:
            await opened.metadata(ModelSpec("nope"), timeout=10)
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("steps", version)
    packed = prediction_service_pb2.SignatureDefMap.FromString(answer.metadata["signature_def"].value)
    told = {name: Signature.from_proto(proto) for name, proto in packed.signature_def.items()}
    assert told["serving_default"] == read(MODELS / "steps" / "1").signatures["serving_default"]
    assert raised.value.status == "NOT_FOUND"


async def test_a_row_answers_the_same_alone_and_in_a_batch(backend: OpenBackend) -> None:
    inputs: dict[str, Any] = {
        "x": np.random.default_rng(3).normal(0, 2, (8, 3)).astype(np.float32),
        "n": np.arange(8, dtype=np.int32)[:, None] % 6,
    }
    async with backend() as opened:
        together = (await opened.predict(ModelSpec("pair"), inputs, timeout=10)).outputs
        for row in range(8):
            one = {name: array[row : row + 1] for name, array in inputs.items()}
            alone = (await opened.predict(ModelSpec("pair"), one, timeout=10)).outputs
            for name in ("prob", "hidden"):
                np.testing.assert_allclose(alone[name][0], together[name][row], rtol=1e-6)


async def test_a_model_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    backend = TFServingBackend(f"unix:{tmp_path}/nobody")
    for call in (
        backend.predict(ModelSpec("m"), ROWS, timeout=10),
        backend.metadata(ModelSpec("m"), timeout=10),
        backend.status(ModelSpec("m"), timeout=10),
    ):
        with pytest.raises(
            BackendUnavailableError, match=f"the model server at unix:{tmp_path}/nobody is not available"
        ):
            await call
    await backend.close()


@asynccontextmanager
async def scripted(reply: Callable[[], Awaitable[bytes]]) -> AsyncIterator[TFServingBackend]:
    """A backend whose model server answers every Predict with these bytes."""

    async def predict(_request: bytes, _context: grpc.aio.ServicerContext) -> bytes:
        return await reply()

    handlers = {"Predict": grpc.unary_unary_rpc_method_handler(predict)}
    server = grpc.aio.server()
    service = "tensorflow.serving.PredictionService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    backend = TFServingBackend(f"127.0.0.1:{port}")
    try:
        yield backend
    finally:
        await backend.close()
        await server.stop(0)


async def test_a_model_server_that_is_too_slow_is_a_timeout() -> None:
    async def never() -> bytes:
        await asyncio.Event().wait()
        return b""

    async with scripted(never) as backend:
        with pytest.raises(BackendTimeoutError, match=r"did not answer within 0\.2 s"):
            await backend.predict(ModelSpec("m"), ROWS, timeout=0.2)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"\xff", "the model server's answer is no PredictResponse"),
        (b"", "did not say which version answered"),
    ],
)
async def test_an_answer_that_cannot_be_read_breaks_the_protocol(answer: bytes, text: str) -> None:
    async def reply() -> bytes:
        return answer

    async with scripted(reply) as backend:
        with pytest.raises(BackendProtocolError, match=text):
            await backend.predict(ModelSpec("m"), ROWS, timeout=10)
