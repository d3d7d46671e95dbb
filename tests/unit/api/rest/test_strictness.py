"""A body that is JSON but for NaN is refused by the place where that stands."""

import orjson
import pytest

from headwise.api.rest import strictness


def complaint(body: bytes) -> str:
    with pytest.raises(orjson.JSONDecodeError) as refused:
        orjson.loads(body)
    return strictness.complaint(strictness.lenient(body), refused.value)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"instances": [[1, 2], [3, NaN], [NaN, 1]]}', "instances[1][1] is NaN"),
        (b'{"instances": [{"x": [1]}, {"x": [Infinity]}]}', "instances[1].x[0] is Infinity"),
        (b'{"inputs": {"x": [[1]], "y": -Infinity}}', "inputs.y is -Infinity"),
        (b'{"inputs": [{"name": "x", "data": [1, NaN]}]}', "inputs[0].data[1] is NaN"),
    ],
)
def test_a_number_that_is_none_is_named_by_its_place(body: bytes, place: str) -> None:
    assert complaint(body) == f"{place}: numbers must be finite"


@pytest.mark.parametrize(
    "body",
    [
        b'{"instances": [[1]]} more',
        b'{"instances": [[1]',
        b"",
        b'{"x": ' + b"[" * 300 + b"NaN" + b"]" * 300 + b"}",
        b"[" * 5000 + b"NaN",
    ],
)
def test_what_is_wrong_otherwise_is_told_in_the_words_of_the_parser(body: bytes) -> None:
    assert complaint(body).startswith("the body is no strict JSON: ")
