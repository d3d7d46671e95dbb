"""The time of `Head.answer` with top_k 5, and of one pass over the same numbers: float32 read, float64 written.

python -m serving.head_alone CLASSES ACTIVATION ROWS SECONDS
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from headwise.heads import Head
from headwise.heads.decisions import Options


def main() -> None:
    classes, rows, seconds = int(sys.argv[1]), int(sys.argv[3]), float(sys.argv[4])
    softmax = sys.argv[2] == "softmax"
    head = Head("binary" if classes == 2 else "multiclass", "softmax" if softmax else "linear", labels(classes))
    output, options = outputs(rows, classes, softmax), Options(top_k=5)
    target = np.empty(output.shape, np.float64)
    ours, one_pass = alternately([lambda: head.answer(output, options), lambda: np.copyto(target, output)], seconds)
    print(json.dumps({"microseconds": ours, "pass_us": one_pass, "ratio": ours / one_pass}))


def labels(classes: int) -> tuple[str, ...]:
    return tuple(f"class {at}" for at in range(classes))


def outputs(rows: int, classes: int, softmax: bool) -> Any:
    """(rows, classes) float32."""
    logits = np.random.default_rng(0).normal(scale=3.0, size=(rows, classes))
    if softmax:
        logits = np.exp(logits - logits.max(axis=1, keepdims=True))
        logits /= logits.sum(axis=1, keepdims=True)
    return logits.astype(np.float32)


def alternately(calls: list[Callable[[], Any]], seconds: float) -> list[float]:
    """The median of each one's time in microseconds; they take turns."""
    for call in calls:
        call()
    taken: list[list[float]] = [[] for _ in calls]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken[0]) < 5:
        for call, times in zip(calls, taken, strict=True):
            started = time.perf_counter()
            call()
            times.append(1e6 * (time.perf_counter() - started))
    return [float(np.median(times)) for times in taken]


if __name__ == "__main__":
    main()
