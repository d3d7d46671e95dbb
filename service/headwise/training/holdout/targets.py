"""From the columns of a file to what was true of each head: texts become what the head's labels are numbered as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.errors import InvalidRequestError
from headwise.heads import Head
from headwise.training.holdout.file import TARGETS, Holdout, listed
from headwise.training.holdout.inputs import gather

Array = NDArray[Any]

_ON_OFF: Mapping[str, float] = {"true": 1.0, "false": 0.0}


def targets_of(holdout: Holdout, heads: Mapping[str, Head], inputs: frozenset[str] = frozenset()) -> dict[str, Array]:
    """Numbers (rows, ...) for each head by its output: class indices, 0 or 1 a label, or values.

    An output's are in `targets.NAME`, or in `targets` where there is only one head. Of a table they may be columns
    `targets.NAME.0`, ...; those of a multilabel head also one column a label: `targets.NAME.LABEL`, `targets.LABEL`,
    or `LABEL` itself unless it is one of the `inputs`. Texts are labels.

    Raises: InvalidRequestError naming the column, the row, and what is expected.
    """
    return {output: _targets(holdout, output, head, len(heads) == 1, inputs) for output, head in heads.items()}


def plain_targets(holdout: Holdout, outputs: Sequence[str]) -> dict[str, Array]:
    """An archive's targets of each output as they are, for heads that are not known yet.

    Raises: InvalidRequestError if there are none for an output.
    """
    return {
        output: holdout.arrays[_plain(holdout, output, is_only=len(outputs) == 1, may_be_by_label=False)[0]]
        for output in outputs
    }


def label_columns(holdout: Holdout, heads: Mapping[str, Head]) -> frozenset[str]:
    """Columns that are named as a label of a multilabel head."""
    labels = {label for head in heads.values() if head.task == "multilabel" for label in head.labels}
    return frozenset(labels & holdout.arrays.keys()) if holdout.is_table else frozenset()


def _targets(holdout: Holdout, output: str, head: Head, is_only: bool, inputs: frozenset[str]) -> Array:
    may_be_by_label = head.task == "multilabel" and holdout.is_table
    if may_be_by_label:
        prefixes = (f"{TARGETS}.{output}.", *((f"{TARGETS}.", "") if is_only else ()))
        if columns := _by_label(holdout, head, prefixes, inputs):
            return _joined(holdout, head, columns)
    return _joined(holdout, head, _plain(holdout, output, is_only=is_only, may_be_by_label=may_be_by_label))


def _plain(holdout: Holdout, output: str, *, is_only: bool, may_be_by_label: bool) -> list[str]:
    """The columns that are named as this output's targets."""
    names = (f"{TARGETS}.{output}", TARGETS) if is_only else (f"{TARGETS}.{output}",)
    for name in names:
        if columns := gather(holdout, name):
            return columns
    one = " (or choose one with --output)" if TARGETS in holdout.arrays else ""
    labels = ", or one column a label," if may_be_by_label else ""
    raise InvalidRequestError(
        f"{holdout.file}: no {holdout.word} {' or '.join(map(repr, reversed(names)))}: what was true of each row "
        f"is expected there{labels}{one}; the file's {holdout.word}s are {listed(holdout.arrays)}"
    )


def _by_label(holdout: Holdout, head: Head, prefixes: tuple[str, ...], inputs: frozenset[str]) -> list[str]:
    """A column for each label, of the first prefix that has any."""
    for prefix in prefixes:
        wanted = [prefix + label for label in head.labels]
        there = [name for name in wanted if name in holdout.arrays and name not in inputs]
        if there and len(there) < len(wanted):
            missing = [name for name in wanted if name not in there]
            raise InvalidRequestError(
                f"{holdout.file}: there is a column {there[0]!r} for its label, but none for {listed(missing)}: each "
                "label needs one"
            )
        if there:
            return wanted
    return []


def _joined(holdout: Holdout, head: Head, columns: list[str]) -> Array:
    """Columns as numbers, side by side where they are several."""
    numbers = [_numbers(holdout, head, column) for column in columns]
    if len(numbers) == 1:
        return numbers[0]
    if deep := [column for column, array in zip(columns, numbers, strict=True) if array.ndim > 1]:
        raise InvalidRequestError(f"{holdout.file}: column {deep[0]!r} holds lists: one number a row is expected")
    return np.column_stack(numbers)


def _numbers(holdout: Holdout, head: Head, column: str) -> Array:
    array = holdout.arrays[column]
    if array.dtype.kind == "O" and all(isinstance(value, str) for value in array.ravel().tolist()):
        array = array.astype(str)
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8")
    if array.dtype.kind != "U":
        return array
    texts, inverse = np.unique(array, return_inverse=True)
    where = f"{holdout.file}: {holdout.word} {column!r}"
    read = _read(where, head, texts.tolist(), may_be_numbers=holdout.kind == "csv")
    if odd := [text for text, number in read.items() if number is None]:
        at = int(np.argwhere(array == odd[0])[0][0])
        raise InvalidRequestError(f"{where} holds {odd[0]!r} in row {at}{_more(odd)}: {_expected(head)}")
    return np.array([read[text] for text in texts.tolist()], np.float64)[inverse].reshape(array.shape)


def _read(where: str, head: Head, texts: list[str], *, may_be_numbers: bool) -> dict[str, float | None]:
    """Each text as a label's index, or as the number that it is: all in the way that reads more, None if it does not.

    may_be_numbers: the file does not tell texts from numbers, as CSV does not.
    """
    has_classes = head.task not in ("multilabel", "regression")
    as_labels = {text: _index(head, text) if has_classes else None for text in texts}
    as_numbers = {text: _number(text) if may_be_numbers or not has_classes else None for text in texts}
    are_labels, are_numbers = (None not in read.values() for read in (as_labels, as_numbers))
    if are_labels and are_numbers and as_labels != as_numbers:
        raise InvalidRequestError(
            f"{where}: {listed(texts)} are labels of the head and could be class indices too, which mean other "
            "classes: give a Parquet or .npz file, where texts are labels and whole numbers are indices"
        )
    return min(as_labels, as_numbers, key=lambda read: list(read.values()).count(None))


def _index(head: Head, text: str) -> float | None:
    for known in (text, text.strip()):
        if known in head.labels:
            return float(head.labels.index(known))
    return None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return _ON_OFF.get(text.strip().lower())


def _more(odd: list[str]) -> str:
    return f" (and {listed(odd[1:])})" if len(odd) > 1 else ""


def _expected(head: Head) -> str:
    match head.task:
        case "multilabel":
            return "0 or 1 a label is expected"
        case "regression":
            return "numbers are expected"
        case _:
            return f"the head's labels are {listed(head.labels)}; class indices count from 0"
