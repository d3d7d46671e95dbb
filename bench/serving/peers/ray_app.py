"""Ray Serve with one replica: a proxy for HTTP, a process for the model, and Ray's own.

python -m serving.peers.ray_app
"""

from __future__ import annotations

import os
import signal
from typing import Any

import numpy as np
import ray
from ray import serve
from serving.peers.saved_model import SavedModel
from starlette.requests import Request

OBJECT_STORE = 200 * 2**20
"""Bytes of shared memory; Ray would take a third of the machine's."""


@serve.deployment(num_replicas=1, max_ongoing_requests=512)
class Classifier:
    def __init__(self) -> None:
        self.model = SavedModel()

    async def __call__(self, request: Request) -> dict[str, Any]:
        body = await request.json()
        return {"predictions": self.model.classify(np.array(body["instances"], np.float32))}


def main() -> None:
    variables = {name: value for name, value in os.environ.items() if name.startswith(("BENCH_", "PYTHON", "TF_"))}
    ray.init(
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=OBJECT_STORE,
        runtime_env={"env_vars": variables},
    )
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["BENCH_PORT"])})
    serve.run(Classifier.bind(), route_prefix="/classify")  # type: ignore[attr-defined]  # what `deployment` adds
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
