"""Request bodies are read as recorded: what TensorFlow Serving took, and what it refused in which words."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwise import savedmodel
from headwise.api.rest.json_body import LARGE_BYTES
from headwise.api.rest.json_numbers import Numbers
from headwise.api.rest.tfs import predict_request
from headwise.errors import HeadwiseError, InvalidRequestError
from headwise.savedmodel import Signature, TensorSpec
from strategies.json_texts import bodies
from support.recordings import MODELS, groups

ONE = {"x": TensorSpec("float32", (None, 2))}
TWO = {"n": TensorSpec("int32", (None,)), "x": TensorSpec("float32", (None,))}

_TOPICS = ("several", "malformed", "keys", "rows", "dtypes", "floats", "bytes")
# The last digits of the double that it quotes are not RapidJSON's.
_OTHER_DIGITS = "rest-dtypes/dtypes/uint64-overflow"
_REFUSED = [
    case
    for case in groups("rest")["default"].cases
    if case["name"].startswith(tuple(f"rest-{topic}/" for topic in _TOPICS))
    if case["status"] == 400 and case["match"] == "json" and case["name"] != _OTHER_DIGITS
]


def _model(case: dict[str, Any]) -> Path:
    name: str = case["path"].split("/")[3].partition(":")[0]
    return MODELS / name / "1"


def _read(data: bytes, known: Mapping[str, Signature]) -> predict_request.Inputs:
    body = predict_request.read(data)
    return predict_request.inputs(body, predict_request.signature(body, known).inputs)


@pytest.mark.parametrize("case", _REFUSED, ids=[case["name"] for case in _REFUSED])
def test_a_body_is_refused_in_the_recorded_words(case: dict[str, Any]) -> None:
    known = savedmodel.read(_model(case)).signatures
    with pytest.raises(InvalidRequestError) as caught:
        _read(case["body"].encode(), known)
    assert str(caught.value) == json.loads(case["response_body"])["error"]


def test_the_recorded_refusals_are_many() -> None:
    assert len(_REFUSED) > 70


def _inputs(body: str, wanted: dict[str, TensorSpec]) -> predict_request.Inputs:
    return predict_request.inputs(predict_request.read(body.encode()), wanted)


@pytest.mark.parametrize(
    ("body", "row"),
    [
        ('{"instances": [[1, 2], [3, 4]]}', True),
        ('{"instances": [{"x": [1, 2]}, {"x": [3, 4]}]}', True),
        ('{"inputs": [[1, 2], [3, 4]]}', False),
        ('{"inputs": {"x": [[1, 2], [3, 4]], "other": 5}}', False),
    ],
)
def test_all_forms_give_the_same_array(body: str, row: bool) -> None:
    inputs = _inputs(body, ONE)
    assert inputs.row is row
    assert inputs.arrays.keys() == {"x"}
    assert np.array_equal(inputs.arrays["x"], np.array([[1, 2], [3, 4]], np.float32))


def test_several_inputs_are_named_in_each_row() -> None:
    arrays = _inputs('{"instances": [{"x": 0.5, "n": 1}, {"n": 2, "x": 1.5}]}', TWO).arrays
    assert {name: array.tolist() for name, array in arrays.items()} == {"x": [0.5, 1.5], "n": [1, 2]}
    assert (arrays["x"].dtype.name, arrays["n"].dtype.name) == ("float32", "int32")


def test_base64_and_plain_strings_may_stand_in_turn() -> None:
    text = {"s": TensorSpec("string", (None,))}
    rows = _inputs('{"instances": [{"b64": "/w=="}, "é"]}', text).arrays["s"]
    named = _inputs('{"instances": [{"s": {"b64": "/w=="}}, {"s": "é"}]}', text).arrays["s"]
    assert rows.tolist() == named.tolist() == [b"\xff", "é".encode()]


def test_a_row_in_base64_names_no_input() -> None:
    with pytest.raises(InvalidRequestError, match=r"^Expecting object but got list at item 1 of input list$"):
        _inputs('{"instances": [{"x": [1, 2]}, {"b64": "AA=="}]}', ONE)


def test_rows_of_the_same_size_must_have_the_same_shape() -> None:
    with pytest.raises(InvalidRequestError, match=r"Expecting shape \[2\] but got: \[1,2\]$"):
        _inputs('{"instances": [[1, 2], [[3, 4]]]}', ONE)


@pytest.mark.parametrize(
    ("body", "name"),
    [("{}", "serving_default"), ('{"signature_name": ""}', "serving_default"), ('{"signature_name": "s"}', "s")],
)
def test_the_default_signature_is_serving_default(body: str, name: str) -> None:
    assert predict_request.read(body.encode()).signature_name == name


def test_a_signature_without_inputs_is_refused() -> None:
    known = {"serving_default": Signature({}, {})}
    with pytest.raises(InvalidRequestError, match=r"^Failed to get input map for signature: serving_default$"):
        predict_request.signature(predict_request.read(b"{}"), known)


def _outcome(read: Callable[[bytes], predict_request.Body], data: bytes, wanted: Mapping[str, TensorSpec]) -> Any:
    """The arrays of a body, bit by bit, or its error."""
    try:
        found = predict_request.inputs(read(data), wanted)
    except HeadwiseError as error:
        return type(error), str(error)
    bits = {
        name: (array.dtype, array.shape, array.tolist() if array.dtype == object else array.tobytes())
        for name, array in found.arrays.items()
    }
    return bits, found.row


_DTYPES = (
    "float32",
    "float32",
    "float64",
    "float16",
    "int32",
    "int8",
    "int64",
    "uint64",
    "bool",
    "string",
    "complex64",
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(bodies(), st.sampled_from([*({"x": TensorSpec(dtype, None)} for dtype in _DTYPES), TWO]))
def test_long_lists_of_numbers_are_read_as_lists_are(data: bytes, wanted: Mapping[str, TensorSpec]) -> None:
    assert _outcome(predict_request.read_numbers, data, wanted) == _outcome(predict_request.read, data, wanted)


@pytest.mark.parametrize("form", ["instances", "inputs"])
@pytest.mark.parametrize("dtype", _DTYPES)
@pytest.mark.parametrize(
    "text",
    [
        "[[0.1,-0],[2,3]]",
        "[[1,300],[-3000000000,1e-40]]",
        "[[1,300],[-3000000000,7]]",
        "[[7.68176083074356479398e-28,1],[2,3]]",
        "[[1,2],[3]]",
        "[[1,null],[3,4]]",
    ],
)
def test_numbers_of_a_large_body_become_what_those_of_a_small_one_do(form: str, dtype: str, text: str) -> None:
    data = f'{{"{form}":{text.replace("],[", "]," + " " * LARGE_BYTES + "[")}}} behind'.encode()
    wanted = {"x": TensorSpec(dtype, None)}
    assert _outcome(predict_request.read_numbers, data, wanted) == _outcome(predict_request.read, data, wanted)


def test_long_lists_of_numbers_are_no_lists() -> None:
    data = b'{"instances":[[1,2],' + b" " * LARGE_BYTES + b"[3,4.5]]}"
    assert isinstance(predict_request.read_numbers(data).members["instances"], Numbers)
    repeated = data[:-1] + b',"instances":[[5]]}'
    assert predict_request.read_numbers(repeated).members["instances"] == [[1, 2], [3, 4.5]]
