"""Bodies with tf.Examples are read as recorded: what TensorFlow Serving took, and what it refused in which words."""

import json
from typing import Any

import numpy as np
import pytest

from headwise.api.examples.examples import Examples
from headwise.api.rest.tfs import example_request, predict_request
from headwise.errors import InvalidRequestError
from support.recordings import groups

_BY_THE_MODEL = {"unknown-signature", "label-unknown", "wide", "int-output", "default-is-classify"}
"""What only the model refuses."""
_CASES = [
    case
    for case in groups("rest")["default"].cases
    if case["name"].startswith(("rest-classify/", "rest-regress/")) and "body" in case
]
_REFUSED = [
    case
    for case in _CASES
    if case["status"] == 400 and case["match"] == "json" and case["name"].split("/")[2] not in _BY_THE_MODEL
]
_TAKEN = [case for case in _CASES if case["status"] == 200]


def _read(data: str) -> Examples:
    return example_request.read(predict_request.read(data.encode()))


def _row(example: str) -> dict[str, Any]:
    (row,) = _read(f'{{"examples": [{example}]}}').rows
    return dict(row)


@pytest.mark.parametrize("case", _REFUSED, ids=[case["name"] for case in _REFUSED])
def test_a_body_is_refused_in_the_recorded_words(case: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        _read(case["body"])
    assert str(caught.value) == json.loads(case["response_body"])["error"]


@pytest.mark.parametrize("case", _TAKEN, ids=[case["name"] for case in _TAKEN])
def test_a_body_that_was_taken_is_read(case: dict[str, Any]) -> None:
    assert len(_read(case["body"]).rows) == len(json.loads(case["body"])["examples"])


def test_the_recordings_are_many() -> None:
    assert (len(_REFUSED), len(_TAKEN)) == (18, 20)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('{"context": [1], "examples": [{}]}', "Example must be JSON object but got JSON Array"),
        ('{"examples": [true]}', "Example must be JSON object but got JSON True"),
        ('{"examples": 3}', "JSON Value: {\n    \"examples\": 3\n} Expecting 'examples' value to be an list/array"),
        ("{}", "JSON Value: {} When method is classify, key 'examples' is expected and was not found"),
        ('{"examples": [{"x": [[1]]}]}', "Feature: x has element with unexpected JSON type: Array"),
        ('{"examples": [{"x": ["a", {"b64": 1}]}]}', "Feature: x has element with unexpected JSON type: Object"),
        ('{"examples": [{"x": [1, "a", null]}]}', "Unexpected element type in feature: x expecting type: int64"),
        ('{"context": {"x": null}}', "Feature: x has element with unexpected JSON type: Null"),
    ],
)
def test_errors_come_in_the_order_and_words_of_tfs(body: str, text: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        _read(body)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("value", "feature"),
    [
        ("1", [1]),
        ("[1, -2]", [1, -2]),
        ("[true, false, 3]", [1, 0, 3]),
        ("[1.0, 2e3]", [1.0, 2000.0]),
        ("18446744073709551616", [2.0**64]),
        ("9223372036854775807", [2**63 - 1]),
        ('"é"', ["é".encode()]),
        ('["a", {"b64": "//4="}, ""]', [b"a", b"\xff\xfe", b""]),
        ("[]", []),
    ],
)
def test_scalars_and_flat_lists_are_features_of_one_kind(value: str, feature: list[Any]) -> None:
    read = _row(f'{{"x": {value}}}')["x"]
    assert read == feature
    assert [type(element) for element in read] == [type(element) for element in feature]


def test_the_last_of_a_repeated_feature_counts_and_the_first_of_a_repeated_key() -> None:
    assert _row('{"x": 1, "y": 2, "x": 3}') == {"x": [3], "y": [2]}
    assert _read('{"examples": [{"x": 1}], "examples": [{"x": 2}]}').rows == ({"x": [1]},)


def test_an_examples_own_feature_replaces_that_of_the_context() -> None:
    examples = _read('{"context": {"x": [1, 2], "tag": "a"}, "examples": [{"x": [3]}, {"n": 4}, {"tag": []}]}')
    assert examples.merged() == [
        {"x": [3], "tag": [b"a"]},
        {"x": [1, 2], "tag": [b"a"], "n": [4]},
        {"x": [1, 2], "tag": []},
    ]


def test_examples_travel_as_an_example_list() -> None:
    sent = _read('{"examples": [{"f": [0.5, 1e300], "i": 3, "b": "x", "none": []}]}').to_proto()
    assert sent.WhichOneof("kind") == "example_list"
    feature = sent.example_list.examples[0].features.feature
    assert list(feature["f"].float_list.value) == [0.5, np.inf]
    assert list(feature["i"].int64_list.value) == [3]
    assert list(feature["b"].bytes_list.value) == [b"x"]
    assert feature["none"].WhichOneof("kind") is None


@pytest.mark.parametrize("context", ["{}", '{"x": 1}'])
def test_a_context_travels_beside_the_examples_even_when_it_is_empty(context: str) -> None:
    sent = _read(f'{{"context": {context}, "examples": [{{}}, {{"y": 2}}]}}').to_proto()
    assert sent.WhichOneof("kind") == "example_list_with_context"
    shared = sent.example_list_with_context
    assert set(shared.context.features.feature) == set(json.loads(context))
    assert [set(example.features.feature) for example in shared.examples] == [set(), {"y"}]
