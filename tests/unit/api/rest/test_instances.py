"""Rows and columns of a body become arrays of the signature's dtypes; what is no array is named with its place."""

from typing import Any

import numpy as np
import pytest

from headwise.api.rest.instances import read_inputs
from headwise.errors import HeadwiseError, InvalidRequestError, InvalidTensorError, UnsupportedError
from headwise.savedmodel import Signature, TensorSpec
from headwise.savedmodel.signature import Shape


def one(dtype: str = "float32", shape: Shape | None = (None, 2)) -> Signature:
    return Signature({"x": TensorSpec(dtype, shape)}, {})


TWO = Signature({"x": TensorSpec("float32", (None, 2)), "n": TensorSpec("int32", (None,))}, {})


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("float16", [[1, 2.5]]),
        ("float32", [[1, 2], [3.5, -4]]),
        ("float64", [[0.1, 1e300]]),
        ("int8", [[-128, 127]]),
        ("int16", [[-32768, 32767]]),
        ("int32", [[-(2**31), 2**31 - 1]]),
        ("int64", [[-(2**63), 2**63 - 1]]),
        ("uint8", [[0, 255]]),
        ("uint16", [[0, 65535]]),
        ("uint32", [[0, 2**32 - 1]]),
        ("uint64", [[0, 2**64 - 1]]),
        ("bool", [[True, False]]),
    ],
)
@pytest.mark.parametrize("form", ["instances", "inputs"])
def test_numbers_of_every_dtype_are_read_in_both_forms(form: str, dtype: str, value: list[list[Any]]) -> None:
    (array,) = read_inputs({form: value}, one(dtype)).values()
    assert (array.dtype.name, array.tolist()) == (dtype, value)


def test_rows_may_be_objects_and_columns_too() -> None:
    expected = {"x": [[1.0, 2.0], [3.0, 4.0]], "n": [5, 6]}
    rows = [{"x": [1, 2], "n": 5}, {"n": 6, "x": [3, 4]}]
    for document in ({"instances": rows}, {"inputs": {"x": [[1, 2], [3, 4]], "n": [5, 6]}}):
        arrays = read_inputs(document, TWO)
        assert {name: array.tolist() for name, array in arrays.items()} == expected


def test_an_object_may_name_the_only_input() -> None:
    assert read_inputs({"instances": [{"x": [1, 2]}]}, one())["x"].tolist() == [[1.0, 2.0]]
    assert read_inputs({"inputs": {"x": [[1, 2]]}}, one())["x"].tolist() == [[1.0, 2.0]]


def test_texts_are_bytes_and_b64_is_decoded() -> None:
    texts = one("string", (None,))
    value = ["grün", {"b64": "/w=="}, ""]
    for document in ({"instances": value}, {"inputs": value}, {"inputs": {"x": value}}):
        array = read_inputs(document, texts)["x"]
        assert (array.dtype, array.tolist()) == (np.dtype(object), ["grün".encode(), b"\xff", b""])
    nested = read_inputs({"instances": [["a", "b"], ["c", {"b64": "ZA=="}]]}, one("string"))["x"]
    assert nested.tolist() == [[b"a", b"b"], [b"c", b"d"]]
    alone = read_inputs({"inputs": {"b64": "ZA=="}}, one("string", ()))["x"]
    assert (alone.shape, alone.item()) == ((), b"d")


@pytest.mark.parametrize(
    ("body", "of", "error", "text"),
    [
        ({"instances": []}, one(), InvalidRequestError, "instances must be a list with at least one row"),
        ({"instances": {"x": 1}}, one(), InvalidRequestError, "instances must be a list"),
        ({"instances": [[1, 2]]}, TWO, InvalidTensorError, "has the inputs 'x', 'n': each row must be an object"),
        ({"inputs": [[1, 2]]}, TWO, InvalidTensorError, "has the inputs 'x', 'n': inputs must be an object"),
        (
            {"instances": [{"x": [1, 2], "n": 1}, {"x": [1, 2]}]},
            TWO,
            InvalidTensorError,
            r"instances\[1\] must be an object with the keys x, n",
        ),
        ({"instances": [{"x": [1, 2]}, [1, 2]]}, one(), InvalidTensorError, r"instances\[1\] must be an object"),
        ({"instances": [{"y": [1, 2]}]}, one(), InvalidTensorError, "unknown input 'y'"),
        ({"inputs": {"x": [[1, 2]]}}, TWO, InvalidTensorError, "missing input 'n'"),
        ({"instances": [[1, "2"]]}, one(), InvalidTensorError, r"instances\[0\]\[1\] is the text '2': numbers"),
        ({"instances": [[1, None]]}, one(), InvalidTensorError, r"instances\[0\]\[1\] is null: numbers"),
        ({"instances": [[1, {}]]}, one(), InvalidTensorError, r"instances\[0\]\[1\] is an object: numbers"),
        ({"instances": [[1, [2]]]}, one(), InvalidTensorError, r"instances\[0\]\[1\] is a list: numbers"),
        ({"instances": [[1, 2], [3]]}, one(), InvalidTensorError, r"instances\[1\] has 1 elements: 2 are expected"),
        ({"instances": [[1, 2], 3]}, one(), InvalidTensorError, r"instances\[1\] is the number 3: a list of 2"),
        ({"inputs": {"x": [[1, 2], []]}}, one(), InvalidTensorError, r"inputs\.x\[1\] has 0 elements"),
        ({"instances": [[1.0, 2]]}, one("int32"), InvalidTensorError, r"is the number 1\.0: whole numbers"),
        (
            {"instances": [[0, 256]]},
            one("uint8"),
            InvalidTensorError,
            r"\[0\]\[1\] is the number 256: uint8 cannot hold",
        ),
        (
            {"instances": [[-1, 0]]},
            one("uint64"),
            InvalidTensorError,
            r"\[0\]\[0\] is the number -1: uint64 cannot hold",
        ),
        (
            {"instances": [[2**63, -1]]},
            one("int64"),
            InvalidTensorError,
            "is the number 9223372036854775808: int64 cannot hold",
        ),
        ({"instances": [[1, 0]]}, one("bool"), InvalidTensorError, "is the number 1: true or false"),
        ({"instances": ["a", 1]}, one("string", (None,)), InvalidTensorError, r"\[1\] is the number 1: texts"),
        ({"instances": [["a"], "b"]}, one("string"), InvalidTensorError, r"\[1\] is the text 'b': a list of 1"),
        ({"instances": [{"b64": "?"}]}, one("string", (None,)), InvalidTensorError, r"\[0\]\.b64 is no base64 text"),
        ({"instances": [{"b64": 3}]}, one("string", (None,)), InvalidTensorError, r"\[0\]\.b64 is no base64 text"),
        ({"instances": [[1, 2]]}, one("complex64"), UnsupportedError, "takes complex64, which JSON cannot carry"),
        ({"instances": [[1, 2]]}, one("bfloat16"), UnsupportedError, "takes bfloat16"),
        ({"instances": [[1, 2]]}, one("qint8"), UnsupportedError, "takes qint8"),
    ],
)
def test_what_is_no_array_is_named_with_its_place(
    body: dict[str, Any], of: Signature, error: type[HeadwiseError], text: str
) -> None:
    with pytest.raises(error, match=text):
        read_inputs(body, of)


@pytest.mark.parametrize("row", [[True, False], [True, 2.5], [1, False]])
@pytest.mark.parametrize("beside", [[], [[0.5, 0.5]]])
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_true_and_false_are_no_numbers_whatever_stands_beside_them(
    row: list[Any], beside: list[Any], dtype: str
) -> None:
    with pytest.raises(InvalidTensorError, match=r"is (true|false|the number .*): (whole )?numbers are expected"):
        read_inputs({"instances": [row, *beside]}, one(dtype))


@pytest.mark.parametrize("dtype", ["float32", "string"])
def test_a_body_nested_beyond_any_array_is_refused(dtype: str) -> None:
    value: Any = "x" if dtype == "string" else 1
    for _ in range(900):
        value = [value]
    with pytest.raises(InvalidTensorError, match="instances is nested 900 deep"):
        read_inputs({"instances": value}, one(dtype, None))


@pytest.mark.parametrize("odd", [None, 2, True, [1.0], 1e39])
@pytest.mark.parametrize("at", [0, 1, 30_000, 59_999])
def test_many_rows_are_read_in_parts(at: int, odd: Any) -> None:
    rows: list[list[Any]] = [[0.5, -number] for number in range(60_000)]
    expected = np.array(rows, np.float32)
    np.testing.assert_array_equal(read_inputs({"instances": rows}, one())["x"], expected, strict=True)
    rows[at][1] = odd
    if odd == 2 and odd is not True:
        assert read_inputs({"instances": rows}, one())["x"][at, 1] == 2
    else:
        with pytest.raises(InvalidTensorError, match=rf"instances\[{at}\]\[1\] is "):
            read_inputs({"instances": rows}, one())


def test_an_empty_column_keeps_its_shape() -> None:
    assert read_inputs({"inputs": [[], []]}, one())["x"].shape == (2, 0)
    assert read_inputs({"inputs": []}, one("string", (None,)))["x"].shape == (0,)


def test_a_number_too_large_for_the_dtype_is_named_with_its_place() -> None:
    with pytest.raises(InvalidTensorError, match=r"inputs\[1\]\[0\] is too large for float32"):
        read_inputs({"inputs": [[1, 1], [1e39, 1]]}, one())
