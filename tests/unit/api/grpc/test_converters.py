"""headwise.v1 messages become arrays and options, and answers become messages."""

import math
from typing import Any

import numpy as np
import pytest

from headwise.api.grpc import converters
from headwise.errors import InvalidRequestError, InvalidTensorError
from headwise.gateway import Classification, HeadAnswer, RequestOptions
from headwise.heads import Head, HeadCard, Options
from headwise.heads.calibrators import Temperature
from headwise.repository.cards import CardFile
from headwise.repository.model_spec import ModelSpec
from headwise.repository.served_model import ServedModel
from headwise.v1 import classification_service_pb2 as v1

NO_OPTIONS = Options()
TYPED: dict[str, tuple[str, list[Any]]] = {
    "BOOL": ("bool_values", [True, False]),
    "INT8": ("int_values", [-128, 127]),
    "INT16": ("int_values", [-32768, 32767]),
    "INT32": ("int_values", [-(2**31), 2**31 - 1]),
    "INT64": ("int_values", [-(2**63), 2**63 - 1]),
    "UINT8": ("uint_values", [0, 255]),
    "UINT16": ("uint_values", [0, 65535]),
    "UINT32": ("uint_values", [0, 2**32 - 1]),
    "UINT64": ("uint_values", [0, 2**64 - 1]),
    "FLOAT32": ("float_values", [0.5, -3.0]),
    "FLOAT64": ("double_values", [0.1, 1e300]),
}
CONTENT = {**{name: values for name, (_, values) in TYPED.items()}, "FLOAT16": [0.5, 65504.0]}


def tensor(dtype: str, shape: tuple[int, ...], **fields: Any) -> v1.Tensor:
    return v1.Tensor(data_type=v1.DataType.Value(f"DATA_TYPE_{dtype}"), shape=shape, **fields)


def read(proto: v1.Tensor) -> Any:
    return converters.arrays({"x": proto})["x"]


def test_every_type_is_read_in_one_of_these_tests() -> None:
    named = {f"DATA_TYPE_{name}" for name in (*CONTENT, "STRING")}
    assert named == set(v1.DataType.keys()) - {"DATA_TYPE_UNSPECIFIED"}


@pytest.mark.parametrize("dtype", TYPED)
def test_elements_may_come_in_their_typed_field(dtype: str) -> None:
    field, values = TYPED[dtype]
    array = read(tensor(dtype, (1, 2), **{field: values}))
    assert (array.dtype.name, array.tolist()) == (dtype.lower(), [values])


@pytest.mark.parametrize("dtype", CONTENT)
def test_elements_may_come_as_little_endian_content(dtype: str) -> None:
    little = np.array(CONTENT[dtype], np.dtype(dtype.lower()).newbyteorder("<"))
    array = read(tensor(dtype, (2, 1), content=little.tobytes()))
    assert (array.dtype, array.tolist()) == (np.dtype(dtype.lower()), [[value] for value in CONTENT[dtype]])


def test_texts_are_bytes() -> None:
    array = read(tensor("STRING", (2,), string_values=[b"a", b"\xff"]))
    assert (array.dtype, array.tolist()) == (np.dtype(object), [b"a", b"\xff"])


def test_no_elements_and_a_scalar_have_their_shapes() -> None:
    assert read(tensor("FLOAT32", (0, 4))).shape == (0, 4)
    assert read(tensor("STRING", (0,))).shape == (0,)
    assert read(tensor("FLOAT32", (), float_values=[2.0])).shape == ()


@pytest.mark.parametrize(
    ("proto", "text"),
    [
        (v1.Tensor(shape=[1], float_values=[1]), "input 'x' has no known data_type"),
        (v1.Tensor.FromString(b"\x08\x63"), "no known data_type"),
        (tensor("FLOAT32", (2,), float_values=[1]), r"holds 1 elements: the shape \(2,\) takes 2"),
        (tensor("FLOAT32", (1, 2), content=b"\0" * 4), r"holds 1 elements: the shape \(1, 2\) takes 2"),
        (tensor("FLOAT32", (1,), double_values=[1.0]), r"holds 0 elements"),
        (tensor("FLOAT32", (2,), content=b"\0" * 7), "7 bytes of content are no float32"),
        (tensor("STRING", (1,), content=b"a"), "1 bytes of content are no string"),
        (tensor("FLOAT32", (1,), content=b"\0" * 4, float_values=[1]), "both content and float_values"),
        (tensor("FLOAT32", (-1,), float_values=[1]), "sizes cannot be negative"),
        (tensor("INT8", (2,), int_values=[-129, 5]), "holds -129 to 5: int8 cannot"),
        (tensor("UINT8", (1,), uint_values=[256]), "holds 256 to 256: uint8 cannot"),
        (tensor("FLOAT32", (1,) * 65, float_values=[1]), "cannot have the shape"),
        (tensor("FLOAT32", (0, 2**62, 2**62)), "cannot have the shape"),
        (tensor("FLOAT16", (1,), float_values=[1]), "holds 0 elements"),
    ],
)
def test_what_is_no_tensor_is_refused_by_name(proto: v1.Tensor, text: str) -> None:
    with pytest.raises(InvalidTensorError, match=text) as raised:
        read(proto)
    assert str(raised.value).startswith("input 'x'")


def test_a_float_beyond_its_type_is_infinite_which_preflight_names() -> None:
    assert math.isinf(read(tensor("FLOAT32", (1,), float_values=[math.inf])).item())


def test_models_are_named_as_in_a_path() -> None:
    assert converters.model_spec(v1.ModelSpec(name="m")) == ModelSpec("m")
    assert converters.model_spec(v1.ModelSpec(name="m", version=0)) == ModelSpec("m", 0)
    assert converters.model_spec(v1.ModelSpec(name="m", version_label="stable")) == ModelSpec("m", label="stable")
    named = v1.ModelSpec(name="m", signature_name="other")
    assert converters.model_spec(named) == ModelSpec("m", signature_name="other")
    with pytest.raises(InvalidRequestError, match=r"model\.name is empty"):
        converters.model_spec(v1.ModelSpec(version=1))


@pytest.mark.parametrize(
    ("proto", "expected"),
    [
        (v1.ClassifyOptions(), RequestOptions()),
        (v1.ClassifyOptions(threshold=v1.Threshold(value=0.25), top_k=3), RequestOptions(0.25, 3)),
        (v1.ClassifyOptions(threshold=v1.Threshold(name="screening")), RequestOptions("screening")),
        (v1.ClassifyOptions(top_k=0), RequestOptions(top_k=0)),
        (
            v1.ClassifyOptions(head_thresholds={"a": v1.Threshold(value=0.25), "b": v1.Threshold(name="n")}),
            RequestOptions({"a": 0.25, "b": "n"}),
        ),
        (v1.ClassifyOptions(threshold=v1.Threshold()), RequestOptions(0.0)),
    ],
)
def test_options_are_read(proto: v1.ClassifyOptions, expected: RequestOptions) -> None:
    assert converters.request_options(proto) == expected


def test_both_kinds_of_threshold_are_refused() -> None:
    one = v1.Threshold(value=0.25)
    with pytest.raises(InvalidRequestError, match="both given"):
        converters.request_options(v1.ClassifyOptions(threshold=one, head_thresholds={"a": one}))


def answer(head: Head, raw: Any, *include: int, dtype: str = "float64", options: Options = NO_OPTIONS) -> v1.HeadAnswer:
    output = np.asarray(raw, dtype)
    card = CardFile(HeadCard(1, {}), "d1935", b"{}")
    answered = Classification(
        ServedModel("m", 3, {}, card), {"p": HeadAnswer(head, head.answer(output, options), output)}
    )
    response = converters.classification(answered, "id-1", frozenset(include))
    assert (response.request_id, response.model_name, response.model_version) == ("id-1", "m", 3)
    said: v1.HeadAnswer = response.heads["p"]
    return said


def test_a_binary_answer() -> None:
    said = answer(Head("binary", "sigmoid", ("no", "yes")), [[0.75], [0.25]])
    assert said == v1.HeadAnswer(
        task="binary",
        classes=["no", "yes"],
        shape=[2],
        indices=[1, 0],
        labels=["yes", "no"],
        probabilities=[0.25, 0.75, 0.75, 0.25],
    )


def test_the_other_tasks() -> None:
    labels = answer(Head("multilabel", "sigmoid", ("x", "y")), [[0.75, 0.25]])
    assert (list(labels.decisions), list(labels.probabilities)) == ([True, False], [0.75, 0.25])
    values = answer(Head("regression", "linear"), [[1.0, 2.0]])
    assert (list(values.values), list(values.classes), list(values.shape)) == ([1.0, 2.0], [], [1])
    margin = answer(Head("binary", "tanh", ("no", "yes")), [-0.5])
    assert (list(margin.margins), list(margin.labels), list(margin.probabilities)) == ([-0.5], ["no"], [])
    top = answer(Head("multiclass", "softmax", ("a", "b", "c")), [[0.25, 0.5, 0.25]], options=Options(top_k=2))
    assert (list(top.top_indices), top.top_count) == ([1, 0], 2)
    steps = answer(Head("ordinal", "sigmoid", ("low", "mid", "high")), [[0.75, 0.25]])
    assert (list(steps.labels), list(steps.probabilities)) == (["mid"], [0.25, 0.5, 0.25])


def test_positions_stand_in_the_shape() -> None:
    said = answer(Head("binary", "sigmoid", ("no", "yes")), np.full((2, 3, 4, 1), 0.75))
    assert (list(said.shape), len(said.indices), len(said.probabilities)) == ([2, 3, 4], 24, 48)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_raw_numbers_come_in_their_own_type(dtype: str) -> None:
    said = answer(Head("binary", "linear", ("no", "yes")), [[0.5], [-2.0]], v1.INCLUDE_RAW, dtype=dtype)
    assert read(said.raw).tolist() == [[0.5], [-2.0]]
    assert said.raw.data_type == v1.DataType.Value(f"DATA_TYPE_{dtype.upper()}")
    assert list(said.probabilities) == [], "only what is asked for"


def test_provenance_says_what_was_applied() -> None:
    head = Head("multilabel", "linear", ("x", "y"), calibration=Temperature(2.0))
    said = answer(head, [[0.5, 0.5]], v1.INCLUDE_PROVENANCE, v1.INCLUDE_PROBABILITIES, options=Options(0.25))
    assert said.provenance == v1.Provenance(
        activation="linear",
        calibration="temperature",
        decision_rule="threshold",
        decision_source="request",
        cuts=[0.25, 0.25],
        card_digest="d1935",
    )
    assert len(said.probabilities) == 2
    bare = answer(Head("regression", "linear"), [[1.0]], v1.INCLUDE_PROVENANCE).provenance
    assert (bare.calibration, bare.decision_rule, bare.decision_source) == ("identity", "", "default")
