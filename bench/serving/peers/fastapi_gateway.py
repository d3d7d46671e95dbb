"""A plain gateway in front of a TensorFlow Serving, as users write it: FastAPI, a pydantic body, TensorFlow's tensors.

uvicorn serving.peers.fastapi_gateway:app

BENCH_SUBJECTS: a JSON file, by name of model the folder of its version and the names of its input and output.
BENCH_BACKEND: where the model server is.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from fastapi import FastAPI
from pydantic import BaseModel
from serving.peers.head import Head
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

SUBJECTS = json.loads(Path(os.environ["BENCH_SUBJECTS"]).read_text("utf-8"))
HEADS = {name: Head.of(Path(subject["version"])) for name, subject in SUBJECTS.items()}
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class ClassifyRequest(BaseModel):
    instances: list[Any]
    top_k: int | None = None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with grpc.aio.insecure_channel(os.environ["BENCH_BACKEND"], options=UNLIMITED) as channel:
        app.state.stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/ready")
async def ready() -> dict[str, bool]:
    return {"ready": True}


@app.post("/v1/models/{model}:classify")
async def classify(model: str, body: ClassifyRequest) -> dict[str, Any]:
    subject = SUBJECTS[model]
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = "serving_default"
    request.inputs[subject["input"]].CopyFrom(tf.make_tensor_proto(np.array(body.instances, np.float32)))
    answer = await app.state.stub.Predict(request, timeout=30.0)
    return {"predictions": HEADS[model].answer(tf.make_ndarray(answer.outputs[subject["output"]]), body.top_k)}
