"""Valid requests with something wrong in them."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -1, 1, 2**31, 2**63, 2**64, 1e39, 1e-320]),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=8), st.just({"b64": "AAE="}))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def mutated(draw: st.DrawFn, valid: Any) -> Any:
    """A document in which up to three places hold another value, are gone, or are there twice."""
    document = copy.deepcopy(valid)
    for _ in range(draw(st.integers(1, 3))):
        document = _changed(draw, document)
    return document


def _changed(draw: st.DrawFn, value: Any, depth: int = 0) -> Any:
    """The value with a change in it, or another in its place."""
    inner = isinstance(value, dict | list) and len(value) > 0
    if not inner or (depth > 0 and draw(st.integers(0, 3)) == 0):
        return copy.deepcopy(draw(VALUES))
    key = draw(st.sampled_from(list(value) if isinstance(value, dict) else range(len(value))))
    how = draw(st.sampled_from(["change", "change", "change", "remove", "add"]))
    if how == "change":
        value[key] = _changed(draw, value[key], depth + 1)
    elif how == "remove":
        del value[key]
    elif isinstance(value, dict):
        value[draw(st.text(max_size=8))] = copy.deepcopy(draw(VALUES))
    else:
        value.insert(key, copy.deepcopy(draw(VALUES)))
    return value


@st.composite
def damaged(draw: st.DrawFn, valid: bytes) -> bytes:
    """Bytes of which some are others, gone or new."""
    data = bytearray(valid)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        data[at : at + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
    return bytes(data)
