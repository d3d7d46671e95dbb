"""Rows that are objects are read a few at a time, to what orjson makes of all of them."""

import json
from typing import Any

import orjson
import pytest

from headwise.api.rest import json_body, json_rows
from headwise.api.rest.json_numbers import BLOCK_BYTES

ROWS: list[Any] = [{"x": [number, 0.5], "text": '"},{"' * (number % 3), "n": None} for number in range(9000)]


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(
    "document",
    [
        {"instances": ROWS},
        {"instances": ROWS, "options": {"decision": {"costs": [[0, 1], [5, 0]]}}},
        {"signature_name": "a", "instances": ROWS, "options": {}},
        {"instances": [{"x": [1]}, {"x": []}, *ROWS]},
    ],
)
def test_rows_are_read_in_parts(document: dict[str, Any], indent: int | None) -> None:
    body = json.dumps(document, indent=indent).encode()
    assert len(body) > 3 * BLOCK_BYTES
    assert json_body.parse(body) == document
    if b'"},{"' not in body.replace(b'\\"', b""):
        assert json_rows.parse(body) == document


def test_plain_rows_need_no_second_reading() -> None:
    document = {"instances": [{"x": [number, 0.5]} for number in range(9000)], "options": {"top_k": 1}}
    assert json_rows.parse(orjson.dumps(document)) == document


BLANKS = " " * BLOCK_BYTES


@pytest.mark.parametrize(
    "text",
    [
        '{"instances":[{"x":[{"b64":"YQ=="}PAD,{"b64":"YQ=="}]},{"x":[]}]}',
        '{"instances":[{"x":1PAD},{"x":"},{"},{"x":"}]"}]}',
        '{"instances":[{"x":1PAD},{"x":2}],"instances":[{"x":3}]}',
        '{"a":{"instances":[{"x":1PAD},{"x":2}]},"instances":[{"x":3}]}',
        '{"a":{"instances":[{"x":1PAD},{"x":2}]}}',
        '{"a":"\\"instances\\":[{","instances":[{"x":1PAD},{"x":2}]}',
        '{"instances":[{"x":1PAD},{"x":2}],"options":[{}]}',
        '["instances",[{"x":1PAD},{"x":2}]]',
        '{"instances":[{"x":1PAD},2]}',
        '{"instances":[{"x":1PAD},{"x":2},]}',
        '{"instances":[{"x":1PAD},,{"x":2}]}',
        '{"instances":[{"x":1PAD}{"x":2}]}',
        '{"instances":[{"x":1PAD},{"x":NaN}]}',
        '{"instances":[{"x":1PAD},{"x":2}]]}',
        '{"instances":[{"x":1PAD},{"x":2}]',
        '{"instances":[{"x":1PAD}],[{"x":2}]}',
        '{"instances":[{"x":"\\ud800PAD"},{"x":2}]}',
    ],
)
def test_whatever_stands_there_it_is_orjsons(text: str) -> None:
    body = text.replace("PAD", BLANKS).encode()

    def outcome(load: Any) -> Any:
        try:
            return load(body)
        except orjson.JSONDecodeError as error:
            return str(error)

    assert outcome(json_body.parse) == outcome(orjson.loads)


@pytest.mark.parametrize("depth", [1020, 1021, 1022, 1023])
def test_rows_may_be_as_deep_as_ever(depth: int) -> None:
    body = f'{{"instances":[{{"x":1{BLANKS}}},{{"x":{"[" * depth}{"]" * depth}}}]}}'.encode()
    if depth < 1022:
        assert len(json_body.parse(body)["instances"]) == len(orjson.loads(body)["instances"]) == 2
    else:
        for load in (orjson.loads, json_body.parse):
            with pytest.raises(orjson.JSONDecodeError, match="depth limit exceeded"):
                load(body)
