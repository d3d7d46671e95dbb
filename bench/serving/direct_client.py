"""grpc.aio straight to the model server, as a process of its own: what a Python service without a gateway gets.

    python -m serving.direct_client TARGET MODEL INPUT OUTPUT ROWS.npy predict RAW.npy
    python -m serving.direct_client TARGET MODEL INPUT OUTPUT ROWS.npy load CONCURRENCY SECONDS

`load` sends all rows in each call, from so many coroutines that each wait for their answer, over one channel. It is the
fastest such client we know: uvloop, the request made once, the tensor as bytes, the answer parsed but not looked at.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import uvloop

from headwise.savedmodel import tensors
from headwise.tfserving import prediction_service_pb2 as messages

_ANY_SIZE = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))


async def predict(target: str, request: messages.PredictRequest) -> Any:
    async with grpc.aio.insecure_channel(target, options=_ANY_SIZE) as channel:
        return await _method(channel)(request, timeout=30.0)


async def load(target: str, request: messages.PredictRequest, concurrency: int, seconds: float) -> dict[str, Any]:
    """The figures of one run, as wrk's are called."""
    taken: list[float] = []
    failures = 0
    async with grpc.aio.insecure_channel(target, options=_ANY_SIZE) as channel:
        call = _method(channel)
        started = time.perf_counter()
        end = started + seconds

        async def ask() -> None:
            nonlocal failures
            while (start := time.perf_counter()) < end:
                try:
                    await call(request, timeout=30.0)
                except grpc.aio.AioRpcError:
                    failures += 1
                    await asyncio.sleep(0.01)
                    continue
                taken.append(time.perf_counter() - start)

        await asyncio.gather(*(ask() for _ in range(concurrency)))
        wall = time.perf_counter() - started
    times = 1e3 * np.array(taken or [0.0])
    p50, p90, p99 = np.percentile(times, (50, 90, 99)).tolist()
    found = {"requests": len(taken), "seconds": wall, "p50_ms": p50, "p90_ms": p90, "p99_ms": p99}
    return {**found, "max_ms": float(times.max()), "errors": {"status": failures} if failures else {}}


def _method(channel: grpc.aio.Channel) -> Any:
    return channel.unary_unary(
        "/tensorflow.serving.PredictionService/Predict",
        request_serializer=messages.PredictRequest.SerializeToString,
        response_deserializer=messages.PredictResponse.FromString,
    )


def main() -> None:
    target, model, input_name, output, rows, mode, *rest = sys.argv[1:]
    request = messages.PredictRequest(inputs={input_name: tensors.to_proto(np.load(rows))})
    request.model_spec.name, request.model_spec.signature_name = model, "serving_default"
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if mode == "predict":
            answer = runner.run(predict(target, request))
            np.save(Path(rest[0]), tensors.from_proto(answer.outputs[output]))
        else:
            print(json.dumps(runner.run(load(target, request, int(rest[0]), float(rest[1])))))


if __name__ == "__main__":
    main()
