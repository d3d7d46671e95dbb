"""Rows of several requests are read as those of one."""

from headwise.gateway import RowLists


def test_rows_are_joined_in_their_order_and_read_together() -> None:
    read = RowLists([[1, 2]], lambda rows, _: {"x": rows})  # type: ignore[dict-item]  # a reader of its own
    assert read(None) == {"x": [[1, 2]]}  # type: ignore[arg-type]
    other = RowLists([[3, 4], [5, 6]], lambda rows, _: {"x": rows})  # type: ignore[dict-item]
    assert read.joined([other]).rows == [[1, 2], [3, 4], [5, 6]]
