"""JSON is read and printed as RapidJSON does it inside TensorFlow Serving."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwise.api.rest.tfs.json_text import ECHO_BYTES, Json, echo, parse, quote
from headwise.errors import InvalidRequestError

SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)


def _refusal(body: bytes) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        parse(body)
    return str(caught.value).removeprefix("JSON Parse error: ")


@given(VALUES)
def test_documents_are_read_as_any_json_reader_does(value: Json) -> None:
    assert parse(json.dumps(value).encode()) == value


@pytest.mark.parametrize("rest", [b" trailing", b"{}", b"]", b"\x00", b" \xff"])
def test_what_follows_the_first_document_is_ignored(rest: bytes) -> None:
    assert parse(b'{"a": [1]}' + rest) == {"a": [1]}


def test_a_byte_order_mark_is_skipped_and_counted() -> None:
    assert parse(b"\xef\xbb\xbf[1]") == [1]
    assert _refusal(b"\xef\xbb\xbf[1") == "Missing a comma or ']' after an array element. at offset: 5"


def test_nan_and_infinity_may_stand_bare() -> None:
    value = parse(b"[NaN, Infinity, -Infinity]")
    assert isinstance(value, list)
    assert math.isnan(value[0])  # type: ignore[arg-type]
    assert value[1:] == [math.inf, -math.inf]


def test_the_first_of_two_equal_names_counts_and_keeps_its_place() -> None:
    value = parse(b'{"a": 1, "b": 2, "a": 3}')
    assert isinstance(value, dict)
    assert list(value.items()) == [("a", 1), ("b", 2)]


def test_integers_beyond_64_bits_become_doubles() -> None:
    assert parse(b"[18446744073709551615, 18446744073709551616]") == [2**64 - 1, 2.0**64]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "The document is empty"),
        (b" \n", "The document is empty. at offset: 2"),
        (b"{'a': 1}", "Missing a name for object member. at offset: 1"),
        (b"[nan]", "Invalid value. at offset: 2"),
        (b"[1e400]", "Number too big to be stored in double. at offset: 1"),
        (b'["\\ud800"]', "The surrogate pair in string is invalid. at offset: 2"),
        (b'["a\nb"]', "Invalid escape character in string. at offset: 3"),
        (b'["a\xffb"]', "Invalid encoding in string. at offset: 3"),
        (b"\x1f\x8b\x08", "Invalid value. at offset: 0"),
        (b"[" * 5000, "The document is nested too deeply."),
        (b'{"a":' * 5000, "The document is nested too deeply."),
    ],
)
def test_a_refusal_has_rapidjsons_text_and_offset(body: bytes, text: str) -> None:
    assert _refusal(body) == text


def test_strings_are_escaped_only_where_they_must_be() -> None:
    assert quote('"\\/\b\f\n\r\t\x01\x1f\x7f\u2028é') == '"\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001F\x7f\u2028é"'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        ([], "[]"),
        ({}, "{}"),
        (-3, "-3"),
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (0.071, "0.071"),
        (1e20, "100000000000000000000.0"),
        (1e21, "1e21"),
        (1.5e-6, "0.0000015"),
        (1.5e-7, "1.5e-7"),
        (math.nan, ""),
        ([1, [2.5, {"a": "é"}]], '[1, [2.5, {\n            "a": "é"\n        }]]'),
        ({"a": [1], "b": {}}, '{\n    "a": [1],\n    "b": {}\n}'),
    ],
)
def test_a_quoted_value_is_printed_with_lists_on_one_line(value: Json, text: str) -> None:
    assert echo(value) == text


def test_a_long_value_is_cut_after_the_token_that_reaches_the_limit() -> None:
    assert len("[" + ", ".join(["100"] * 51)) < ECHO_BYTES
    assert echo([100] * 1000) == "[" + ", ".join(["100"] * 52)
