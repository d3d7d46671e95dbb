"""`headwise bake`: a model server without any gateway answers as the gateway does."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import classification_pb2, input_pb2, predict_pb2, regression_pb2

from headwise.diagnostics.golden import choose, difference
from headwise.errors import (
    HeadMismatchError,
    HeadNotFoundError,
    InvalidCardError,
    InvalidRequestError,
    UnsupportedError,
)
from headwise.heads import (
    Abstain,
    Argmax,
    Cost,
    Head,
    HeadCard,
    ModelRecord,
    PerLabel,
    Platt,
    PredictionSet,
    Prior,
    SignatureHeads,
    Temperature,
    Threshold,
    Vector,
)
from headwise.repository.card_writer import write_card
from headwise.repository.cards import read_card
from headwise.repository.golden_file import read_golden, write_golden
from headwise.savedmodel import read
from headwise.training.baking.bake import BakedModel, bake
from headwise.training.baking.head import answer as graph_answer
from headwise.training.holdout import read_holdout
from headwise.training.run import raw_outputs
from support.command_line import headwise
from support.example_models import Examples
from support.recordings import MODELS
from support.server_process import START_S, channel, server_process

BINARY = Head("binary", "linear", ("no", "yes"))
SETS = PredictionSet("lac", 0.9, {"0.9": 0.8})
COSTS = ((0, 1, 5), (1, 0, 1), (3, 1, 0))
RANDOM = np.random.default_rng(7)
Heads = Mapping[str, Head]


def carded(version: Path, heads: Heads, signature: str = "serving_default") -> Path:
    card = HeadCard(1, {signature: SignatureHeads(heads)}, ModelRecord(read(version).fingerprint, verified=True))
    (version / "assets.extra").mkdir(exist_ok=True)
    write_card(version, card)
    return version


def exported(folder: Path, outputs: Any, heads: Heads, inputs: Any = None) -> Path:
    """Version 1 of a Keras model whose outputs are made from `inputs`."""
    features = keras.Input((4,), name="features") if inputs is None else inputs
    model = keras.Model(features, outputs(features))
    model.export(str(folder / "1"), verbose=False)
    return carded(folder / "1", heads)


def dense(units: int, activation: str | None = None) -> Any:
    return keras.layers.Dense(units, activation, bias_initializer=keras.initializers.RandomNormal(seed=units))


@dataclass(frozen=True)
class Case:
    """How to make a model and its card, and the names of the signatures that Classify or Regress are asked for."""

    outputs: Any
    heads: Heads
    inputs: Any = None
    by_examples: tuple[str, ...] = ("classify",)


CASES = {
    "binary": Case(dense(1), {"output_0": BINARY}),
    "platt": Case(
        dense(1, "sigmoid"),
        {"output_0": Head("binary", "sigmoid", ("no", "yes"), calibration=Platt(1.7, -0.4), decision=Threshold(0.3))},
    ),
    "pair": Case(
        dense(2, "softmax"),
        {"output_0": Head("binary", "softmax", ("no", "yes"), decision=Threshold(0.3, abstain=Abstain(floor=0.75)))},
    ),
    "multiclass": Case(
        dense(3, "softmax"), {"output_0": Head("multiclass", "softmax", ("α", "b", "c"), calibration=Temperature(0.4))}
    ),
    "cost": Case(
        dense(3),
        {
            "output_0": Head(
                "multiclass",
                "linear",
                ("a", "b", "c"),
                calibration=Vector((0.8, 1.1, 1.0), (0.1, 0.0, -0.3)),
                prior=Prior((0.2, 0.3, 0.5), (0.4, 0.4, 0.2)),
                decision=Cost(COSTS, abstain=Abstain(cost=0.9), prediction_set=SETS, top_k=2),
            )
        },
    ),
    "multilabel": Case(
        dense(3),
        {"output_0": Head("multilabel", "linear", ("x", "y", "z"), decision=PerLabel({"x": 0.2, "y": 0.6, "z": 0.9}))},
    ),
    "ordinal": Case(dense(2), {"output_0": Head("ordinal", "linear", ("low", "mid", "high"))}),
    "conditional": Case(
        dense(2, "sigmoid"), {"output_0": Head("ordinal", "sigmoid", ("low", "mid", "high"), encoding="conditional")}
    ),
    "value": Case(dense(1), {"output_0": Head("regression", "linear")}, by_examples=("regress",)),
    "values": Case(dense(3), {"output_0": Head("regression", "linear")}, by_examples=()),
    "margin": Case(dense(1, "tanh"), {"output_0": Head("binary", "tanh", ("no", "yes"))}, by_examples=()),
    "positions": Case(
        lambda x: keras.layers.Reshape((2, 3))(dense(6)(x)),
        {"output_0": Head("multiclass", "linear", ("a", "b", "c"))},
        by_examples=(),
    ),
    "two": Case(
        lambda x: {"risk": dense(1)(x), "kind": dense(3, "softmax")(x), "hidden": dense(2)(x)},
        {"risk": BINARY, "kind": Head("multiclass", "softmax", ("a", "b", "c"))},
        by_examples=("classify.risk", "classify.kind"),
    ),
    "kinds": Case(
        lambda xs: dense(1)(
            keras.layers.Concatenate()([xs["x"], keras.ops.cast(keras.layers.Flatten()(xs["n"]), "float32")])
        ),
        {"output_0": BINARY},
        inputs={"x": keras.Input((2,), name="x"), "n": keras.Input((2, 1), name="n", dtype="int32")},
    ),
    "half": Case(
        lambda x: keras.ops.cast(dense(3, "softmax")(x), "float16"),
        {"output_0": Head("multiclass", "softmax", ("a", "b", "c"))},
    ),
    "ragged": Case(
        lambda x: dense(1)(keras.ops.sum(x, axis=1, keepdims=True)),
        {"output_0": BINARY},
        inputs=keras.Input((None,), name="x"),
        by_examples=(),
    ),
}


@pytest.fixture(scope="module")
def baked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, BakedModel]:
    """Every case, as version 2 beside the one that it was made from."""
    models = tmp_path_factory.mktemp("models")
    return {name: bake(exported(models / name, c.outputs, c.heads, c.inputs)) for name, c in CASES.items()}


@pytest.fixture(scope="module")
def server(baked: dict[str, BakedModel]) -> Iterator[grpc.Channel]:
    """The embedded model server on all of them, without a gateway."""
    models = baked["binary"].version.parents[1]
    with server_process("--models", str(models)) as process, channel(process.addresses[0]) as opened:
        for name in baked:
            process.wait_for(f"serving {name} version 2")
        yield opened


def call(opened: grpc.Channel, method: str, request: Any, response: Any) -> Any:
    rpc = opened.unary_unary(
        f"/tensorflow.serving.PredictionService/{method}",
        request_serializer=type(request).SerializeToString,
        response_deserializer=response.FromString,
    )
    return rpc(request, timeout=START_S)


def predict(opened: grpc.Channel, model: str, signature: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    for name, array in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
    response = call(opened, "Predict", request, predict_pb2.PredictResponse)
    return {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}


def rows_for(version: Path, count: int = 9) -> dict[str, Any]:
    return {
        name: RANDOM.integers(-3, 4, (count, *(size or 5 for size in (spec.shape or ())[1:]))).astype(np.int32)
        if spec.dtype == "int32"
        else RANDOM.normal(0, 2, (count, *(size or 5 for size in (spec.shape or ())[1:]))).astype(np.float32)
        for name, spec in read(version).signatures["serving_default"].inputs.items()
    }


def examples_of(inputs: Mapping[str, Any]) -> list[tf.train.Example]:
    features = [
        {
            name: tf.train.Feature(int64_list=tf.train.Int64List(value=array[row].ravel()))
            if array.dtype.kind == "i"
            else tf.train.Feature(float_list=tf.train.FloatList(value=array[row].ravel()))
            for name, array in inputs.items()
        }
        for row in range(len(next(iter(inputs.values()))))
    ]
    return [tf.train.Example(features=tf.train.Features(feature=feature)) for feature in features]


BY_EXAMPLES = {
    "Classify": (classification_pb2.ClassificationRequest, classification_pb2.ClassificationResponse),
    "Regress": (regression_pb2.RegressionRequest, regression_pb2.RegressionResponse),
}


def by_examples(opened: grpc.Channel, model: str, signature: str, examples: list[tf.train.Example]) -> Any:
    method = signature.partition(".")[0].capitalize()
    request, response = BY_EXAMPLES[method][0](), BY_EXAMPLES[method][1]
    request.model_spec.name, request.model_spec.signature_name = model, signature
    request.input.CopyFrom(input_pb2.Input(example_list=input_pb2.ExampleList(examples=examples)))
    return call(opened, method, request, response)


@pytest.mark.parametrize("name", CASES)
def test_predict_answers_as_the_gateway_would(server: grpc.Channel, baked: dict[str, BakedModel], name: str) -> None:
    heads, inputs = CASES[name].heads, rows_for(baked[name].version)
    raw = predict(server, name, "serving_default", inputs)
    came = predict(server, name, "headwise", inputs)

    for output, head in heads.items():
        said, prefix = head.answer(raw[output]), f"{output}." if len(heads) > 1 else ""
        expected = {
            "probabilities": said.probabilities,
            "margin": said.margins,
            "value": said.values,
            "indices": said.indices,
            "decisions": said.decisions,
        }
        for key, array in expected.items():
            if array is None:
                assert prefix + key not in came
                continue
            assert (came[prefix + key].dtype, came[prefix + key].shape) == (array.dtype, array.shape)
            np.testing.assert_allclose(came[prefix + key], array, rtol=1e-5, atol=1e-6)
        if said.decisions is not None:
            labels = np.where(said.decisions, np.array(head.labels), "")
            assert [[text.decode() for text in row] for row in came["labels"]] == labels.tolist()
        elif said.indices is not None:
            labels = np.where(said.indices < 0, "", np.array(head.labels)[said.indices])
            assert np.char.decode(came[f"{prefix}labels"].astype(bytes), "utf-8").tolist() == labels.tolist()
    assert set(came) == {key for key in came if not key.startswith("hidden")}


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.by_examples])
def test_tf_examples_are_answered_in_tensorflow_servings_words(
    server: grpc.Channel, baked: dict[str, BakedModel], name: str
) -> None:
    inputs = rows_for(baked[name].version)
    raw = predict(server, name, "serving_default", inputs)
    outputs = list(CASES[name].heads)
    assert [one for one in baked[name].signatures if one != "headwise"] == list(CASES[name].by_examples)

    for output, signature in zip(outputs, CASES[name].by_examples, strict=True):
        head = CASES[name].heads[output]
        result = by_examples(server, name, signature, examples_of(inputs)).result
        said = head.answer(raw[output])
        if head.task == "regression":
            np.testing.assert_allclose([row.value for row in result.regressions], raw[output].ravel(), rtol=1e-6)
            continue
        assert said.probabilities is not None
        assert {tuple(one.label for one in row.classes) for row in result.classifications} == {head.labels}
        scores = [[one.score for one in row.classes] for row in result.classifications]
        np.testing.assert_allclose(scores, said.probabilities, rtol=1e-5, atol=1e-6)


@pytest.mark.timeout(500)
def test_example_models_answer_their_held_out_rows_as_their_cards_say(tmp_path: Path, examples: Examples) -> None:
    calibrated: dict[str, Platt | Temperature] = {
        "tumor": Platt(0.8, 0.1),
        "digits": Temperature(1.3),
        "digit_traits": Temperature(0.7),
    }
    cards = {}
    for name, calibration in calibrated.items():
        version = Path(shutil.copytree(examples.models / name / "1", tmp_path / name / "1"))
        found = read_card(version)
        assert found is not None
        head = replace(found.card.signatures["serving_default"].heads["output_0"], calibration=calibration)
        cards[name] = head
        bake(carded(version, {"output_0": head}))
    with server_process("--models", str(tmp_path)) as process, channel(process.addresses[0]) as opened:
        for name, head in cards.items():
            process.wait_for(f"serving {name} version 2")
            inputs = dict(read_holdout(examples.models / name / "holdout.npz").inputs)
            said = head.answer(predict(opened, name, "serving_default", inputs)["output_0"])
            came = predict(opened, name, "headwise", inputs)
            assert said.probabilities is not None
            np.testing.assert_allclose(came["probabilities"], said.probabilities, rtol=1e-6, atol=1e-6)
            np.testing.assert_array_equal(
                *(
                    (came["decisions"], said.decisions)
                    if said.decisions is not None
                    else (came["indices"], said.indices)
                )
            )
            result = by_examples(opened, name, "classify", examples_of(inputs)).result
            scores = [[one.score for one in row.classes] for row in result.classifications]
            np.testing.assert_allclose(scores, said.probabilities, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "signature", "reason"),
    [
        ("margin", "classify", "a margin is no probability"),
        ("positions", "classify", "it answers for positions"),
        ("values", "regress", "Regress answers one value"),
        ("ragged", "classify", r"input 'x' is float32 \(\?, \?\): tf.Examples carry flat numbers"),
    ],
)
def test_what_tf_examples_cannot_carry_is_left_out_with_the_reason(
    baked: dict[str, BakedModel], name: str, signature: str, reason: str
) -> None:
    assert baked[name].signatures == ("headwise",)
    assert re.search(reason, baked[name].without[signature])


def test_what_of_a_decision_stays_the_gateways_is_told(baked: dict[str, BakedModel]) -> None:
    assert baked["cost"].without == {
        "prediction sets of output_0": "they have no formula in TensorFlow's ops",
        "top_k of output_0": "the probabilities of all classes are answered",
    }


@pytest.mark.parametrize(
    "head",
    [
        Head("multiclass", "linear", ("a", "b", "c"), decision=Cost(COSTS, abstain=Abstain(cost=0.7))),
        Head("multiclass", "linear", ("a", "b", "c"), decision=Argmax(abstain=Abstain(floor=0.4, margin=0.3))),
        Head("binary", "linear", ("a", "b"), decision=Cost(((0, 1), (3, 0)), abstain=Abstain(cost=0.5))),
        Head("ordinal", "linear", ("a", "b", "c", "d"), decision=Threshold(abstain=Abstain(margin=0.2))),
        Head("ordinal", "linear", ("a", "b", "c"), encoding="conditional", decision=Cost(COSTS)),
    ],
    ids=lambda head: f"{head.task} {head.decision.rule}",
)
def test_a_graph_decides_and_abstains_as_the_head_does(head: Head) -> None:
    units = {"binary": 1, "ordinal": len(head.labels) - 1}.get(head.task, len(head.labels))
    raw = RANDOM.normal(0, 1.5, (200, units))

    came, said = graph_answer(head, tf.constant(raw), units), head.answer(raw)

    assert said.indices is not None
    np.testing.assert_array_equal(came["indices"].numpy(), said.indices)
    assert len(set(said.indices.tolist())) >= 2


def test_abstention_by_prediction_sets_cannot_be_baked() -> None:
    head = Head(
        "multiclass", "linear", ("a", "b", "c"), decision=Argmax(abstain=Abstain(set=True), prediction_set=SETS)
    )

    with pytest.raises(UnsupportedError, match="abstains by prediction sets, which have no formula"):
        graph_answer(head, tf.constant([[1.0, 2.0, 3.0]]), 3)


@pytest.mark.parametrize(
    ("example", "reason"),
    [
        (tf.train.Example(), "Feature: features .* is required but could not be found"),
        (examples_of({"features": np.zeros((1, 3), np.float32)})[0], "Key: features"),
        (examples_of({"features": np.zeros((1, 4), np.int64)})[0], "Data types don't match"),
    ],
)
def test_examples_that_do_not_fit_are_an_error(server: grpc.Channel, example: Any, reason: str) -> None:
    with pytest.raises(grpc.RpcError, match=reason) as error:
        by_examples(server, "binary", "classify", [example])
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_an_integer_that_the_input_cannot_hold_is_an_error(server: grpc.Channel) -> None:
    large = {"x": np.zeros((1, 2), np.float32), "n": np.array([[2**40, 0]])}

    with pytest.raises(grpc.RpcError, match="cannot hold"):
        by_examples(server, "kinds", "classify", examples_of(large))


def test_numbers_that_contradict_the_card_fail_the_call(server: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError, match="the output is not finite"):
        predict(server, "binary", "headwise", {"features": np.full((1, 4), np.nan, np.float32)})


def test_all_that_the_model_had_stays(baked: dict[str, BakedModel]) -> None:
    for name, done in baked.items():
        before, after = done.version.with_name("1"), done.version
        old, new = read(before), read(after)
        inputs = rows_for(after)
        assert old.signatures.items() <= new.signatures.items()
        for output, array in raw_outputs(before, inputs).items():
            np.testing.assert_array_equal(raw_outputs(after, inputs)[output], array)
        card, written = read_card(before), read_card(after)
        assert card is not None
        assert written is not None
        assert written.card.signatures == card.card.signatures
        assert written.card.model == ModelRecord(new.fingerprint, verified=True), name


def test_golden_records_go_along_and_hold(tmp_path: Path) -> None:
    version = exported(tmp_path / "m", dense(1), {"output_0": BINARY})
    inputs, signature = rows_for(version), read(version).signatures["serving_default"]
    records = choose("serving_default", signature, inputs, raw_outputs(version, inputs), {"output_0": BINARY})
    write_golden(version, records, "m")
    (version / "assets.extra" / "notes.txt").write_text("kept")
    done = bake(version)

    records = read_golden(done.version)
    assert len(records) == len(read_golden(version)) > 0
    assert done.rows == 64 + len(records)
    for record in records:
        assert difference(record, raw_outputs(done.version, record.inputs), {"output_0": BINARY}) is None
    assert (done.version / "assets.extra" / "notes.txt").read_text() == "kept"


def test_methods_and_signatures_of_the_models_own_stay(tmp_path: Path) -> None:
    shutil.copytree(MODELS / "examples" / "1", tmp_path / "m" / "1")
    head = Head("multiclass", "softmax", ("a", "b", "c"))
    done = bake(carded(tmp_path / "m" / "1", {"scores": head}, signature="classify_scores"))
    new = read(done.version).signatures

    assert read(tmp_path / "m" / "1").signatures.items() <= new.items()
    assert new["odd_method"].method_name == "my/own/method"
    assert done.signatures == ("headwise.classify_scores", "classify.classify_scores")
    assert (new["classify.classify_scores"].inputs, done.rows) == (new["classify_scores"].inputs, 0)


def test_a_signature_of_the_models_own_is_not_replaced(tmp_path: Path) -> None:
    class Own(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, "features")])  # type: ignore[untyped-decorator]
        def run(self, features: Any) -> dict[str, Any]:
            return {"output_0": features[:, :1]}

    own = Own()
    tf.saved_model.save(own, str(tmp_path / "m" / "1"), {"serving_default": own.run, "classify": own.run})
    done = bake(carded(tmp_path / "m" / "1", {"output_0": BINARY}))

    assert done.signatures == ("headwise",)
    assert done.without == {"classify": "the model has a signature of that name, which stays"}


def left_as_it_was(model: Path) -> bool:
    return sorted(child.name for child in model.iterdir()) == ["1"]


def test_a_baked_version_is_not_baked_again(tmp_path: Path) -> None:
    version = bake(exported(tmp_path / "m", dense(1), {"output_0": BINARY})).version

    with pytest.raises(UnsupportedError, match="has a signature 'headwise', so it is baked already"):
        bake(version)
    assert sorted(child.name for child in (tmp_path / "m").iterdir()) == ["1", "2"]


def test_a_model_without_a_card_or_with_a_wrong_one_is_refused(tmp_path: Path) -> None:
    version = exported(tmp_path / "m", dense(1, "sigmoid"), {"output_0": BINARY})
    with pytest.raises(InvalidCardError, match="sigmoid"):
        bake(version)
    (version / "assets.extra" / "head.json").unlink()
    with pytest.raises(HeadNotFoundError):
        bake(version)
    assert left_as_it_was(tmp_path / "m")


def test_a_model_that_contradicts_its_card_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    head = Head("binary", "sigmoid", ("no", "yes"))
    version = exported(tmp_path / "m", lambda x: 2 + dense(1)(x) ** 2, {"output_0": head})

    with pytest.raises(HeadMismatchError, match="sigmoid promises"):
        bake(version)
    assert left_as_it_was(tmp_path / "m")


def test_a_golden_record_that_does_not_hold_stops_it(tmp_path: Path) -> None:
    version = exported(tmp_path / "m", dense(1), {"output_0": BINARY})
    inputs, signature = rows_for(version), read(version).signatures["serving_default"]
    wrong = {"output_0": raw_outputs(version, inputs)["output_0"] + 1}
    write_golden(version, choose("serving_default", signature, inputs, wrong, {"output_0": BINARY}), "m")

    with pytest.raises(UnsupportedError, match="does not answer a golden record"):
        bake(version)
    assert left_as_it_was(tmp_path / "m")


def test_a_folder_that_is_no_version_is_refused(tmp_path: Path) -> None:
    exported(tmp_path / "m", dense(1), {"output_0": BINARY}).rename(tmp_path / "loose")

    with pytest.raises(InvalidRequestError, match="is no models/NAME/VERSION"):
        bake(tmp_path / "loose")


def test_the_command_says_what_it_wrote(tmp_path: Path) -> None:
    exported(tmp_path / "m", dense(1, "tanh"), {"output_0": Head("binary", "tanh", ("no", "yes"))})
    ended = headwise("bake", tmp_path / "m", "--json")

    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["version"] == str(tmp_path / "m" / "2")
    assert json.loads(ended.out)["signatures"] == ["headwise"]

    again = headwise("bake", tmp_path / "m" / "1")
    assert again.code == 0
    assert "m/3" in again.out
    assert "without classify: a margin is no probability" in again.out
    assert "64 rows" in again.out

    refused = headwise("bake", tmp_path / "m")
    assert refused.code == 1
    assert "baked already" in refused.err
