"""Prints numbers as TensorFlow Serving does, many at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_FULL_DIGITS = {np.dtype(np.float32): ".9g", np.dtype(np.float64): ".17g"}
_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def decimals(values: NDArray[np.floating[Any]]) -> list[str]:
    """Six digits where they read back as the same value, else 9 (float32) or 17 (float64); (n,) to n texts.

    float16 is printed as the float32 of the same value.
    """
    exact = values.astype(np.float32) if values.dtype == np.float16 else values
    numbers = exact.tolist()
    texts = [f"{number:g}" for number in numbers]
    with np.errstate(over="ignore"):
        read_back = np.array([float(text) for text in texts], np.float64).astype(exact.dtype)
    full = _FULL_DIGITS[exact.dtype]
    for index in np.flatnonzero(read_back != exact).tolist():
        texts[index] = format(numbers[index], full)
    return [text if "." in text or "e" in text else _NOT_FINITE.get(text, f"{text}.0") for text in texts]
