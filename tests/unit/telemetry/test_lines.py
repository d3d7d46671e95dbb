"""An event is one line of printable characters, whatever it holds; JSON reads back as what was told."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwise.telemetry.lines import as_json, coloured, for_people

HOSTILE = [
    "a\nb",
    "a\r\nb",
    "\x1b[2J\x1b[31mred",
    "\x9b31m",
    "\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e",
    "\u202e\u2066txt.exe\u2069",
    "\ud800",
    "\x00\x7f",
    '"} {"event":"request"',
    "2026-01-01T00:00:00Z [info     ] request status=200",
    "\U000e0001\ufeff\u200b",
    " ",
    "",
]
TEXTS = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(exclude_categories=())),
    st.text(st.sampled_from("\n\r\x1b\u2028 =")),
)
VALUES = st.one_of(
    TEXTS,
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.dictionaries(TEXTS, st.dictionaries(TEXTS, st.integers(0, 2**40), max_size=3), max_size=3),
)
KEYS = st.text(st.sampled_from("abcdefgh_"), min_size=1).map(lambda key: f"x_{key}")
EVENTS = st.fixed_dictionaries({"event": TEXTS}).flatmap(
    lambda event: st.dictionaries(KEYS, VALUES, max_size=4).map(lambda rest: {**event, **rest})
)
COLOUR = re.compile(r"\x1b\[\d+m")
Line = Callable[[object, str, dict[str, Any]], str]


@settings(max_examples=1000)
@given(EVENTS, st.sampled_from(["debug", "info", "warning", "error", "exception", "critical"]))
def test_json_is_one_printable_line_and_reads_back(event: dict[str, Any], level: str) -> None:
    line = as_json(None, level, dict(event))
    assert line.isprintable()
    found = json.loads(line)
    assert found.pop("level") in {"debug", "info", "warning", "error"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", found.pop("timestamp"))
    assert found == event


@settings(max_examples=1000)
@given(EVENTS)
def test_words_are_one_printable_line(event: dict[str, Any]) -> None:
    line = for_people(None, "info", dict(event))
    assert line.isprintable()
    assert line.count(" [info     ] ") >= 1
    assert re.match(r"\S{27} \[info     \] ", line)


@settings(max_examples=1000)
@given(EVENTS)
def test_colours_add_nothing_but_colours(event: dict[str, Any]) -> None:
    line = coloured(None, "info", dict(event))
    assert [*line].count("\x1b") == len(COLOUR.findall(line)) == 4
    assert COLOUR.sub("", line)[27:] == for_people(None, "info", dict(event))[27:]


@given(TEXTS, TEXTS)
def test_a_value_cannot_look_like_another_field(value: str, other: str) -> None:
    line = for_people(None, "info", {"event": "request", "path": value, "status": 404})
    assert line.endswith(" status=404")
    assert len(re.findall(r"(?<= )status=", re.sub(r"'.*'|\".*\"", "", line))) == 1


def failure(text: str) -> BaseException:
    try:
        try:
            int(text)
        except ValueError as error:
            raise KeyError(text) from error
    except KeyError as error:
        return error
    raise AssertionError("it is no number")


@pytest.mark.parametrize("line", [as_json, for_people, coloured])
def test_a_traceback_says_where_and_what_kind_but_nothing_of_what_the_errors_say(line: Line) -> None:
    error = failure("secret\nsecret")
    told = line(None, "error", {"event": "internal error", "exc_info": error})
    assert "secret" not in told
    for expected in ("Traceback", "builtins.ValueError", "builtins.KeyError", "test_lines.py", "in failure"):
        assert expected in told


def test_for_people_a_traceback_is_marked_line_by_line() -> None:
    first, *rest = for_people(None, "error", {"event": "x", "exc_info": failure("a")}).split("\n")
    assert len(rest) > 4
    assert all(line.startswith("  | ") for line in rest)
    assert "[error    ] x" in first


@pytest.mark.parametrize("how", [lambda error: error, lambda error: (type(error), error, None), lambda _: True])
def test_an_error_is_told_however_it_is_given(how: Callable[[BaseException], Any]) -> None:
    try:
        Path("/nowhere/secret").read_bytes()
    except OSError as error:
        told = json.loads(as_json(None, "error", {"event": "x", "exc_info": how(error)}))
    assert told["exception"].endswith("builtins.FileNotFoundError (errno 2)")


def test_what_is_no_error_has_no_traceback() -> None:
    assert sys.exc_info() == (None, None, None)
    for nothing in (None, True, (None, None, None)):
        assert "exception" not in json.loads(as_json(None, "error", {"event": "x", "exc_info": nothing}))


def test_a_group_names_the_kinds_that_it_holds() -> None:
    group = ExceptionGroup("secret", [ValueError("secret"), OSError(28, "secret")])
    told = json.loads(as_json(None, "error", {"event": "x", "exc_info": group}))["exception"]
    assert told.endswith("builtins.ExceptionGroup of builtins.ValueError, builtins.OSError (errno 28)")


def test_errors_that_cause_each_other_end() -> None:
    one, other = ValueError(), KeyError()
    one.__cause__, other.__cause__ = other, one
    told = json.loads(as_json(None, "error", {"event": "x", "exc_info": one}))["exception"]
    assert told.count("Traceback") == 2
