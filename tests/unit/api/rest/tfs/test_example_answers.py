"""classify and regress with tf.Examples: by the heads where a card speaks, by the model itself where none does."""

import json
from pathlib import Path
from typing import Any, Literal

import httpx
import numpy as np
import pytest

from headwise.api.rest.app import create_app
from headwise.backends.base import Arrays
from headwise.backends.in_memory import InMemoryBackend, InMemoryModel
from headwise.repository.model_spec import ModelSpec
from headwise.telemetry.metrics import Metrics
from headwise.tfserving import example_pb2, inference_pb2, saved_model_pb2
from support.in_memory_gateway import Models, signature_def
from support.model_repository import HEADS
from support.recordings import MODELS

pytestmark = pytest.mark.anyio

REGRESSION = {"output_0": {"task": "regression", "activation": "linear"}}
ORDINAL = {"output_0": {"task": "ordinal", "activation": "linear", "labels": ["low", "mid", "high"]}}
MARGIN = {"output_0": {"task": "binary", "activation": "tanh", "labels": ["no", "yes"]}}
REFUSED = {"output_0": {"task": "binary", "activation": "softmax", "labels": ["no", "yes"]}}


class Recorded(InMemoryBackend):
    """Keeps the native calls."""

    def __init__(self) -> None:
        super().__init__({})
        self.native: list[ModelSpec] = []

    async def classify(
        self, spec: ModelSpec, examples: inference_pb2.Input, *, timeout: float
    ) -> inference_pb2.ClassificationResponse:
        self.native.append(spec)
        return await super().classify(spec, examples, timeout=timeout)


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return Models(tmp_path, Recorded())


def natives(models: Models) -> list[ModelSpec]:
    assert isinstance(models.backend, Recorded)
    return models.backend.native


async def post(models: Models, path: str, body: Any, nonfinite: Literal["error", "bare"] = "error") -> httpx.Response:
    gateway = await models.gateway()
    app = create_app(gateway, Metrics(), timeout=5, max_body_bytes=10**6, tfs_nonfinite=nonfinite).app
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await client.post(f"/v1/models/{path}", content=content)


async def results(models: Models, path: str, *rows: Any, **more: Any) -> Any:
    response = await post(models, path, {"examples": [{"x": row} for row in rows], **more})
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json"), response.text
    return response.json()["results"]


async def refused(models: Models, path: str, *rows: Any, **more: Any) -> tuple[int, str]:
    response = await post(models, path, {"examples": [{"x": row} for row in rows], **more})
    assert response.headers["content-type"] == "application/json"
    assert response.json().keys() == {"error"}
    return response.status_code, response.json()["error"]


@pytest.mark.parametrize(
    ("heads", "rows"),
    [
        (HEADS["logit"], [[0.3], [-2], [0]]),
        (HEADS["softmax4"], [[0.125, 0.5, 0.25, 0.125], [0, 0, 0, 1]]),
        (HEADS["multilabel"], [[0.75, 0.1, 0.5]]),
        (ORDINAL, [[1.5, -0.5], [-3, -4]]),
    ],
)
async def test_classify_scores_each_label_with_the_probability_that_instances_get(
    models: Models, heads: dict[str, Any], rows: list[list[float]]
) -> None:
    models.add("m", heads, units=len(rows[0]))
    own = (await post(models, "m:classify", {"instances": rows})).json()
    (head,) = own["heads"].values()
    assert await results(models, "m:classify", *rows) == [
        [list(pair) for pair in zip(head["labels"], prediction["probabilities"], strict=True)]
        for prediction in own["predictions"]
    ]
    assert natives(models) == []


DECISION = {"rule": "threshold", "abstain": {"floor": 0.75}, "top_k": 1}


async def test_scores_stay_where_the_head_abstains(models: Models) -> None:
    logit = {**HEADS["logit"]["output_0"], "decision": DECISION}
    models.add("m", {"output_0": logit})
    own = (await post(models, "m:classify", {"instances": [[0.0], [3.0]]})).json()
    assert [row.get("abstained", False) for row in own["predictions"]] == [True, False]
    scores = await results(models, "m:classify", [0.0], [3.0])
    assert [[score for _, score in row] for row in scores] == [row["probabilities"] for row in own["predictions"]]
    assert await results(models, "m:regress", [0.0]) == [0.5]


async def test_classify_answers_in_the_layout_of_tfs(models: Models) -> None:
    models.add("m", HEADS["softmax4"], units=4)
    body = {"examples": [{"x": [0.5, 0.25, 0.125, 0.125]}, {"x": [0, 0, 0, 1]}]}
    assert (await post(models, "m:classify", body)).text == (
        '{\n    "results": [[["a", 0.5], ["b", 0.25], ["c", 0.125], ["d", 0.125]], '
        '[["a", 0.0], ["b", 0.0], ["c", 0.0], ["d", 1.0]]\n    ]\n}'
    )


async def test_regress_gives_the_value_of_a_regression(models: Models) -> None:
    models.add("m", REGRESSION)
    response = await post(models, "m:regress", {"examples": [{"x": 1.5}, {"x": [-2]}]})
    assert (response.status_code, response.text) == (200, '{\n    "results": [1.5, -2.0]\n}')


async def test_regress_gives_the_probability_of_the_positive_class(models: Models) -> None:
    models.add("m", HEADS["logit"])
    assert await results(models, "m:regress", 0, np.log(3.0).item()) == [0.5, pytest.approx(0.75, abs=1e-7)]


@pytest.mark.parametrize(
    ("verb", "heads", "row", "text"),
    [
        ("classify", REGRESSION, [1.0], "model m version 1 is a regression, which has no classes: call Regress"),
        ("classify", MARGIN, [0.5], "model m version 1 answers a margin, which is no probability without a calibrator"),
        ("regress", MARGIN, [0.5], "model m version 1 answers a margin, which is no probability without a calibrator"),
        ("regress", HEADS["softmax4"], [1.0, 0.0, 0.0, 0.0], "is multiclass, which is not one number: call Classify"),
        ("regress", HEADS["multilabel"], [1.0, 0.0, 0.0], "is multilabel, which is not one number: call Classify"),
        ("regress", ORDINAL, [1.0, 0.0], "is ordinal, which is not one number: call Classify"),
        ("regress", REGRESSION, [1.0, 2.0], "has 2 values a row, Regress carries one: send arrays"),
    ],
)
async def test_a_head_that_the_call_has_no_answer_for_says_what_to_call(
    models: Models, verb: str, heads: dict[str, Any], row: list[float], text: str
) -> None:
    models.add("m", heads, units=len(row))
    status, error = await refused(models, f"m:{verb}", row)
    assert status == 400
    assert text in error


@pytest.mark.parametrize("verb", ["classify", "regress"])
async def test_several_heads_are_refused_by_name(models: Models, verb: str) -> None:
    number = ("float32", (None, 1))
    models.add(
        "pair",
        HEADS["pair"],
        outputs={"prob": number, "hidden": number},
        run=lambda inputs: {"prob": inputs["x"], "hidden": inputs["x"]},
    )
    status, error = await refused(models, f"pair:{verb}", 0.5)
    assert status == 400
    assert error == (
        "the heads of model pair version 1 are 'prob', 'hidden'; this answer carries exactly one: "
        "send arrays to headwise's own Classify: instances or inputs over HTTP, tensors over gRPC"
    )


async def test_positions_have_no_room_in_the_answer(models: Models) -> None:
    shape = ("float32", (None, 2, 1))
    models.add("m", HEADS["logit"], inputs={"x": shape}, outputs={"output_0": shape})
    status, error = await refused(models, "m:classify", [0.5, 1.0])
    assert (status, error.partition(":")[0]) == (400, "model m version 1 answers for each of 2 positions")


async def test_images_come_flat_and_the_context_fills_what_a_row_lacks(models: Models) -> None:
    def run(inputs: Arrays) -> Arrays:
        return {"output_0": inputs["image"].sum(axis=(1, 2, 3))[:, None] + inputs["bias"][:, None]}

    image = ("float32", (None, 2, 2, 1))
    models.add("m", REGRESSION, inputs={"image": image, "bias": ("float32", (None,))}, run=run)
    body = {"context": {"bias": 0.5}, "examples": [{"image": [1, 2, 3, 4]}, {"image": [0, 0, 0, 0], "bias": 7}]}
    assert (await post(models, "m:regress", body)).json() == {"results": [10.5, 7.0]}


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"examples": [{"y": 1.0}]}, 400, "examples[0] has no feature 'x': the model takes float32 (?, 1)"),
        (b'{"examples": [{"x": NaN}]}', 400, "input 'x' holds nan at [0, 0]: numbers must be finite"),
        (b'{"examples": [', 400, "JSON Parse error: Invalid value. at offset: 14"),
        (b"", 400, "JSON Parse error: The document is empty"),
        ({"examples": [{"x": 1e300}]}, 400, "input 'x' holds inf at [0, 0]: numbers must be finite"),
    ],
)
async def test_bad_examples_are_refused_in_tfs_form(models: Models, body: Any, status: int, text: str) -> None:
    models.add("m", HEADS["logit"])
    response = await post(models, "m:classify", body)
    assert (response.status_code, response.json()) == (status, {"error": text})


async def test_a_head_whose_output_is_not_finite_is_a_502_that_names_the_row(models: Models) -> None:
    models.add("m", REGRESSION, run=lambda inputs: {"output_0": inputs["x"] * np.float32(np.nan)})
    status, error = await refused(models, "m:regress", 1.0)
    assert status == 502
    assert "not finite in row 0" in error


@pytest.mark.parametrize("path", ["m", "m/versions/1", "m/labels/stable"])
async def test_the_card_of_the_version_that_is_meant_speaks(models: Models, path: str) -> None:
    models.add("m", HEADS["logit"], version=1)
    models.add("m", REFUSED, version=2)
    models.backend.labels["m"] = {"stable": 1}
    assert await results(models, f"{path}:classify", 0.0) == [[["no", 0.5], ["yes", 0.5]]]


@pytest.mark.parametrize("verb", ["classify", "regress"])
async def test_a_refused_card_answers_nothing_and_the_model_is_not_asked(models: Models, verb: str) -> None:
    models.add("m", REFUSED)
    status, error = await refused(models, f"m:{verb}", 0.0)
    assert status == 503
    assert "model m version 1 is refused" in error
    assert natives(models) == []


def parsing(inputs: Arrays) -> Arrays:
    """A model that reads tf.Examples itself: its label is the feature `tag`, its score and value the feature `x`."""
    parsed = [example_pb2.Example.FromString(data).features.feature for data in inputs["inputs"]]
    classes = np.empty((len(parsed), 1), object)
    classes[:, 0] = [features["tag"].bytes_list.value[0] for features in parsed]
    scores = np.array([features["x"].float_list.value for features in parsed], np.float32)
    return {"classes": classes, "scores": scores, "outputs": scores[:, 0]}


def native_model() -> InMemoryModel:
    saved = saved_model_pb2.SavedModel.FromString((MODELS / "examples" / "1" / "saved_model.pb").read_bytes())
    return InMemoryModel(saved.meta_graphs[0].signature_def, parsing)


async def native(
    models: Models, verb: str, body: dict[str, Any] | bytes, nonfinite: Literal["error", "bare"] = "error"
) -> httpx.Response:
    models.backend.models["native"] = {1: native_model()}
    return await post(models, f"native:{verb}", body, nonfinite)


async def test_a_model_that_the_repository_does_not_know_classifies_by_itself(models: Models) -> None:
    body = {"context": {"tag": "shared"}, "examples": [{"x": 0.1}, {"x": 2.0, "tag": {"b64": "//4="}}]}
    response = await native(models, "classify", body)
    assert response.content == b'{\n    "results": [[["shared", 0.1]], [["\xff\xfe", 2.0]]\n    ]\n}'


async def test_an_answer_with_another_number_of_classes_in_each_row_is_refused(models: Models) -> None:
    """No TensorFlow Serving gives it."""

    def ragged(inputs: Arrays) -> Arrays:
        return {"classes": np.array([[b"a", b"b"], [b"c"]], object), "scores": np.array([[1, 2], [3]], object)}

    models.backend.models["native"] = {1: InMemoryModel(native_model().signatures, ragged)}
    response = await post(models, "native:classify", {"examples": [{"x": 1.0}, {"x": 2.0}]})
    assert (response.status_code, response.json()) == (
        502,
        {"error": "the model server's answer has not the same number of classes in every row"},
    )


async def test_a_model_that_the_repository_does_not_know_regresses_by_itself(models: Models) -> None:
    body = {"signature_name": "regress", "examples": [{"x": 0.25, "tag": "a"}, {"x": 1e10, "tag": "b"}]}
    response = await native(models, "regress", body)
    assert response.text == '{\n    "results": [0.25, 1e+10]\n}'


@pytest.mark.parametrize(
    ("verb", "name", "bare"),
    [("classify", "scores", '[["a", NaN]]\n    '), ("regress", "outputs", "NaN")],
)
async def test_a_models_own_nan_is_refused_unless_bare_is_set(models: Models, verb: str, name: str, bare: str) -> None:
    body = f'{{"signature_name": "{verb}", "examples": [{{"x": NaN, "tag": "a"}}]}}'.encode()
    refusal = await native(models, verb, body)
    assert (refusal.status_code, refusal.json()["error"]) == (
        502,
        f"output '{name}' is not finite in 1 of 1 rows: 0",
    )
    assert (await native(models, verb, body, "bare")).text == f'{{\n    "results": [{bare}]\n}}'


@pytest.mark.parametrize("verb", ["classify", "regress"])
async def test_a_signature_that_the_model_does_not_have_is_refused_in_tfs_words(models: Models, verb: str) -> None:
    response = await native(models, verb, {"signature_name": "zz", "examples": [{"x": 1.0}]})
    assert (response.status_code, response.json()) == (400, {"error": "No signature was found with the name: zz"})


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("nope", 404, "Servable not found for request: Latest(nope)"),
        ("m/versions/7", 404, "Servable not found for request: Specific(m, 7)"),
        ("m/labels/zz", 400, "Unrecognized servable version label: zz"),
    ],
)
async def test_what_is_not_there_is_refused_in_tfs_words(models: Models, path: str, status: int, text: str) -> None:
    models.add("m", HEADS["logit"])
    assert await refused(models, f"{path}:classify", 1.0) == (status, text)


async def test_a_signature_that_the_card_does_not_describe_is_the_models_own(models: Models) -> None:
    models.add("m", HEADS["logit"])
    spec = {"inputs": ("string", (None,))}
    models.backend.models["m"][1] = InMemoryModel(
        {"other": signature_def(spec, {"classes": ("string", (None, 1)), "scores": ("float32", (None, 1))})}, parsing
    )
    body = {"signature_name": "other", "examples": [{"x": 0.5, "tag": "raw"}]}
    assert (await post(models, "m:classify", body)).json() == {"results": [[["raw", 0.5]]]}
    assert natives(models) == [ModelSpec("m", signature_name="other")]


async def test_a_models_own_answer_from_a_refused_version_is_withheld(models: Models) -> None:
    models.add("m", HEADS["logit"], version=1)
    models.add("m", REFUSED, version=2)
    models.backend.models["m"][2] = native_model()
    body = {"signature_name": "classify", "examples": [{"x": 0.5, "tag": "raw"}]}
    response = await post(models, "m:classify", body)
    assert (response.status_code, natives(models)) == (503, [ModelSpec("m", signature_name="classify")])
    assert "model m version 2 is refused" in response.json()["error"]
