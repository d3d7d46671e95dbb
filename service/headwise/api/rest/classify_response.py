"""What headwise's own call answers, as JSON."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import orjson
from starlette.types import Send

from headwise import rows
from headwise.admission import Admission, Promise
from headwise.api.answer_sizes import of_rows
from headwise.api.options import Include
from headwise.api.rest import large_bodies
from headwise.api.rest.provenance import provenance
from headwise.errors import NonFiniteOutputError
from headwise.gateway import BatchAnswer, Classification, HeadAnswer
from headwise.repository.served_model import ServedModel

_ALIKE: frozenset[Include] = frozenset({"probabilities", "intervals"})
"""What is told of every row by itself, so that the requests of a batch may share it."""

_ROWS = 2048
"""Rows that are written without a pause."""

_FEW = 512
"""Numbers that are no large answer, in however many rows they are: nothing more is asked."""


async def written(
    answer: Classification, request_id: str, include: frozenset[Include], memory: Admission | Promise
) -> Sequence[bytes]:
    """`classification`, in a thread where it is large: other requests are answered meanwhile.

    Raises: as `classification`; OverloadedError where there is no memory for it.
    """
    if (answer.stop - answer.start) * answer.batch.width < _FEW:
        return classification(answer, request_id, include)
    return await large_bodies.written(of_rows(answer), memory, classification, answer, request_id, include)


def headers(body: Sequence[bytes], version: int) -> list[tuple[bytes, bytes]]:
    """Those of a 200, in ASGI's form."""
    return [
        (b"content-length", b"%d" % sum(map(len, body))),
        (b"content-type", b"application/json"),
        (b"x-model-version", b"%d" % version),
    ]


async def send_body(body: Sequence[bytes], send: Send) -> None:
    """Send the body of an answer whose head has been sent; after each part the loop turns to others."""
    for part in body[:-1]:
        await send({"type": "http.response.body", "body": part, "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": body[-1]})


def classification(answer: Classification, request_id: str, include: frozenset[Include]) -> Sequence[bytes]:
    """The body of a 200, in parts that are sent one by one: putting a large one together stops everybody.

    request_id must need no escaping.

    Raises: NonFiniteOutputError if raw numbers are wanted that JSON cannot carry.
    """
    if answer.shared and include <= _ALIKE:
        before, after, all_rows = answer.batch.once(include, partial(_shared, include=include))
        told = orjson.dumps(all_rows[answer.start : answer.stop])
    else:
        before, after = _around(answer, include)
        if answer.stop - answer.start > _ROWS:
            head = b'{"request_id":"%b",%b,"predictions":' % (request_id.encode(), before)
            return head, *_parts(answer, include), b"]%b}" % after
        told = orjson.dumps(predictions(answer, include))
    return (b'{"request_id":"%b",%b,"predictions":%b%b}' % (request_id.encode(), before, told, after),)


def _parts(answer: Classification, include: frozenset[Include]) -> Iterator[bytes]:
    """The predictions of many rows, some at a time: in between other threads have the interpreter."""
    for start in range(answer.start, answer.stop, _ROWS):
        some = Classification(answer.batch, start, min(start + _ROWS, answer.stop))
        told = orjson.dumps(predictions(some, include))
        yield b"".join((b"," if start > answer.start else b"[", memoryview(told)[1:-1]))
        # Let go of the interpreter's lock: who waits for it would otherwise wait for sys.getswitchinterval(), 5 ms.
        time.sleep(0)


def _shared(batch: BatchAnswer, include: frozenset[Include]) -> tuple[bytes, bytes, list[Any]]:
    """What surrounds the predictions of every request of a batch, and the predictions of all."""
    whole = batch.whole
    return *_around(whole, include), predictions(whole, include)


def _around(answer: Classification, include: frozenset[Include]) -> tuple[bytes, bytes]:
    """The members of the body before `predictions`, and those after."""
    told = described(answer, include)
    warnings = told.pop("warnings", None)
    return orjson.dumps(told)[1:-1], b"" if warnings is None else b',"warnings":%b' % orjson.dumps(warnings)


def described(answer: Classification, include: frozenset[Include]) -> dict[str, Any]:
    """Whose answers these are, and what speaks against them."""
    return {
        "model": {"name": answer.model.name, "version": answer.model.version},
        "heads": {name: _head(head, answer.model, include) for name, head in answer.heads.items()},
        **({"warnings": answer.warnings} if answer.warnings else {}),
    }


def predictions(answer: Classification, include: frozenset[Include]) -> list[Any]:
    """One answer a row; an object by head name where there are several.

    Raises: as `classification`.
    """
    return rows.joined({name: _rows(head, include) for name, head in answer.heads.items()})


def _head(answer: HeadAnswer, model: ServedModel, include: frozenset[Include]) -> dict[str, Any]:
    document: dict[str, Any] = {"task": answer.head.task}
    if answer.head.labels:
        document["labels"] = answer.head.labels
    if "provenance" in include:
        document["provenance"] = provenance(answer, model)
    return document


def _rows(answer: HeadAnswer, include: frozenset[Include]) -> list[Any]:
    raw = np.asarray(answer.raw, dtype=np.float64) if "raw" in include else None
    if raw is not None and not np.isfinite(raw).all():
        raise NonFiniteOutputError("the raw output holds infinity, which JSON cannot carry: leave raw out of include")
    return rows.nested(
        answer.prediction,
        answer.shape,
        probabilities="probabilities" in include,
        intervals="intervals" in include,
        raw=raw,
    )
