"""The time of one call of a SavedModel's signature in its own process: what no server can beat.

python -m serving.raw_tensorflow VERSION INPUT OUTPUT ROWS SECONDS
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import tensorflow as tf


def main() -> None:
    version, input_name, output, rows, seconds = sys.argv[1:]
    loaded = tf.saved_model.load(version)
    signature = loaded.signatures["serving_default"]
    shape = signature.structured_input_signature[1][input_name].shape[1:]
    batch = np.random.default_rng(0).uniform(size=(int(rows), *shape)).astype(np.float32)
    taken = []
    for _ in range(3):
        signature(**{input_name: tf.constant(batch)})
    cpu, started = time.process_time(), time.perf_counter()
    while time.perf_counter() - started < float(seconds):
        before = time.perf_counter()
        signature(**{input_name: tf.constant(batch)})[output].numpy()
        taken.append(1e3 * (time.perf_counter() - before))
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    p50, p90, p99 = np.percentile(taken, (50, 90, 99)).tolist()
    figures = {"requests": len(taken), "seconds": wall, "p50_ms": p50, "p90_ms": p90, "p99_ms": p99}
    print(json.dumps({**figures, "max_ms": max(taken), "rate": len(taken) / wall, "cpu_us": 1e6 * cpu / len(taken)}))


if __name__ == "__main__":
    main()
