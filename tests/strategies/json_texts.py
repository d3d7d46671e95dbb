"""JSON texts with arrays, and with what nearly is one."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

NUMBERS = (
    "0",
    "1",
    "-7",
    "255",
    "1.5",
    "-0",
    "-0.0",
    "1.0",
    "1e3",
    "16777217",
    "18014399583223809",
    "0.1",
    "1e39",
    "70000",
    "5e-324",
)
WIDE = ("9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551615")
BEYOND = ("18446744073709551616", "-9223372036854775809", "1" + "0" * 310, "1E400", "-1e400")
OTHERS = ("true", "false", "null", '"a"', '"]"', '"\\"["', '"\\ud800"', "{}", '{"b64":"YQ=="}', "[]", "[1]")
NO_JSON = ("NaN", "Infinity", "01", "1.", ".5", "+1", "-", "", "1 2", "\x00", "tru")

PADS = st.sampled_from(["", "", "", "", " ", "\n\t", " " * 70_000])
"""Blanks between tokens; the long ones make a body large, and lie where it is cut."""


@st.composite
def arrays(draw: st.DrawFn, leaves: st.SearchStrategy[str], shape: list[int]) -> Any:
    """Nested lists of leaves; now and then one is longer, shorter or no list at all."""
    if not shape:
        return draw(leaves)
    size = shape[0] if draw(st.integers(0, 60)) else draw(st.integers(0, 3))
    rest = shape[1:] if draw(st.integers(0, 60)) else draw(st.sampled_from([shape[1:], shape[2:], [*shape[1:], 1]]))
    return [draw(arrays(leaves, rest)) for _ in range(size)]


@st.composite
def printed(draw: st.DrawFn, value: Any) -> str:
    """Nested lists, tuples of members and leaves as text, with blanks between its tokens."""
    pad = draw(PADS)
    match value:
        case list():
            return f"[{pad}" + f"{pad},".join(draw(printed(element)) for element in value) + f"{draw(PADS)}]"
        case tuple():
            return f"{{{pad}" + ",".join(f'{draw(PADS)}"{n}"{draw(PADS)}:{draw(printed(v))}' for n, v in value) + "}"
        case _:
            return f"{pad}{value}{draw(PADS)}"


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """A body of a call, mostly large: rows or columns, options before or behind, now and then a letter is wrong."""
    tokens = draw(st.sampled_from([NUMBERS, NUMBERS, NUMBERS + WIDE, NUMBERS + WIDE + BEYOND + OTHERS + NO_JSON]))
    array = arrays(st.sampled_from(tokens), draw(st.lists(st.integers(1, 3), min_size=0, max_size=4)))
    forms = [
        [("instances", draw(array))],
        [("inputs", draw(array))],
        [("inputs", (("x", draw(array)), ("n", draw(array))))],
        [("instances", [(("x", draw(array)), ("n", draw(array))), (("n", draw(array)), ("x", draw(array)))])],
        [("instances", draw(array)), ("instances", draw(array))],
        [("other", draw(array)), ("instances", draw(array))],
    ]
    members = draw(st.sampled_from(forms))
    extra = draw(st.sampled_from([[], [("options", (("top_k", "2"),))], [("signature_name", '"a\\"]: [1"')]]))
    text = draw(printed(tuple(draw(st.sampled_from([members + extra, extra + members])))))
    at, letter = draw(st.integers(0, len(text))), draw(st.sampled_from([*'[],{}":1 \\-.e', "\x7f", "\ud800"]))
    cut = draw(st.sampled_from([0, 1]))
    if not draw(st.integers(0, 5)):
        text = text[:at] + letter + text[at + cut :]
    return text.encode("utf-8", "surrogatepass")
