"""JSON as TensorFlow Serving reads and prints it: RapidJSON's grammar, texts and layout."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TypeAlias

import rapidjson

from headwise.api.rest.tfs.grisu import digits
from headwise.errors import InvalidRequestError

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

INDENT = "    "
ECHO_BYTES = 256
"""A value that an error quotes is cut after the token that reaches this size."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PARSE_ERROR = re.compile(r"Parse error at offset (\d+): (.*)")
_TRAILING_TEXT = "The document root must not be followed by other values."
_BAD_CHARACTER = "Invalid encoding in string."
# What RapidJSON 1.1.0, the release in TensorFlow Serving, says of a control character in a string.
_CONTROL_CHARACTER = "Invalid escape character in string."
# Stands in for the first byte that is no UTF-8: a control character is refused wherever it stands.
_SUBSTITUTE = b"\x1a"
_ESCAPES: Mapping[int, str] = {
    **{code: f"\\u{code:04X}" for code in range(0x20)},
    **{ord(char): f"\\{letter}" for char, letter in zip('"\\\b\f\n\r\t', '"\\bfnrt', strict=True)},
}
_TYPE_NAMES: Mapping[type, str] = {dict: "Object", list: "Array", str: "String", type(None): "Null"}


class Repeated(dict[str, Json]):
    """An object in which a name stands twice: the first one counts, as RapidJSON's FindMember has it.

    `last` has the last one instead, for what reads all members in their order.
    """

    def __init__(self, members: list[tuple[str, Json]]) -> None:
        first = dict(reversed(members))
        super().__init__((name, first[name]) for name, _ in members)
        self.last = dict(members)


class _Decoder(rapidjson.Decoder):
    """Builds objects from their members in order, which a plain dict would merge."""

    def start_object(self) -> list[tuple[str, Json]]:
        return []

    def end_object(self, members: list[tuple[str, Json]]) -> dict[str, Json]:
        plain = dict(members)
        return plain if len(plain) == len(members) else Repeated(members)


# Native numbers: RapidJSON's own rounding of decimals, and integers beyond uint64 as doubles.
decode = _Decoder(number_mode=rapidjson.NM_NATIVE | rapidjson.NM_NAN)


def parse(body: bytes) -> Json:
    """Read the first document in a body; NaN and Infinity may stand bare, text after it is ignored.

    Raises: InvalidRequestError with RapidJSON's text and offset.
    """
    if not body:
        raise InvalidRequestError("JSON Parse error: The document is empty")
    mark = len(_BYTE_ORDER_MARK) if body.startswith(_BYTE_ORDER_MARK) else 0
    return _parse(body[mark:], mark)


def _parse(text: bytes, skipped: int) -> Json:
    try:
        value: Json = decode(text)
    except UnicodeDecodeError as error:
        return _parse(text[: error.start] + _SUBSTITUTE, skipped)
    except RecursionError:
        raise InvalidRequestError("JSON Parse error: The document is nested too deeply.") from None
    except rapidjson.JSONDecodeError as error:
        offset, reason = _located(error)
        if reason == _TRAILING_TEXT:
            return _parse(text[:offset], skipped)
        if reason == _BAD_CHARACTER and text[offset:] != _SUBSTITUTE:
            reason = _CONTROL_CHARACTER
        raise InvalidRequestError(f"JSON Parse error: {reason} at offset: {offset + skipped}") from None
    return value


def _located(error: rapidjson.JSONDecodeError) -> tuple[int, str]:
    found = _PARSE_ERROR.fullmatch(str(error))
    assert found is not None, str(error)
    return int(found[1]), found[2]


def type_name(value: Json) -> str:
    """What RapidJSON calls the type of a value."""
    return str(value) if isinstance(value, bool) else _TYPE_NAMES.get(type(value), "Number")


def quote(text: str) -> str:
    """A JSON string; bytes that were no UTF-8 pass as lone surrogates (surrogateescape)."""
    return f'"{text.translate(_ESCAPES)}"'


def echo(value: Json) -> str:
    """A value as errors quote it: pretty-printed, lists on one line, cut at about ECHO_BYTES."""
    printed, size = [], 0
    for piece in _pieces(value, ""):
        if size >= ECHO_BYTES:
            break
        printed.append(piece)
        size += len(piece.encode())
    return "".join(printed)


def _pieces(value: Json, indent: str, lead: str = "") -> Iterator[str]:
    """The tokens of a printed value, each with the blanks and commas before it."""
    inner = indent + INDENT
    if isinstance(value, dict) and value:
        yield f"{lead}{{"
        for index, (name, member) in enumerate(value.items()):
            yield f"{',' if index else ''}\n{inner}{quote(name)}"
            yield from _pieces(member, inner, ": ")
        yield f"\n{indent}}}"
    elif isinstance(value, list) and value:
        yield f"{lead}["
        for index, element in enumerate(value):
            yield from _pieces(element, inner, ", " if index else "")
        yield "]"
    else:
        yield lead + _scalar(value)


def _scalar(value: Json) -> str:
    match value:
        case str():
            return quote(value)
        case bool() | None:
            return json.dumps(value)
        case float():
            return _double(value)
        case _:
            return str(value)


def _double(value: float) -> str:
    """RapidJSON's digits, without an exponent from 1e-6 to 1e21; nothing at all for NaN and infinity."""
    if not math.isfinite(value):
        return ""
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    if value == 0:
        return f"{sign}0.0"
    found, exponent = digits(abs(value))
    number = Decimal(f"{sign}{found}e{exponent}")
    point = number.adjusted() + 1
    if not -6 < point <= 21:
        mantissa, _, power = f"{number.normalize():e}".partition("e")
        return f"{mantissa}e{int(power)}"
    plain = f"{number:f}"
    return plain if "." in plain else f"{plain}.0"
