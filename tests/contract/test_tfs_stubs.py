"""TensorFlow Serving's gRPC services, asked by its official stubs: heads for any model, everything else untouched."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import wrappers_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from headwise.api.grpc.server import GrpcServer
from headwise.backends.in_memory import InMemoryModel
from headwise.telemetry.metrics import Metrics
from support.in_memory_gateway import BINARY, Models, signature_def, write_card, write_saved_model

pytestmark = pytest.mark.anyio

CLASSES = {"task": "multiclass", "activation": "linear", "labels": ["a", "b", "c"]}
VALUE = {"task": "regression", "activation": "linear"}
NUMBER, TEXT = ("float32", (None, 1)), ("string", (None,))


@pytest.fixture
def models(tmp_path: Path) -> Models:
    models = Models(tmp_path)
    models.add("tumor", {"output_0": BINARY})
    models.add("classes", {"output_0": CLASSES}, units=3)
    models.add("value", {"output_0": VALUE})
    models.add(
        "image",
        {"output_0": BINARY},
        inputs={"x": ("float32", (None, 2, 2))},
        outputs={"output_0": NUMBER},
        run=lambda inputs: {"output_0": inputs["x"].sum(axis=(1, 2))[:, None]},
    )
    models.add(
        "text",
        {"output_0": BINARY},
        inputs={"text": TEXT, "age": ("int64", (None,))},
        outputs={"output_0": NUMBER},
        run=lambda inputs: {
            "output_0": (np.array([len(text) for text in inputs["text"]]) - inputs["age"]).astype(np.float32)[:, None]
        },
    )
    models.add("refused", {"output_0": {**BINARY, "activation": "softmax"}})
    scores = {"scores": ("float32", (None, 2)), "classes": ("string", (None, 2))}
    models.add(
        "native",
        None,
        inputs={"inputs": TEXT},
        outputs=scores,
        run=lambda inputs: {
            "scores": np.tile(np.array([0.25, 0.75], np.float32), (len(inputs["inputs"]), 1)),
            "classes": np.tile(np.array([b"no", b"yes"], object), (len(inputs["inputs"]), 1)),
        },
    )
    return models


class Stubs:
    """The official stubs of one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.prediction: Any = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self.model: Any = model_service_pb2_grpc.ModelServiceStub(channel)


@asynccontextmanager
async def stubs(models: Models) -> AsyncIterator[Stubs]:
    server = GrpcServer(await models.gateway(), ("127.0.0.1", 0), Metrics(), timeout=5, max_bytes=2**20)
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield Stubs(channel)
    finally:
        await server.stop(0)


def example(**features: Sequence[Any]) -> tf.train.Example:
    kinds = {float: "float_list", int: "int64_list", bytes: "bytes_list"}
    proto = tf.train.Example()
    for name, values in features.items():
        getattr(proto.features.feature[name], kinds[type(values[0])]).value.extend(values)
    return proto


def asked(kind: Any, model: str, *examples: tf.train.Example, context: tf.train.Example | None = None) -> Any:
    """A request of Classify or Regress."""
    request = kind()
    request.model_spec.name = model
    if context is None:
        request.input.example_list.examples.extend(examples)
    else:
        request.input.example_list_with_context.examples.extend(examples)
        request.input.example_list_with_context.context.CopyFrom(context)
    return request


async def scores(stub: Stubs, request: Any) -> list[list[tuple[str, float]]]:
    answer = await stub.prediction.Classify(request)
    return [[(one.label, one.score) for one in row.classes] for row in answer.result.classifications]


async def refusal(call: Any) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return raised.value.code().name, raised.value.details() or ""


Classification, Regression = classification_pb2.ClassificationRequest, regression_pb2.RegressionRequest


async def test_every_class_has_its_label_and_calibrated_score(models: Models) -> None:
    rows = example(x=[1.0, 2.0, 3.0]), example(x=[0.0, 0.0, 0.0])
    async with stubs(models) as stub:
        found = await scores(stub, asked(Classification, "classes", *rows))
    shares = np.exp([1.0, 2.0, 3.0]) / np.exp([1.0, 2.0, 3.0]).sum()
    assert [label for label, _ in found[0]] == ["a", "b", "c"]
    np.testing.assert_allclose([score for _, score in found[0]], shares, rtol=1e-6)
    np.testing.assert_allclose([score for _, score in found[1]], [1 / 3] * 3, rtol=1e-6)


async def test_examples_become_whatever_the_model_takes(models: Models) -> None:
    """A flattened image, bytes and whole numbers, features that all rows share."""
    async with stubs(models) as stub:
        image = await scores(stub, asked(Classification, "image", example(x=[1.0, -2.0, 3.0, 0.0])))
        rows = example(text=[b"12345"], age=[3]), example(text=[b"1"])
        text = await scores(stub, asked(Classification, "text", *rows, context=example(age=[7], other=[1.0])))
    np.testing.assert_allclose(image[0][1][1], 1 / (1 + np.exp(-2.0)), rtol=1e-6)
    np.testing.assert_allclose([row[1][1] for row in text], 1 / (1 + np.exp([-2.0, 6.0])), rtol=1e-6)


async def test_the_version_that_answered_is_told(models: Models) -> None:
    models.add("tumor", {"output_0": {**BINARY, "labels": ["no", "yes"]}}, version=3)
    request = asked(Classification, "tumor", example(x=[1.0]))
    async with stubs(models) as stub:
        newest = await stub.prediction.Classify(request)
        request.model_spec.version.CopyFrom(wrappers_pb2.Int64Value(value=1))
        first = await stub.prediction.Classify(request)
    told = [(answer.model_spec.version.value, answer.model_spec.signature_name) for answer in (newest, first)]
    assert told == [(3, "serving_default"), (1, "serving_default")]
    assert newest.result.classifications[0].classes[1].label == "yes"


async def test_regress_answers_a_value_or_the_positive_class(models: Models) -> None:
    async with stubs(models) as stub:
        value = await stub.prediction.Regress(asked(Regression, "value", example(x=[151.5])))
        positive = await stub.prediction.Regress(asked(Regression, "tumor", example(x=[0.0])))
        several = await refusal(stub.prediction.Regress(asked(Regression, "classes", example(x=[0.0] * 3))))
    assert [one.value for one in value.result.regressions] == [151.5]
    assert [one.value for one in positive.result.regressions] == [0.5]
    assert several == (
        "INVALID_ARGUMENT",
        "model classes version 1 is multiclass, which is not one number: call Classify",
    )


async def test_a_model_that_reads_examples_itself_answers_itself(models: Models) -> None:
    async with stubs(models) as stub:
        found = await scores(stub, asked(Classification, "native", example(x=[1.0])))
    assert found == [[("no", 0.25), ("yes", 0.75)]]


@pytest.mark.parametrize(
    ("model", "rows", "status", "text"),
    [
        ("tumor", [], "INVALID_ARGUMENT", "Input is empty."),
        ("tumor", [example(y=[1.0])], "INVALID_ARGUMENT", "has no feature 'x'"),
        ("tumor", [example(x=[b"1"])], "INVALID_ARGUMENT", "holds bytes"),
        ("tumor", [example(x=[1.0, 2.0])], "INVALID_ARGUMENT", "has 2 values"),
        ("image", [example(x=[1.0])], "INVALID_ARGUMENT", "has 1 value"),
        ("refused", [example(x=[1.0])], "FAILED_PRECONDITION", "one softmax unit"),
        ("nobody", [example(x=[1.0])], "NOT_FOUND", "Servable not found for request: Latest(nobody)"),
        ("", [example(x=[1.0])], "NOT_FOUND", "Servable not found"),
    ],
)
async def test_what_cannot_be_classified_says_why(
    models: Models, model: str, rows: list[Any], status: str, text: str
) -> None:
    async with stubs(models) as stub:
        code, details = await refusal(stub.prediction.Classify(asked(Classification, model, *rows)))
    assert code == status
    assert text in details


def two_signatures(models: Models, version: int = 1) -> None:
    """A model with two signatures that have a head each, and a third without."""
    specs = {"x": NUMBER}
    signatures = {name: signature_def(specs, {"output_0": NUMBER}) for name in ("serving_default", "value", "raw")}
    folder = models.folder / "several" / str(version)
    write_saved_model(folder, signatures)
    write_card(folder, {"output_0": BINARY})
    file = folder / "assets.extra" / "head.json"
    card = json.loads(file.read_text("utf-8"))
    card["signatures"]["value"] = {"heads": {"output_0": VALUE}}
    file.write_text(json.dumps(card), "utf-8")
    models.backend.models.setdefault("several", {})[version] = InMemoryModel(
        signatures, lambda inputs: {"output_0": version * inputs["x"]}
    )


def multi(*tasks: tuple[str, str, str], rows: Sequence[tf.train.Example] = (example(x=[2.0]),)) -> Any:
    request = inference_pb2.MultiInferenceRequest()
    for model, signature, method in tasks:
        task = request.tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.name, task.model_spec.signature_name = model, signature
    request.input.example_list.examples.extend(rows)
    return request


async def test_several_signatures_are_answered_in_one_call(models: Models) -> None:
    two_signatures(models)
    async with stubs(models) as stub:
        answer = await stub.prediction.MultiInference(
            multi(("several", "", "classify"), ("several", "value", "regress"))
        )
    first, second = answer.results
    assert first.classification_result.classifications[0].classes[1].label == "malignant"
    assert second.regression_result.regressions[0].value == 2.0
    assert [one.model_spec.signature_name for one in answer.results] == ["serving_default", "value"]
    assert {one.model_spec.version.value for one in answer.results} == {1}


async def test_all_tasks_are_answered_by_the_version_of_the_first(models: Models) -> None:
    two_signatures(models)
    two_signatures(models, version=2)
    request = multi(("several", "", "classify"), ("several", "value", "regress"))
    request.tasks[0].model_spec.version.CopyFrom(wrappers_pb2.Int64Value(value=1))
    async with stubs(models) as stub:
        answer = await stub.prediction.MultiInference(request)
    assert [one.model_spec.version.value for one in answer.results] == [1, 1]
    assert answer.results[1].regression_result.regressions[0].value == 2.0


@pytest.mark.parametrize(
    ("tasks", "status", "text"),
    [
        ([("several", "", "classify"), ("tumor", "", "classify")], "INVALID_ARGUMENT", "All ModelSpecs in a"),
        ([("several", "", "classify"), ("several", "", "regress")], "INVALID_ARGUMENT", "Duplicate evaluation of"),
        (
            [("several", "", "predict")],
            "UNIMPLEMENTED",
            "Unsupported signature method_name: tensorflow",
        ),
        ([("several", "", "classify"), ("several", "raw", "regress")], "UNIMPLEMENTED", "ask for them in two calls"),
    ],
)
async def test_tasks_that_do_not_go_together_are_refused(
    models: Models, tasks: list[tuple[str, str, str]], status: str, text: str
) -> None:
    two_signatures(models)
    async with stubs(models) as stub:
        code, details = await refusal(stub.prediction.MultiInference(multi(*tasks)))
    assert code == status
    assert text in details


async def test_raw_numbers_pass_untouched(models: Models) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "classes"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.array([[1.0, np.nan, 3.0]], np.float32)))
    async with stubs(models) as stub:
        answer = await stub.prediction.Predict(request)
    np.testing.assert_array_equal(tf.make_ndarray(answer.outputs["output_0"]), [[1.0, np.nan, 3.0]])


async def test_a_refused_card_answers_no_raw_numbers(models: Models) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "refused"
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.zeros((1, 1), np.float32)))
    async with stubs(models) as stub:
        code, details = await refusal(stub.prediction.Predict(request))
    assert code == "FAILED_PRECONDITION"
    assert "one softmax unit" in details


async def test_metadata_and_status_are_the_model_servers_own(models: Models) -> None:
    metadata = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    metadata.model_spec.name = "classes"
    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = "classes"
    async with stubs(models) as stub:
        told = await stub.prediction.GetModelMetadata(metadata)
        states = await stub.model.GetModelStatus(status)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert told.metadata["signature_def"].Unpack(signatures)
    assert set(signatures.signature_def) == {"serving_default"}
    assert [(one.version, one.state) for one in states.model_version_status] == [(1, 30)]
