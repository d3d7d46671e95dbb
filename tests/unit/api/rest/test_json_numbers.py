"""The shape of a list is that of its brackets; anything that is no array is told from one."""

import json
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwise.api.rest.json_numbers import BLOCK_BYTES, Numbers, Span, array, lists, plain, read

PAD = " " * BLOCK_BYTES


def span(text: str) -> Span:
    """A list in the middle of a body."""
    return Span(f'{{"x":{text}}}'.encode(), 5, 5 + len(text.encode()))


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.sampled_from([" ", PAD]))
def test_every_shape_is_found(shape: list[int], blanks: str) -> None:
    expected = np.arange(np.prod(shape)).reshape(shape)
    text = json.dumps(expected.tolist(), separators=(f"{blanks},", ":"))
    found = read(span(text))
    assert found is not None
    np.testing.assert_array_equal(found.array, expected, strict=True)
    assert plain(found) == lists(span(text)) == expected.tolist()


@pytest.mark.parametrize(
    "text",
    [
        "[[1,2,3],[4]]",
        "[[1],[2,3]]",
        "[[1],2]",
        "[1,[2]]",
        "[[[1,2]],[[3],[4]]]",
        "[[1,2],[[3,4]]]",
        "[[1,2],[3,4,5],[6]]",
        "[[1,2],[3],[4,5,6]]",
        "[[[1],[2]],[[3,4]],[[5,6]]]",
        "[[],[1]]",
        "[[1],[]]",
        "[]",
        "[[]]",
        "[[],[]]",
        "[1,true]",
        "[1,null]",
        "[18446744073709551616]",
        "[1e400]",
        # what is no JSON
        "[1,]",
        "[,1]",
        "[1,,2]",
        "[[1][2]]",
        "[[1,2],3[,4]]",
        "[1,[]2]",
        "[[1,2],[3,4]",
        "[1]]",
        "[[1]],[[2]]",
        "[1 2]",
        "[NaN]",
    ],
)
@pytest.mark.parametrize("blanks", ["", PAD])
def test_what_is_no_array_of_numbers_is_none(text: str, blanks: str) -> None:
    assert read(span(text.replace(",", f"{blanks},"))) is None


@pytest.mark.parametrize("text", ["[[1,2],[3]]", "[[],[1]]", "[1,[2,[3]],[[]]]", "[true,null,[false]]", "[[[1],2],3]"])
def test_lists_are_orjsons_wherever_they_are_cut(text: str) -> None:
    assert lists(span(text.replace(",", f"{PAD},"))) == orjson.loads(text)


@pytest.mark.parametrize(
    "text", ["[1,]", "[,1]", "[[1,],2]", "[[1],[,2]]", "[1,,2]", "[1],[2]", "[[1,2]", "[1,NaN]", "[[1],[2]]]"]
)
def test_lists_that_are_no_json_are_refused_wherever_they_are_cut(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        lists(span(text.replace(",", f"{PAD},")))


@pytest.mark.parametrize(
    ("text", "dtype", "values"),
    [
        ("[1,2]", "int64", [1, 2]),
        ("[1,2.0]", "float64", [1, 2]),
        ("[-9223372036854775808,9223372036854775807]", "int64", [-(2**63), 2**63 - 1]),
        ("[9223372036854775808,-1]", "float64", [2.0**63, -1]),
        ("[9007199254740993,0.5]", "float64", [2.0**53, 0.5]),
    ],
)
@pytest.mark.parametrize("blanks", ["", PAD])
def test_integers_stay_whole_where_all_are(text: str, dtype: str, values: list[Any], blanks: str) -> None:
    found = read(span(text.replace(",", f"{blanks},")))
    assert found is not None
    assert (found.array.dtype.name, found.array.tolist()) == (dtype, values)


def test_rows_of_equal_shapes_are_one_array() -> None:
    one, two, longer = (read(span(text)) for text in ("[1,2]", "[3,4.5]", "[1,2,3]"))
    assert isinstance(one, Numbers)
    together = array([one, two])
    assert together is not None
    assert together.tolist() == [[1, 2], [3, 4.5]]
    assert array([one, longer]) is None
    assert array([one, [3, 4]]) is None
    assert array([1]) is None
    assert plain([one, [3, 4]]) == [[1, 2], [3, 4]]
