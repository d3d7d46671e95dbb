"""How many bytes an answer will have, about: known before it is written, so that memory can be promised for it."""

from __future__ import annotations

from headwise.backends.base import Arrays
from headwise.gateway import Classification

_ROW, _NUMBER, _TEXT = 90, 22, 60
"""Of a row's answer in JSON, of a number, and of a text beside its own bytes; in npz and protobuf they are shorter."""


def of_rows(answer: Classification) -> int:
    """What the heads answer."""
    return (answer.stop - answer.start) * (_ROW + answer.batch.width * _NUMBER)


def of_arrays(arrays: Arrays, *, raw: bool = False) -> int:
    """Named tensors. raw: whether numbers go as they are, not as text."""
    return sum(
        array.size * _TEXT + sum(map(len, array.flat))
        if array.dtype == object
        else array.nbytes
        if raw
        else array.size * _NUMBER
        for array in arrays.values()
    )
