"""Tensors of a request become arrays, and raw outputs tensors."""

import math
from typing import Any

import numpy as np
import pytest

from headwise.api.grpc.tensors import arrays
from headwise.errors import InvalidTensorError
from headwise.v1 import classification_service_pb2 as v1

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
    return arrays({"x": proto})["x"]


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
        (tensor("FLOAT32", (2,), float_values=[1]), r"holds 1 elements: the shape \[2\] takes 2"),
        (tensor("FLOAT32", (1, 2), content=b"\0" * 4), r"holds 1 elements: the shape \[1, 2\] takes 2"),
        (tensor("FLOAT32", (1,), double_values=[1.0]), r"holds 0 elements"),
        (tensor("FLOAT32", (2,), content=b"\0" * 7), "7 bytes of content are no float32"),
        (tensor("STRING", (1,), content=b"a"), "1 bytes of content are no string"),
        (tensor("FLOAT32", (1,), content=b"\0" * 4, float_values=[1]), "both content and float_values"),
        (tensor("FLOAT32", (-1,), float_values=[1]), "sizes cannot be negative"),
        (tensor("INT8", (2,), int_values=[-129, 5]), "holds -129 to 5: int8 cannot"),
        (tensor("UINT8", (1,), uint_values=[256]), "holds 256 to 256: uint8 cannot"),
        (tensor("FLOAT32", (1,) * 65, float_values=[1]), "has 65 axes: 64 are the most"),
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
