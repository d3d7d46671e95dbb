"""JSON values become arrays by TensorFlow Serving's rules, the fast way and the slow way alike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwise.api.rest.tfs.json_tensors import Stack, is_base64, tensor, uniform
from headwise.api.rest.tfs.json_text import Json
from headwise.errors import HeadwiseError, InvalidRequestError, UnsupportedError

VALUES = st.integers(-300, 300) | st.just(2**40) | st.just(1.5) | st.booleans()
ROWS = st.lists(st.lists(VALUES, max_size=3), min_size=1)
DTYPES = st.sampled_from(["float32", "float64", "int32", "uint8", "uint64", "bool", "string", "float16"])


@given(ROWS, DTYPES)
def test_fast_and_slow_way_agree(rows: list[Json], dtype: str) -> None:
    fast = uniform(rows, dtype)
    stack = Stack(dtype)
    try:
        for row in rows:
            stack.add(row)
    except HeadwiseError:
        assert fast is None
    else:
        if fast is not None:
            assert fast.dtype == stack.array().dtype
            assert np.array_equal(fast, stack.array())


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (1.5, "float32", np.float32(1.5)),
        ([[1, 2.5], [3, 4]], "float32", np.array([[1, 2.5], [3, 4]], np.float32)),
        ([[], []], "int32", np.zeros((2, 0), np.int32)),
        ([256, -1], "uint8", np.array([0, 255], np.uint8)),
        ([32768, 70000], "int16", np.array([-32768, 4464], np.int16)),
        ([2**64 - 1], "uint64", np.array([2**64 - 1], np.uint64)),
        ([-(2**63)], "int64", np.array([-(2**63)], np.int64)),
        ([True, False], "bool", np.array([True, False])),
        (["é", {"b64": "YQ"}], "string", np.array(["é".encode(), b"a"], object)),
        ([1e39, -1e39], "float32", np.array([np.inf, -np.inf], np.float32)),
        ([2**64 - 1, 0.5], "float64", np.array([2.0**64, 0.5])),
    ],
)
def test_values_that_fit(value: Json, dtype: str, expected: np.ndarray[tuple[int], np.dtype[np.generic]]) -> None:
    array = tensor(value, dtype)
    assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
    assert np.array_equal(array, expected)


def test_denormal_numbers_become_zeros_of_their_sign() -> None:
    array = tensor([1e-40, -1e-40, 1.1754944e-38, -0.0], "float32")
    assert array.tolist() == [0.0, 0.0, pytest.approx(1.1754944e-38), 0.0]
    assert np.signbit(array).tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    ("value", "dtype", "text"),
    [
        (None, "float32", "JSON Value: null Type: Null is not of expected type: float"),
        ([True], "float64", "JSON Value: true Type: True is not of expected type: double"),
        (["1"], "int32", 'JSON Value: "1" Type: String is not of expected type: int32'),
        ([1.0], "int32", "JSON Value: 1.0 Type: Number is not of expected type: int32"),
        ([2**31], "uint8", "JSON Value: 2147483648 Type: Number is not of expected type: uint8"),
        ([-1], "uint32", "JSON Value: -1 Type: Number is not of expected type: uint32"),
        ([1], "bool", "JSON Value: 1 Type: Number is not of expected type: bool"),
        ([1], "string", "JSON Value: 1 Type: Number is not of expected type: string"),
        ([[1, 2], [3]], "float32", "Encountered list at unexpected size: 1 at level: 1 expected size: 2"),
        ([1, [2]], "float32", "Encountered list at unexpected level: 1 expected < 1"),
        ([[1], 2], "float32", "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
        ({"b64": 5}, "string", 'JSON Value: {\n    "b64": 5\n} not formatted correctly for base64 data'),
    ],
)  # fmt: skip
def test_values_that_do_not_fit_are_named(value: Json, dtype: str, text: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        tensor(value, dtype)
    assert str(caught.value) == text


@pytest.mark.parametrize(("dtype", "name"), [("float16", "half"), ("bfloat16", "bfloat16"), ("complex64", "complex64")])
def test_dtypes_that_json_cannot_carry_are_unsupported(dtype: str, name: str) -> None:
    with pytest.raises(UnsupportedError, match=f"^Conversion of JSON Value: 1 to type: {name}$"):
        tensor([1], dtype)


@pytest.mark.parametrize("text", ["__79", "!!!!", "Y", "YQ=", "YQ===", "=", "YQ==YQ==", "é"])
def test_broken_base64_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"^Unable to base64 decode$"):
        tensor({"b64": text}, "string")


@pytest.mark.parametrize("text", ["YQ==", "YQ", "Y Q = =", "YQ=\n="])
def test_base64_may_hold_spaces_and_lack_its_padding(text: str) -> None:
    assert tensor({"b64": text}, "string").item() == b"a"


def test_rows_of_different_shape_are_refused() -> None:
    stack = Stack("float32")
    stack.add([[1, 2]])
    with pytest.raises(InvalidRequestError, match=r"^Expecting tensor size: 2 but got: 1$"):
        stack.add([1])
    with pytest.raises(InvalidRequestError, match=r"^Expecting shape \[1,2\] but got: \[2,1\]$"):
        stack.add([[1], [2]])


def test_nesting_deeper_than_a_tensor_can_be_is_refused() -> None:
    row: Json = 1
    for _ in range(64):
        row = [row]
    refused = pytest.raises(InvalidRequestError, match=r"^Lists are nested 65 deep; tensors have at most 64 axes$")
    with refused:
        tensor([row], "float32")
    with refused:
        Stack("float32").add(row)


def test_base64_is_an_object_of_one_text() -> None:
    assert is_base64({"b64": ""})
    assert not any(map(is_base64, ({"b64": 5}, {"b64": "", "x": 1}, {}, "b64", None)))  # type: ignore[arg-type]
