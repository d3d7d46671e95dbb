"""The time of one call of a SavedModel's signature in its own process: what no server can beat.

python -m serving.raw_tensorflow VERSION INPUT OUTPUT

It reads a line "ROWS SECONDS" for each run from its standard input and prints a line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf


def main() -> None:
    version, input_name, output = sys.argv[1:]
    loaded = tf.saved_model.load(version)
    signature = loaded.signatures["serving_default"]
    shape = signature.structured_input_signature[1][input_name].shape[1:]
    for line in sys.stdin:
        rows, seconds = line.split()
        batch = np.random.default_rng(0).uniform(size=(int(rows), *shape)).astype(np.float32)

        def call(batch: object = batch) -> object:
            return signature(**{input_name: tf.constant(batch)})[output].numpy()

        print(json.dumps(measure(call, float(seconds))), flush=True)


def measure(call: Callable[[], object], seconds: float) -> dict[str, float]:
    """The figures of calls one after another, as a load generator's are called."""
    for _ in range(3):
        call()
    taken = []
    cpu, started = time.process_time(), time.perf_counter()
    while time.perf_counter() - started < seconds:
        before = time.perf_counter()
        call()
        taken.append(1e3 * (time.perf_counter() - before))
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    p50, p90, p99 = np.percentile(taken, (50, 90, 99)).tolist()
    figures = {"requests": len(taken), "seconds": wall, "p50_ms": p50, "p90_ms": p90, "p99_ms": p99}
    return {**figures, "max_ms": max(taken), "rate": len(taken) / wall, "cpu_us": 1e6 * cpu / len(taken)}


if __name__ == "__main__":
    main()
