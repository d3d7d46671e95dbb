"""What headwise's own call answers, as JSON."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from headwise import rows
from headwise.api.options import Include
from headwise.api.rest.provenance import provenance
from headwise.errors import NonFiniteOutputError
from headwise.gateway import Classification, HeadAnswer
from headwise.repository.served_model import ServedModel


def classification(answer: Classification, request_id: str, include: frozenset[Include]) -> bytes:
    """The body of a 200.

    Raises: NonFiniteOutputError if raw numbers are wanted that JSON cannot carry.
    """
    told = described(answer, request_id, include)
    warnings = {"warnings": told.pop("warnings")} if "warnings" in told else {}
    return orjson.dumps({**told, "predictions": predictions(answer, include), **warnings})


def described(answer: Classification, request_id: str, include: frozenset[Include]) -> dict[str, Any]:
    """Whose answers these are, and what speaks against them."""
    return {
        "request_id": request_id,
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
