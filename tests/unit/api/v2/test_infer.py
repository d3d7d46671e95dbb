"""ModelInfer, whatever carries it: which tensors come, under which names, by which options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headwise.api.v2 import models as v2_models
from headwise.api.v2.infer import InferAnswer, InferRequest, Requested, infer, model_spec, requested
from headwise.api.v2.parameters import read_options
from headwise.errors import (
    HeadNotFoundError,
    InvalidRequestError,
    InvalidTensorError,
    ModelNotFoundError,
    NonFiniteOutputError,
    VersionNotFoundError,
)
from headwise.gateway import Gateway
from support.in_memory_gateway import BINARY, Models

pytestmark = pytest.mark.anyio

CLASSES = {"task": "multiclass", "activation": "linear", "labels": ["a", "b", "c"]}
SETS = {"score": "lac", "coverage": 0.9, "quantiles": {"0.9": 0.9}}
ROWS = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]], np.float32)


@pytest.fixture
async def gateway(tmp_path: Path) -> Gateway:
    models = Models(tmp_path)
    models.add("tumor", {"output_0": BINARY})
    models.add("classes", {"output_0": CLASSES}, units=3)
    models.add("labels", {"output_0": {**CLASSES, "task": "multilabel"}}, units=3)
    models.add("value", {"output_0": {"task": "regression", "activation": "linear"}}, units=2)
    models.add("margin", {"output_0": {**BINARY, "activation": "tanh"}})
    decision = {"rule": "argmax", "abstain": {"floor": 0.8}, "prediction_set": SETS, "top_k": 2}
    models.add("decided", {"output_0": {**CLASSES, "decision": decision}}, units=3)
    models.add("raw", None, units=3)
    three, one = ("float32", (None, 3)), ("float32", (None, 1))
    models.add(
        "two",
        {"risk": BINARY, "kind": CLASSES},
        inputs={"x": three},
        outputs={"risk": one, "kind": three, "hidden": three, "labels": three},
        run=lambda inputs: {
            "risk": inputs["x"][:, :1],
            "kind": inputs["x"],
            "hidden": 2 * inputs["x"],
            "labels": inputs["x"] * (np.inf if inputs["x"].max() > 99 else 1),
        },
    )
    positions = {"x": ("float32", (None, 2, 3))}
    models.add("positions", {"output_0": CLASSES}, inputs=positions, outputs={"output_0": positions["x"]})
    return await models.gateway()


async def ask(
    gateway: Gateway, model: str, rows: Any = ROWS, *outputs: str | Requested, **parameters: Any
) -> InferAnswer:
    wanted = [Requested(one) if isinstance(one, str) else one for one in outputs]
    request = InferRequest(model_spec(model, ""), [("x", np.asarray(rows, np.float32))], parameters, wanted)
    return await infer(gateway, request, timeout=5)


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("tumor", ["probabilities", "indices", "labels"]),
        ("classes", ["probabilities", "indices", "labels"]),
        ("labels", ["probabilities", "decisions", "labels"]),
        ("value", ["value"]),
        ("margin", ["indices", "labels", "margins"]),
        ("decided", ["probabilities", "indices", "labels", "abstained", "sets", "top_indices"]),
        ("raw", ["output_0"]),
        (
            "two",
            [f"{head}.{name}" for head in ("risk", "kind") for name in ("probabilities", "indices", "labels")],
        ),
    ],
)
async def test_without_names_all_that_the_heads_answer_comes(gateway: Gateway, model: str, names: list[str]) -> None:
    rows = {"value": ROWS[:, :2], "tumor": ROWS[:, :1], "margin": ROWS[:, :1] / 9}.get(model, ROWS)
    answer = await ask(gateway, model, rows)
    assert list(answer.outputs) == names
    assert all(len(array) == 2 for array in answer.outputs.values())
    assert (answer.model, answer.version) == (model, 1)


async def test_metadata_tells_the_same_names_shapes_and_types(gateway: Gateway) -> None:
    for name in ("tumor", "labels", "value", "margin", "decided", "two", "positions", "raw"):
        found = await v2_models.metadata(gateway, model_spec(name, ""), timeout=5)
        wide = [size if size > 0 else 2 for size in found.inputs[0].shape]
        answer = await ask(gateway, name, np.full(wide, 0.25))
        told = {one.name: (one.datatype, one.shape) for one in found.outputs}
        for output, array in answer.outputs.items():
            datatype, shape = told[output]
            assert [size if size > 0 else 2 for size in shape] == list(array.shape), (name, output)
            kind = {"FP64": "float64", "FP32": "float32", "INT64": "int64", "BOOL": "bool", "BYTES": "object"}[datatype]
            assert array.dtype == kind, (name, output)


async def test_the_models_own_outputs_come_by_name(gateway: Gateway) -> None:
    answer = await ask(gateway, "two", ROWS, "hidden", "raw.labels", "risk", "risk.labels")
    assert list(answer.outputs) == ["hidden", "raw.labels", "risk", "risk.labels"]
    np.testing.assert_array_equal(answer.outputs["hidden"], 2 * ROWS)
    np.testing.assert_array_equal(answer.outputs["raw.labels"], ROWS)
    np.testing.assert_array_equal(answer.outputs["risk"], ROWS[:, :1])
    assert answer.outputs["risk.labels"].tolist() == [b"malignant", b"malignant"]
    with pytest.raises(NonFiniteOutputError, match="'labels' is not finite in 2 of 2 rows"):
        await ask(gateway, "two", 100 * ROWS, "raw.labels")


async def test_labels_are_texts_one_a_row_or_one_a_class(gateway: Gateway) -> None:
    labels = await ask(gateway, "labels", [[1.0, -1.0, 1.0]])
    assert labels.outputs["labels"].tolist() == [[b"a", b"", b"c"]]
    unsure = await ask(gateway, "decided", [[9.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert unsure.outputs["labels"].tolist() == [b"a", b""]
    assert unsure.outputs["indices"].tolist() == [0, -1]
    assert unsure.outputs["abstained"].tolist() == [False, True]


async def test_positions_stand_behind_the_batch(gateway: Gateway) -> None:
    answer = await ask(gateway, "positions", [ROWS, ROWS, ROWS])
    assert {name: array.shape for name, array in answer.outputs.items()} == {
        "probabilities": (3, 2, 3),
        "indices": (3, 2),
        "labels": (3, 2),
    }


async def test_classification_lists_the_best_classes_with_calibrated_values(gateway: Gateway) -> None:
    for name in ("probabilities", "output_0"):
        answer = await ask(gateway, "classes", [[0.0, 0.0, 1.0]], Requested(name, 2), "labels")
        ((first, second),) = answer.outputs[name].tolist()
        probability, index, label = first.decode().split(":")
        assert (index, label) == ("2", "c")
        assert float(probability) == pytest.approx(np.exp(1) / (2 + np.exp(1)), rel=1e-15)
        assert second.decode().split(":")[1:] == ["0", "a"]
    several = await ask(gateway, "two", ROWS, Requested("kind", 9), Requested("risk.probabilities", 1))
    assert {name: array.shape for name, array in several.outputs.items()} == {
        "kind": (2, 3),
        "risk.probabilities": (2, 1),
    }


@pytest.mark.parametrize(
    ("model", "outputs", "parameters", "error", "text"),
    [
        ("classes", ["decisions"], {}, InvalidRequestError, "do not answer 'decisions'; they answer 'probabilities'"),
        ("classes", ["nothing"], {}, InvalidRequestError, "has no output 'nothing'; its outputs are 'output_0'"),
        ("classes", [""], {}, InvalidRequestError, "has no output ''; its outputs are 'output_0'"),
        ("classes", ["raw."], {}, InvalidRequestError, "has no output ''; its outputs are 'output_0'"),
        ("two", ["labels"], {}, InvalidRequestError, "they answer 'risk.probabilities'"),
        ("two", [Requested("hidden", 1)], {}, InvalidRequestError, "has no classes"),
        ("margin", [Requested("output_0", 1)], {}, InvalidRequestError, "no probabilities to rank"),
        ("raw", ["probabilities"], {}, HeadNotFoundError, "no head card"),
        ("raw", [Requested("output_0", 2)], {}, HeadNotFoundError, "no head card"),
        ("raw", [], {"threshold": 0.5}, HeadNotFoundError, "no head card"),
        ("raw", ["nothing"], {}, InvalidRequestError, "has no output 'nothing'; its outputs are output_0"),
        ("raw", [], {"signature_name": "other"}, HeadNotFoundError, "no signature 'other'"),
        ("nobody", [], {}, ModelNotFoundError, "nobody"),
        ("classes", [], {"treshold": 1}, InvalidRequestError, "treshold: there is no such key"),
        ("classes", [], {"include": "raw"}, InvalidRequestError, "name what you want in `outputs`"),
        ("classes", [], {"decision": "{"}, InvalidRequestError, "parameters.decision is no JSON"),
        ("classes", [], {"decision": '{"\\ud800": {"rule": "x"}}'}, InvalidRequestError, "is no JSON"),
        ("classes", [], {"abstain": '{"floor": ' + "9" * 5000 + "}"}, InvalidRequestError, "abstain"),
        ("classes", [], {"signature_name": 3}, InvalidRequestError, "signature_name must be a text"),
    ],
)
async def test_what_is_not_there_is_named(
    gateway: Gateway, model: str, outputs: list[Any], parameters: dict[str, Any], error: type[Exception], text: str
) -> None:
    rows = ROWS[:, :1] / 9 if model == "margin" else ROWS
    with pytest.raises(error, match=text.replace("(", r"\(")):
        await ask(gateway, model, rows, *outputs, **parameters)


async def test_inputs_are_held_against_the_signature_also_where_no_card_is(gateway: Gateway) -> None:
    for model in ("classes", "raw"):
        with pytest.raises(InvalidTensorError, match="must be finite"):
            await ask(gateway, model, ROWS * np.nan)
        with pytest.raises(InvalidTensorError, match=r"float32 \(\?, 3\)"):
            await ask(gateway, model, ROWS[:, :2])
        with pytest.raises(InvalidTensorError, match="twice"):
            await infer(gateway, InferRequest(model_spec(model, ""), [("x", ROWS), ("x", ROWS)]), timeout=5)


@pytest.mark.parametrize("version", ["one", "-1", "1.0", "²", str(2**63), "1" * 5000])
def test_versions_are_numbers(version: str) -> None:
    with pytest.raises(VersionNotFoundError):
        model_spec("m", version)
    assert model_spec("m", "03").version == 3


@pytest.mark.parametrize("count", [True, 1.5, "2", -1])
def test_a_classification_is_a_count(count: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"outputs\[1\].parameters.classification"):
        requested("outputs[1]", "labels", {"classification": count})


def test_what_other_servers_take_is_passed_over() -> None:
    signature, options = read_options({"binary_data_output": True, "priority": 1, "threshold": '{"risk": 0.5}'})
    assert signature == "serving_default"
    assert options.threshold == {"risk": 0.5}
