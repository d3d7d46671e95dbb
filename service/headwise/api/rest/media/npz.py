"""Answers as arrays: what V2 has as tensors, in one .npz."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwise.api.options import Include
from headwise.api.v2.outputs import of_heads, raw_name
from headwise.gateway import Classification


def classification(answer: Classification, include: frozenset[Include]) -> bytes:
    """The arrays of all heads, texts as unicode; with `raw` the model's own outputs by name."""
    arrays = of_heads({name: head.prediction for name, head in answer.heads.items()})
    if "probabilities" not in include:
        arrays = {name: array for name, array in arrays.items() if name.rpartition(".")[2] != "probabilities"}
    if "intervals" not in include:
        arrays = {name: array for name, array in arrays.items() if name.rpartition(".")[2] != "intervals"}
    if "raw" in include:
        arrays |= {raw_name(name): head.raw for name, head in answer.heads.items()}
    file = io.BytesIO()
    told = {name: _texts(array) if array.dtype == object else array for name, array in arrays.items()}
    np.savez(file, allow_pickle=False, **told)
    return file.getvalue()


def _texts(array: NDArray[Any]) -> NDArray[Any]:
    return np.array([text.decode() for text in array.ravel().tolist()], dtype=np.str_).reshape(array.shape)
