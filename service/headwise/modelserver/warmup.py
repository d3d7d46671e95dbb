"""Warm-up: recorded requests that a version answers before it is announced as available."""

from pathlib import Path

import grpc
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from headwise.modelserver.inference import classify, multi_inference, regress
from headwise.modelserver.predict import Run, predict
from headwise.modelserver.servable import Servable
from headwise.modelserver.status import StatusError, invalid_argument

_FILE = "assets.extra/tf_serving_warmup_requests"
_MOST_RECORDS = 1000


def warm_up(servable: Servable, path: Path, run: Run) -> int:
    """Replay the version's warm-up records and return how many there were.

    A record that cannot be read or answered fails the load: raises StatusError.
    """
    file = path / _FILE
    if not file.is_file():
        return 0
    count = 0
    try:
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            count += 1
            if count > _MOST_RECORDS:
                raise invalid_argument(f"Number of warmup records exceeds the maximum ({_MOST_RECORDS}) at {file}")
            _replay(servable, _parse(record, count, file), run)
    except tf.errors.DataLossError as error:
        raise StatusError(
            grpc.StatusCode.DATA_LOSS,
            f"{error.message}. Please verify your warmup data is in TFRecord format.",
        ) from error
    return count


def _parse(record: bytes, number: int, file: Path) -> prediction_log_pb2.PredictionLog:
    try:
        return prediction_log_pb2.PredictionLog.FromString(record)
    except DecodeError as error:
        raise invalid_argument(f"Failed to parse warmup record {number} from {file}") from error


def _replay(servable: Servable, record: prediction_log_pb2.PredictionLog, run: Run) -> None:
    match record.WhichOneof("log_type"):
        case "predict_log":
            predict(servable, record.predict_log.request, run, check_method_names=False, tensor_content=False)
        case "classify_log":
            classify(servable, record.classify_log.request, run, check_method_names=False)
        case "regress_log":
            regress(servable, record.regress_log.request, run, check_method_names=False)
        case "multi_inference_log":
            multi_inference(servable, record.multi_inference_log.request, run, check_method_names=False)
        case kind:
            raise StatusError(grpc.StatusCode.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")
