"""A large body is the document that orjson makes of it, whatever is in it; its numbers are arrays."""

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwise.api.rest.instances import read_inputs
from headwise.api.rest.json_body import LARGE_BYTES, parse
from headwise.api.rest.json_numbers import Numbers, plain
from headwise.errors import HeadwiseError
from headwise.savedmodel import Signature, TensorSpec
from strategies.json_texts import bodies

PAD = b" " * LARGE_BYTES
SIGNATURES = [
    Signature({"x": TensorSpec(dtype, None)}, {})
    for dtype in (
        "float32",
        "float16",
        "float32",
        "float64",
        "float32",
        "int8",
        "int32",
        "int64",
        "uint8",
        "uint64",
        "bool",
        "string",
    )
] + [Signature({"x": TensorSpec("float32", None), "n": TensorSpec("int64", None)}, {})]


def outcome(load: Callable[[bytes], Any], body: bytes, signature: Signature) -> Any:
    """The arrays of a body, bit by bit, and what stands beside them; or its error."""
    try:
        document = load(body)
        if not isinstance(document, dict) or not document.keys() & {"instances", "inputs"}:
            return document
        arrays = read_inputs(document, signature)
    except (orjson.JSONDecodeError, HeadwiseError) as error:
        return type(error), str(error)
    bits = {
        name: (array.dtype, array.shape, array.tolist() if array.dtype == object else array.tobytes())
        for name, array in arrays.items()
    }
    return bits, {name: value for name, value in document.items() if name not in ("instances", "inputs")}


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(bodies(), st.sampled_from(SIGNATURES))
def test_every_body_is_read_as_orjson_reads_it(body: bytes, signature: Signature) -> None:
    assert outcome(parse, body, signature) == outcome(orjson.loads, body, signature)


def test_a_small_body_is_orjsons() -> None:
    assert parse(b'{"instances":[[1,2]]}') == {"instances": [[1, 2]]}


@pytest.mark.parametrize(
    "text",
    [
        '{"instances": VALUE, "options": {"top_k": 2}}',
        '{"signature_name": "a \\" [1, \\\\", "inputs": VALUE}',
        '{"inputs": {"x": VALUE, "n": [1, 2]}}',
        '{"inputs": {"n": [1, 2], "x" : \nVALUE\t} }',
        '{"instances": [{"x": VALUE}, {"x": VALUE}]}',
        '{"inputs": [{"name": "x", "data": VALUE}], "outputs": [{"name": "y"}]}',
    ],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" \n,\t", ":")])
def test_long_lists_of_numbers_are_arrays_wherever_inputs_may_be(text: str, separators: tuple[str, str]) -> None:
    array = np.random.default_rng(1).normal(size=(2, 60, 30, 3))
    body = text.replace("VALUE", json.dumps(array.tolist(), separators=separators)).encode()
    assert len(body) > LARGE_BYTES
    found: list[Any] = []
    document = parse(body)

    def visit(value: Any) -> Any:
        if isinstance(value, Numbers):
            found.append(value)
            return plain(value)
        if isinstance(value, list):
            return [visit(one) for one in value]
        return {key: visit(one) for key, one in value.items()} if isinstance(value, dict) else value

    assert visit(document) == orjson.loads(body)
    assert len(found) == text.count("VALUE")
    for one in found:
        np.testing.assert_array_equal(one.array, array, strict=True)


@pytest.mark.parametrize("name", ["options", "other"])
def test_a_long_list_that_is_no_input_stays_a_list(name: str) -> None:
    body = orjson.dumps({name: {"costs": list(range(30_000))}, "instances": [[1.0]]})
    assert parse(body) == orjson.loads(body)


def test_the_last_of_two_equal_names_counts() -> None:
    first, last = orjson.dumps([[1.5] * 9000] * 2), orjson.dumps([[2.5] * 9000] * 2)
    body = b'{"instances":' + first + b',"instances":' + last + b"}"
    assert parse(body) == {"instances": orjson.loads(last)}


@pytest.mark.parametrize("depth", [3, 64, 65, 200, 1019, 1020, 1021, 1022, 1023, 1024, 1025, 3000])
@pytest.mark.parametrize("beside", ["", "1,"])
def test_no_depth_is_too_deep_to_be_refused_as_ever(depth: int, beside: str) -> None:
    body = b'{"inputs":{"x":' + PAD + f"[{beside}".encode() * depth + b"1" + b"]" * depth + b"}}"
    assert outcome(parse, body, SIGNATURES[1]) == outcome(orjson.loads, body, SIGNATURES[1])


@pytest.mark.parametrize(
    "body",
    [
        b'{"instances":[[1,2],[3]' + PAD + b"]}",
        b'{"instances":[[1,2],[3,4' + PAD + b"]}",
        b'{"instances":[[1,2],[3,4]],' + PAD + b"}",
        b'{"instances":[[1,' + PAD + b"]]}",
        b'{"instances":[[' + PAD + b",1]]}",
        b'{"instances":[[1]' + PAD + b",]}",
        b'{"instances":[[1]' + PAD + b",[NaN]]}",
        b'{"instances":[[1]' + PAD + b",[2]]]}",
        b'{"instances":[[1]' + PAD + b']],"inputs":[[2]]}',
        b'{"instances":[[1]' + PAD + b',[2]],"a":"\xff"}',
        b'{"instances":[[1]' + PAD + b',[2]],"a":"open}',
        b'{"instances":[[1]' + PAD + b",[2]]}]",
        b"[[1]" + PAD + b",[2]]",
        b"\xef\xbb\xbf" + b'{"instances":[[1]' + PAD + b",[2]]}",
        b'["instances",{"a":[[1]' + PAD + b",[2]]}]",
        PAD,
    ],
)
def test_errors_name_the_place_in_the_whole_body(body: bytes) -> None:
    assert outcome(parse, body, SIGNATURES[1]) == outcome(orjson.loads, body, SIGNATURES[1])


@pytest.mark.parametrize(
    ("dtype", "numbers"),
    [
        ("uint8", "[0,255]"),
        ("uint8", "[0,256]"),
        ("uint8", "[-1,255]"),
        ("int8", "[-129,0]"),
        ("int64", "[-9223372036854775808,9223372036854775807]"),
        ("int64", "[0,9223372036854775808]"),
        ("uint64", "[0,18446744073709551615]"),
        ("uint64", "[0,18446744073709551616]"),
        ("int32", "[1,2.0]"),
        ("float16", "[1,65520]"),
        ("float32", "[1,3.5e38]"),
        # Halfway between two float32 but for its last bit, which float64 has no room for.
        ("float32", "[1,18014399583223809]"),
        ("float64", "[-0,-0.0]"),
        ("bool", "[true,false]"),
        ("bool", "[1,0]"),
        ("string", "[1,0]"),
        ("complex64", "[1,0]"),
    ],
)
@pytest.mark.parametrize("form", ["instances", "inputs"])
def test_what_a_dtype_holds_is_checked_as_ever(dtype: str, numbers: str, form: str) -> None:
    body = f'{{"{form}":{numbers.replace(",", PAD.decode() + ",")}}}'.encode()
    signature = Signature({"x": TensorSpec(dtype, None)}, {})
    assert outcome(parse, body, signature) == outcome(orjson.loads, body, signature)


def test_a_number_of_a_large_body_is_no_object() -> None:
    body = orjson.dumps({"instances": np.random.default_rng(2).random((2, 50_000)).tolist()})
    signature = Signature({"x": TensorSpec("float32", (None, 50_000))}, {})
    read_inputs(parse(body), signature)
    tracemalloc.start()
    try:
        array = read_inputs(parse(body), signature)["x"]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # As float64 in parts and as a whole, and as float32; a list would have 32 bytes a number besides.
    assert peak < array.size * 26
