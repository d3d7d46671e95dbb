"""What is asked of the recorded models, and their warm-up files."""

from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

WARMUP = "tf_serving_warmup_requests"


def steps_request(version: int | None = None, rows: int = 1) -> predict_pb2.PredictRequest:
    """Ask the `steps` model, whose version v answers 10 v for every row."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "steps"
    if version is not None:
        request.model_spec.version.value = version
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([0.0] * rows, tf.float32))
    return request


def warmup_file(folder: Path, *requests: predict_pb2.PredictRequest) -> bytes:
    logs = [prediction_log_pb2.PredictionLog() for _ in requests]
    for log, request in zip(logs, requests, strict=True):
        log.predict_log.request.CopyFrom(request)
    return record_file(folder, *(log.SerializeToString() for log in logs))


def record_file(folder: Path, *records: bytes) -> bytes:
    file = folder / "records"
    with tf.io.TFRecordWriter(str(file)) as writer:
        for record in records:
            writer.write(record)
    return file.read_bytes()
