"""The shipped backend without a model server: functions as models, and TensorFlow Serving's words for refusals."""

import numpy as np
import pytest

from headwise.backends.in_memory import InMemoryBackend, InMemoryModel
from headwise.errors import BackendRejectedError
from headwise.repository.model_spec import ModelSpec, VersionState
from headwise.savedmodel import Signature
from headwise.tfserving import prediction_service_pb2
from support.in_memory_gateway import signature_def

pytestmark = pytest.mark.anyio

SIGNATURE = signature_def({"x": ("float32", (None,))}, {"sum": ("float32", (None,)), "double": ("float32", (None,))})


def scaled(by: int) -> InMemoryModel:
    return InMemoryModel(
        {"serving_default": SIGNATURE}, lambda inputs: {"sum": inputs["x"] * by, "double": inputs["x"] * 2 * by}
    )


@pytest.fixture
def backend() -> InMemoryBackend:
    return InMemoryBackend({"m": {1: scaled(1), 2: scaled(10)}}, {"m": {"stable": 1}})


@pytest.mark.parametrize(
    ("spec", "version", "answer"),
    [
        (ModelSpec("m"), 2, 30.0),
        (ModelSpec("m", 1), 1, 3.0),
        (ModelSpec("m", label="stable"), 1, 3.0),
    ],
)
async def test_the_version_that_is_asked_runs(
    backend: InMemoryBackend, spec: ModelSpec, version: int, answer: float
) -> None:
    raw = await backend.predict(spec, {"x": np.array([3], np.float32)}, timeout=1)
    assert (raw.version, raw.outputs["sum"].tolist()) == (version, [answer])
    assert set(raw.outputs) == {"sum", "double"}


async def test_outputs_are_filtered(backend: InMemoryBackend) -> None:
    raw = await backend.predict(ModelSpec("m"), {"x": np.ones(1, np.float32)}, timeout=1, outputs=("double",))
    assert set(raw.outputs) == {"double"}


async def test_an_output_that_the_function_forgets_is_missing_as_from_a_server() -> None:
    forgetful = InMemoryModel({"serving_default": SIGNATURE}, lambda inputs: {"sum": inputs["x"]})
    raw = await InMemoryBackend({"m": {1: forgetful}}).predict(
        ModelSpec("m"), {"x": np.ones(1, np.float32)}, timeout=1, outputs=("sum", "double")
    )
    assert set(raw.outputs) == {"sum"}


@pytest.mark.parametrize(
    ("spec", "outputs", "status", "detail"),
    [
        (ModelSpec("n"), (), "NOT_FOUND", "Servable not found for request: Latest(n)"),
        (ModelSpec("m", 3), (), "NOT_FOUND", "Servable not found for request: Specific(m, 3)"),
        (ModelSpec("m", label="x"), (), "INVALID_ARGUMENT", "Unrecognized servable version label: x"),
        (
            ModelSpec("m", signature_name="zzz"),
            (),
            "FAILED_PRECONDITION",
            'Serving signature key "zzz" not found.',
        ),
        (
            ModelSpec("m"),
            ("zzz",),
            "INVALID_ARGUMENT",
            "output tensor alias not found in signature: zzz Outputs expected to be in the set {double,sum}.",
        ),
    ],
)
async def test_refusals_have_the_words_of_tensorflow_serving(
    backend: InMemoryBackend, spec: ModelSpec, outputs: tuple[str, ...], status: str, detail: str
) -> None:
    with pytest.raises(BackendRejectedError) as raised:
        await backend.predict(spec, {"x": np.ones(1, np.float32)}, timeout=1, outputs=outputs)
    assert (raised.value.status, raised.value.detail) == (status, detail)


async def test_status_lists_versions_newest_first(backend: InMemoryBackend) -> None:
    async def versions(spec: ModelSpec) -> dict[int, int]:
        answer = await backend.status(spec, timeout=1)
        return {entry.version: entry.state for entry in answer.model_version_status}

    assert await versions(ModelSpec("m")) == {2: VersionState.AVAILABLE, 1: VersionState.AVAILABLE}
    assert await versions(ModelSpec("m", 1)) == {1: VersionState.AVAILABLE}
    for spec, what in ((ModelSpec("m", 9), "version 9 of model m"), (ModelSpec("n"), "any versions of model n")):
        with pytest.raises(BackendRejectedError, match=f"Could not find {what}"):
            await backend.status(spec, timeout=1)


async def test_metadata_carries_the_signatures(backend: InMemoryBackend) -> None:
    answer = await backend.metadata(ModelSpec("m", label="stable"), timeout=1)
    assert (answer.model_spec.name, answer.model_spec.version.value) == ("m", 1)
    packed = prediction_service_pb2.SignatureDefMap.FromString(answer.metadata["signature_def"].value)
    assert Signature.from_proto(packed.signature_def["serving_default"]) == Signature.from_proto(SIGNATURE)


async def test_models_may_change_while_it_runs(backend: InMemoryBackend) -> None:
    del backend.models["m"][2]
    assert (await backend.predict(ModelSpec("m"), {"x": np.ones(1, np.float32)}, timeout=1)).version == 1
    await backend.close()
