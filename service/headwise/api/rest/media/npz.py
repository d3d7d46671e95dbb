"""Answers as arrays: what V2 has as tensors, in one .npz."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from headwise.api.options import Include
from headwise.api.rest.classify_response import described
from headwise.api.v2.outputs import of_heads, raw_name
from headwise.gateway import Classification
from headwise.npz import packed

ANSWER = "answer.json"
"""The member that says whose arrays these are: request id, model, heads, warnings."""


def classification(answer: Classification, request_id: str, include: frozenset[Include]) -> bytes:
    """The arrays of all heads, texts as unicode; with `raw` the model's own outputs by name."""
    arrays = of_heads({name: head.prediction for name, head in answer.heads.items()})
    left_out = {name for name in ("probabilities", "intervals") if name not in include}
    told = {name: array for name, array in arrays.items() if name.rpartition(".")[2] not in left_out}
    if "raw" in include:
        told |= {raw_name(name): head.raw for name, head in answer.heads.items()}
    return packed(
        {name: _texts(of) if of.dtype == object else of for name, of in told.items()},
        {ANSWER: orjson.dumps({"request_id": request_id, **described(answer, include)})},
    )


def _texts(array: NDArray[Any]) -> NDArray[Any]:
    return np.array([text.decode() for text in array.ravel().tolist()], dtype=np.str_).reshape(array.shape)
