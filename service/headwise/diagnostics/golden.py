"""Golden records: inputs whose raw output and decision are known, so that a version can prove itself."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.diagnostics.rounding import decision, standing, tolerance
from headwise.errors import HeadMismatchError
from headwise.heads import Head
from headwise.savedmodel import Signature

_NO_DTYPES: Mapping[str, str] = {}


@dataclass(frozen=True, eq=False)
class GoldenRecord:
    """One call: inputs (rows, ...) by name, the raw outputs (rows, ...) that are expected, and what they decide.

    It has one row, but as many as a signature with a fixed batch takes.
    decided: per head the indices (rows, ...) int64, -1 where it abstains, or multilabel decisions (rows, ..., labels)
    bool; none for regression.
    """

    signature_name: str
    inputs: Mapping[str, NDArray[Any]]
    outputs: Mapping[str, NDArray[Any]]
    decided: Mapping[str, NDArray[Any]]


def choose(
    signature_name: str,
    signature: Signature,
    inputs: Mapping[str, NDArray[Any]],
    outputs: Mapping[str, NDArray[Any]],
    heads: Mapping[str, Head],
    *,
    most: int = 8,
) -> tuple[GoldenRecord, ...]:
    """A handful of rows (batch, ...) that decide differently, none so near a cut that rounding could flip it.

    Rows that hold a number that is not finite, or that contradict their head, are passed over. Of an output with
    positions one decision must stand in each row. Where the signature has a fixed batch, each record repeats rows to
    fill it: TensorFlow Serving refuses to load a version that fails while it warms up.
    most: rows.
    """
    usable = _obedient(outputs, heads)
    others = (array for name, array in outputs.items() if name not in heads)
    for array in (*inputs.values(), *others):
        if array.ndim and array.dtype.kind in "fc" and len(usable):
            usable &= np.isfinite(array).reshape(len(usable), -1).all(axis=1)
    kept = np.flatnonzero(usable)
    if not len(kept):
        return ()
    raw = {name: array[kept] for name, array in outputs.items()}
    answers = decided(raw, heads)
    steady = np.ones(len(kept), np.bool_)
    for name in answers:
        stands = standing(heads[name], raw[name], signature.outputs[name].dtype)
        each = stands.all(axis=-1) if heads[name].task == "multilabel" else stands
        steady &= each.reshape(len(kept), -1).any(axis=1)
    picked = _varied(answers, np.flatnonzero(steady), most)
    batch = max(signature.fixed_batches, default=1)
    return tuple(
        GoldenRecord(
            signature_name,
            # A scalar input goes with every row.
            {name: array[kept[rows]] if array.ndim else array for name, array in inputs.items()},
            {name: array[rows] for name, array in raw.items()},
            {name: array[rows] for name, array in answers.items()},
        )
        for rows in np.resize(picked, (math.ceil(len(picked) / batch), batch))
    )


def decided(outputs: Mapping[str, NDArray[Any]], heads: Mapping[str, Head]) -> dict[str, NDArray[Any]]:
    """What the heads decide for their outputs (batch, ...); nothing for regression and for outputs that are not there.

    Raises: HeadMismatchError if an output contradicts its head.
    """
    answers = {name: decision(head.answer(outputs[name])) for name, head in heads.items() if name in outputs}
    return {name: answer for name, answer in answers.items() if answer is not None}


def decide_anew(record: GoldenRecord, heads: Mapping[str, Head]) -> GoldenRecord:
    """The record under other heads of its signature: the model's outputs stay, what they decide is derived again.

    Raises: HeadMismatchError if an output contradicts its head.
    """
    return replace(record, decided=decided(record.outputs, heads))


def difference(
    record: GoldenRecord,
    outputs: Mapping[str, NDArray[Any]],
    heads: Mapping[str, Head],
    *,
    dtypes: Mapping[str, str] = _NO_DTYPES,
) -> str | None:
    """What differs between what came and what the record expects; None if it holds.

    Numbers agree within the tolerance of their dtype, everything else exactly. Decisions agree exactly, but for
    those that rounding could flip.
    dtypes: TensorFlow's names of the outputs' dtypes, for those whose array does not have it (bfloat16).
    """
    return next(_differences(record, outputs, heads, dtypes), None)


def _obedient(outputs: Mapping[str, NDArray[Any]], heads: Mapping[str, Head]) -> NDArray[np.bool_]:
    """Which rows do not contradict their heads; asked one by one only where not all of them obey."""
    rows = max((len(array) for array in outputs.values()), default=0)
    try:
        decided(outputs, heads)
    except HeadMismatchError:
        return np.array([_obeys({name: a[at : at + 1] for name, a in outputs.items()}, heads) for at in range(rows)])
    return np.ones(rows, np.bool_)


def _obeys(outputs: Mapping[str, NDArray[Any]], heads: Mapping[str, Head]) -> bool:
    try:
        decided(outputs, heads)
    except HeadMismatchError:
        return False
    return True


def _varied(answers: Mapping[str, NDArray[Any]], rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Up to `most` of the rows, each decision once before any comes twice."""
    seen: Counter[tuple[bytes, ...]] = Counter()
    ranked = []
    for at in rows.tolist():
        key = tuple(array[at].tobytes() for array in answers.values())
        ranked.append((seen[key], at))
        seen[key] += 1
    return np.array(sorted(at for _, at in sorted(ranked)[:most]), np.int64)


def _differences(
    record: GoldenRecord, outputs: Mapping[str, NDArray[Any]], heads: Mapping[str, Head], dtypes: Mapping[str, str]
) -> Iterator[str]:
    for name, expected in record.outputs.items():
        if name not in outputs:
            yield f"output {name!r} did not come; these came: {', '.join(map(repr, outputs)) or 'none'}"
        elif found := _numbers(expected, outputs[name], dtypes.get(name)):
            yield f"output {name!r} {found}"
    for name, expected in record.decided.items():
        if name not in heads:
            yield f"output {name!r} has an expected decision, but the card describes no head of it"
            continue
        try:
            stands = standing(heads[name], record.outputs[name], dtypes.get(name))
            came = decision(heads[name].answer(outputs[name]))
        except HeadMismatchError as error:
            yield f"output {name!r} contradicts its head: {error}"
            continue
        if found := _decisions(heads[name], expected, came, stands):
            yield f"head {name!r} {found}"


def _numbers(expected: NDArray[Any], came: NDArray[Any], dtype: str | None) -> str | None:
    """The element that is furthest from what is expected, where it is too far."""
    if came.shape != expected.shape or came.dtype != expected.dtype:
        return f"is {_kind(came)}, expected is {_kind(expected)}"
    if expected.dtype.kind != "f":
        wrong = np.argwhere(came != expected)
        return _at(came, expected, wrong[0], "") if len(wrong) else None
    room = tolerance(expected, dtype).of(expected)
    with np.errstate(invalid="ignore"):  # infinities of one sign are alike
        beyond = np.where(came == expected, 0.0, np.abs(came.astype(np.float64) - expected) / room)
    beyond = np.where(np.isnan(came) & np.isnan(expected), 0.0, np.nan_to_num(beyond, nan=np.inf))
    if not (beyond > 1.0).any():
        return None
    at = np.array(np.unravel_index(beyond.argmax(), beyond.shape))
    return _at(came, expected, at, f" within {room[tuple(at)]:.2g}")


def _decisions(head: Head, expected: NDArray[Any], came: NDArray[Any] | None, stands: NDArray[np.bool_]) -> str | None:
    """The first decision that differs among those that stand."""
    if came is None or came.shape != expected.shape or stands.shape != expected.shape:
        return f"decides {'nothing' if came is None else _kind(came)}, expected is {_kind(expected)}"
    wrong = np.argwhere((came != expected) & stands)
    if not len(wrong):
        return None
    at = tuple(wrong[0].tolist())
    if expected.dtype == np.bool_:
        on, off = ("on", "off") if came[at] else ("off", "on")
        return f"says that {head.labels[at[-1]]!r} is {on}{_place(at[:-1], expected.shape[:-1])}, expected is {off}"
    return f"decides {_label(head, came[at])}{_place(at, expected.shape)}, expected is {_label(head, expected[at])}"


def _label(head: Head, index: int) -> str:
    if index == -1:
        return "nothing (it abstains)"
    known = 0 <= index < len(head.labels)
    return f"{head.labels[index]!r} ({index})" if known else f"class {index}, which the head does not have"


def _at(came: NDArray[Any], expected: NDArray[Any], at: NDArray[np.int64], within: str) -> str:
    index = tuple(at.tolist())
    return f"is {_text(came[index])}{_place(index, came.shape)}, expected is {_text(expected[index])}{within}"


def _text(value: Any) -> str:
    return f"{float(value):.6g}" if isinstance(value, np.floating) else str(value)


def _place(index: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """Where in an array of this shape; nothing for its only element, and no row where there is only one."""
    shown = index[1:] if shape[:1] == (1,) else index
    return f" at [{', '.join(map(str, shown))}]" if math.prod(shape) > 1 else ""


def _kind(array: NDArray[Any]) -> str:
    return f"{'string' if array.dtype == object else array.dtype.name} {array.shape}"
