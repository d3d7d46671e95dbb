"""Predictions are printed to the byte as TensorFlow Serving prints them."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from headwise.api.rest.tfs.predict_response import predictions
from headwise.errors import InvalidRequestError, NonFiniteOutputError
from support.recordings import groups

_BODIES = {
    case["name"]: case["response_body"]
    for case in groups("rest")["default"].cases
    if case["status"] == 200 and "response_body" in case
}
MATRIX = np.array([[1, 2], [3, 4]], np.float32)


def _strings(*values: bytes) -> NDArray[Any]:
    array = np.empty(len(values), object)
    array[:] = values
    return array


@pytest.mark.parametrize(
    ("name", "outputs", "row"),
    [
        ("rest-layout/dtypes/matrix-row", {"f": MATRIX}, True),
        ("rest-layout/dtypes/matrix-columnar", {"f": MATRIX}, False),
        ("rest-dtypes/dtypes/matrix-zero-columns", {"f": np.zeros((2, 0), np.float32)}, True),
        ("rest-dtypes/dtypes/vector-empty-columnar", {"f": np.zeros(0, np.float32)}, False),
        ("rest-scalar/scalar/columnar", {"total": np.float32(7).reshape(())}, False),
        ("rest-dtypes/dtypes/bool", {"bo": np.array([True, False])}, True),
        ("rest-dtypes/dtypes/uint64-max", {"u64": np.array([2**64 - 1], np.uint64)}, True),
        ("rest-bytes/bytes/b64-no-padding", {"out_bytes": _strings(b"a")}, True),
        ("rest-bytes/bytes/columnar-only-bytes", {"out_bytes": _strings(b"a", b"b")}, False),
        (
            "rest-bytes/bytes/row",
            {
                "length": np.array([1, 3, 0], np.int32),
                "text": _strings(b"a!", "hé!".encode(), b"!"),
                "raw_bytes": _strings(b"a", "hé".encode(), b""),
            },
            True,
        ),
        (
            "rest-bytes/bytes/columnar",
            {
                "length": np.array([1, 1], np.int32),
                "text": _strings(b"a!", b"b!"),
                "raw_bytes": _strings(b"a", b"b"),
            },
            False,
        ),
    ],
)
def test_the_layout_is_the_recorded_one(name: str, outputs: dict[str, NDArray[Any]], row: bool) -> None:
    assert predictions(outputs, row=row).decode() == _BODIES[name]


def test_numbers_that_are_not_finite_stand_bare_where_that_is_asked() -> None:
    x = np.array([1, 2], np.float32)
    columns = [np.full(2, value, np.float32) for value in (np.nan, np.inf, -np.inf)]
    output = np.stack([*columns, x, np.full(2, -0.0, np.float32), x / np.float32(3)], axis=1)
    body = predictions({"y": output}, row=False, bare=True)
    assert body.decode() == _BODIES["rest-layout/nanout/columnar"]


@pytest.mark.parametrize("row", [True, False])
def test_numbers_that_are_not_finite_are_refused_by_output_and_row(row: bool) -> None:
    bad = np.zeros((9, 2), np.float32)
    bad[[1, 2, 3, 5, 7, 8], 0] = np.nan
    text = r"^output 'y' is not finite in 6 of 9 rows: 1, 2, 3, 5, 7, …$"
    with pytest.raises(NonFiniteOutputError, match=text):
        predictions({"x": np.zeros(9), "y": bad}, row=row)


def test_a_scalar_that_is_not_finite_is_refused_too() -> None:
    with pytest.raises(NonFiniteOutputError, match=r"^output 'y' is not finite in 1 of 1 rows: 0$"):
        predictions({"y": np.array(np.inf)}, row=False)


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        ({"total": np.array(7.0)}, "Tensor name: total has no shape information "),
        (
            {"three": np.zeros(3), "x2": np.zeros(2)},
            "Tensor name: x2 has inconsistent batch size: 2 expecting: 3",
        ),
        ({}, "Cannot convert empty tensor map to JSON"),
        ({"c": np.zeros(1, np.complex64)}, "Failed to write JSON value for tensor type: complex64"),
    ],
)
def test_what_rows_cannot_carry_is_refused(outputs: dict[str, NDArray[Any]], text: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        predictions(outputs, row=True)
    assert str(caught.value) == text


def test_strings_that_are_no_utf8_pass_byte_for_byte() -> None:
    assert b'["\xff\xfe\\u0000"' in predictions({"data": _strings(b"\xff\xfe\x00")}, row=True)


@given(
    arrays.arrays(np.float64, arrays.array_shapes(max_dims=4, min_side=0), elements=st.floats(-1e9, 1e9)),
    st.booleans(),
    st.booleans(),
)
def test_every_body_is_json_of_the_same_values(output: NDArray[np.float64], row: bool, several: bool) -> None:
    outputs = {"a": output, "b": output} if several else {"a": output}
    document = json.loads(predictions(outputs, row=row))
    values = output.tolist()
    if row:
        expected = [{"a": value, "b": value} for value in values] if several else values
    else:
        expected = {"a": values, "b": values} if several else values
    assert document == {"predictions" if row else "outputs": expected}
