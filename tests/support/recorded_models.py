"""Small real SavedModels for tests: the recorded ones, copied into model folders."""

import shutil
from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

MODELS = Path(__file__).parents[1] / "golden" / "tfs_recordings" / "models"


def publish(base: Path, version: int, source: str, *, warmup: bytes | None = None) -> Path:
    """Put a recorded model, `name/version`, under `base/version` the way one should: copy, then rename."""
    hidden, shown = base / f".{version}", base / str(version)
    shutil.copytree(MODELS / source, hidden)
    if warmup is not None:
        (hidden / "assets.extra").mkdir()
        (hidden / "assets.extra" / "tf_serving_warmup_requests").write_bytes(warmup)
    hidden.rename(shown)
    return shown


def steps_request(version: int | None = None, rows: int = 1) -> predict_pb2.PredictRequest:
    """Ask the `steps` model, whose version v answers 10 v for every row."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "steps"
    if version is not None:
        request.model_spec.version.value = version
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([0.0] * rows, tf.float32))
    return request


def warmup_file(folder: Path, *requests: predict_pb2.PredictRequest) -> bytes:
    file = folder / "warmup"
    with tf.io.TFRecordWriter(str(file)) as writer:
        for request in requests:
            log = prediction_log_pb2.PredictionLog()
            log.predict_log.request.CopyFrom(request)
            writer.write(log.SerializeToString())
    return file.read_bytes()
