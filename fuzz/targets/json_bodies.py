"""JSON of a request, by every way that it is read: as rows and columns, tf.Examples, V2's tensors, lines, options."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import numpy as np
from starlette.datastructures import QueryParams

import json_mutator
from headwise.api.examples.arrays import arrays
from headwise.api.rest import classify
from headwise.api.rest.classify_request import read_options
from headwise.api.rest.instances import read_inputs
from headwise.api.rest.media import options as query
from headwise.api.rest.tfs import example_request, predict_request
from headwise.api.rest.v2 import bodies
from headwise.api.v2 import parameters
from headwise.gateway import RequestOptions
from headwise.preflight import check_inputs
from headwise.repository.model_spec import ModelSpec
from headwise.savedmodel import Signature
from support.recordings import groups
from targets.models import HEADS, SIGNATURES

WORDS = (
    *(b'"instances"', b'"inputs"', b'"examples"', b'"context"', b'"signature_name"', b'"options"', b'"b64"'),
    *(b'"threshold"', b'"decision"', b'"rule"', b'"costs"', b'"abstain"', b'"coverage"', b'"top_k"', b'"include"'),
    *(b'"name"', b'"shape"', b'"datatype"', b'"data"', b'"parameters"', b'"binary_data_size"', b"NaN", b"1e400"),
    *(b"[[[[[[[[", b"]]]]]]]]", b"\\ud800", b"\\u0000", b"18446744073709551616", b"\x0b"),
)
_BLANKS = b" " * 70_000
"""What the byte 0x0b, which no JSON holds, stands for: a large body is read block by block."""
_MOST_BLANKS = 3


def read(data: bytes) -> None:
    """The first byte chooses the way, the second signature and heads; then comes the body."""
    way, model = WAYS[data[0] % len(WAYS)] if data else WAYS[0], data[1] if len(data) > 1 else 0
    way(data[2:].replace(b"\x0b", _BLANKS, _MOST_BLANKS), model)


def _classify(body: bytes, model: int) -> None:
    document = classify.parse(body)
    if document is None:
        _examples(body, model)
        return
    _, options, _ = read_options(document)
    _ask(options, model)
    _check(read_inputs(document, _signature(model)), model)


def _predict(body: bytes, model: int) -> None:
    wanted = _signature(model).inputs
    large = predict_request.inputs(predict_request.read_numbers(body), wanted)
    small = predict_request.inputs(predict_request.read(body), wanted)
    for name, array in small.arrays.items():
        assert np.array_equal(large.arrays[name], array, equal_nan=array.dtype.kind == "f")


def _examples(body: bytes, model: int) -> None:
    examples = example_request.read(predict_request.read(body))
    examples.to_proto().SerializeToString()
    arrays(examples, _signature(model))


def _v2(body: bytes, model: int) -> None:
    split = body.find(b"\n")
    found = bodies.read(body.replace(b"\n", b"", 1), None if split < 0 else str(split), ModelSpec("m"))
    _, options = parameters.read_options(found.request.parameters)
    _check(dict(found.request.inputs), model)
    _ask(options, model)


def _query(body: bytes, model: int) -> None:
    _, options, _ = query.read(QueryParams(body.decode("latin-1")))
    _ask(options, model)


def _check(inputs: Any, model: int) -> None:
    check_inputs(inputs, _signature(model))


def _ask(options: RequestOptions, model: int) -> None:
    """What the options make of numbers."""
    heads = HEADS[model // len(SIGNATURES) % len(HEADS)]
    asked = options.by_head({name: head for name, (head, _) in heads.items()})
    for name, (head, units) in heads.items():
        head.answer(np.full((2, units), 1 / units), asked[name])


def _signature(model: int) -> Signature:
    return SIGNATURES[model % len(SIGNATURES)]


WAYS: tuple[Callable[[bytes, int], None], ...] = (_classify, _predict, _examples, _v2, _query)

_RULES: tuple[Any, ...] = (
    {"threshold": 0.3, "top_k": 2, "include": ["raw", "intervals", "provenance"]},
    {"decision": {"rule": "cost", "costs": [[0, 1, 2], [1, 0, 1], [2, 1, 0]]}, "abstain": {"floor": 0.4}},
    {"decision": {"output_0": {"rule": "per_label", "thresholds": {"a": 0.2, "b": 0.7}}}, "abstain": {"margin": 0.1}},
    {"decision": {"rule": "argmax", "prediction_set": {"score": "aps", "coverage": 0.9, "quantiles": {"0.9": 0.8}}}},
    {"threshold": {"output_0": 0.4}, "coverage": {"output_0": 0.9}, "abstain": {"cost": 0.2, "set": True}},
)
_TENSORS: tuple[Any, ...] = (
    {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [0.5, 1.5]},
    {"name": "x", "shape": [2], "datatype": "BYTES", "data": ["a", "b"], "parameters": {"content_type": "str"}},
    {"name": "n", "shape": [1, 1], "datatype": "INT64", "data": [[7]]},
)


def seeds() -> Iterable[bytes]:
    """Bodies of each way, and all that was recorded of TensorFlow Serving."""
    rows: tuple[Any, ...] = ([[0.5, 1]], [{"x": [0.5, 1, 2], "n": [7]}], ["text", {"b64": "AAE="}], [[[1, 2], [3, 4]]])
    for model in range(len(SIGNATURES) * len(HEADS)):
        options = _RULES[model % len(_RULES)]
        yield _seed(0, model, {"instances": rows[model % len(rows)], "options": options})
        yield _seed(3, model, {"inputs": [_TENSORS[model % len(_TENSORS)]], "parameters": {"threshold": 0.3}})
        yield bytes((4, model)) + b'threshold=0.3&top_k=2&include=raw,probabilities&decision={"rule":"argmax"}'
    binary = {"name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}
    yield bytes((3, 0)) + json.dumps({"inputs": [binary]}).encode() + b"\n" + bytes(8)
    yield bytes((0, 0)) + b'{"instances":[[1,\x0b2],\x0b[3,4.5]]}'
    yield bytes((1, 1)) + b'{"inputs":{"x":[[1,2,\x0b3]],\x0b"n":[[1]]}}'
    for group in groups("rest").values():
        for case in group.cases:
            body = case.get("body", "")[:2000].encode()
            yield from (bytes((way, number)) + body for way in (1, 2) for number in (0, 1, 2) if body)


def _seed(way: int, model: int, document: Any) -> bytes:
    return bytes((way, model)) + json.dumps(document).encode()


def mutated(data: bytes, random: Random) -> bytes | None:
    """Another document, read the same way."""
    document = json_mutator.mutated(data[2:], random)
    return None if document is None else data[:2] + document
