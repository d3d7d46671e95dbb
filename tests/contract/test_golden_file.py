"""Golden records, as TensorFlow and the official messages see them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from headwise.repository.golden_file import GOLDEN_PATH, read_golden, write_golden
from support.proofs import record


def test_tensorflow_reads_what_is_written(tmp_path: Path) -> None:
    file = write_golden(tmp_path, [record(2.5), record(-1.5)], "tumor")
    logs = [
        prediction_log_pb2.PredictionLog.FromString(data)
        for data in tf.data.TFRecordDataset(str(file)).as_numpy_iterator()
    ]
    assert [one.WhichOneof("log_type") for one in logs] == ["predict_log"] * 2
    request, response = logs[1].predict_log.request, logs[1].predict_log.response
    assert (request.model_spec.name, request.model_spec.signature_name) == ("tumor", "serving_default")
    assert not request.model_spec.HasField("version")
    assert list(request.output_filter) == []
    assert tf.make_ndarray(request.inputs["x"]).tolist() == [[-1.5]]
    assert tf.make_ndarray(response.outputs["output_0"]).tolist() == [[-1.5]]
    assert tf.make_ndarray(response.outputs["output_0.indices"]).tolist() == [0]


def test_what_tensorflow_writes_is_read(tmp_path: Path) -> None:
    log = prediction_log_pb2.PredictionLog()
    request, response = log.predict_log.request, log.predict_log.response
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([[1.0, 2.0]], tf.float32))
    request.inputs["text"].CopyFrom(tf.make_tensor_proto(["grün"]))
    response.outputs["y"].CopyFrom(tf.make_tensor_proto([[0.9, 0.1]], tf.bfloat16))
    response.outputs["y.decisions"].CopyFrom(tf.make_tensor_proto([[True, False]]))
    classify = prediction_log_pb2.PredictionLog()
    classify.classify_log.request.model_spec.name = "tumor"
    logged = prediction_log_pb2.PredictionLog()
    logged.CopyFrom(log)
    logged.predict_log.response.model_spec.version.value = 12
    (tmp_path / "assets.extra").mkdir()
    with tf.io.TFRecordWriter(str(tmp_path / GOLDEN_PATH)) as writer:
        for one in (classify, log, logged):
            writer.write(one.SerializeToString())
    (found,) = read_golden(tmp_path)
    assert found.inputs["x"].tolist() == [[1.0, 2.0]]
    assert found.inputs["text"].tolist() == ["grün".encode()]
    assert np.allclose(found.outputs["y"], [[0.9, 0.1]], rtol=0.01)
    assert found.decided["y"].tolist() == [[True, False]]
    write_golden(tmp_path, [record(1.0)], "tumor")
    kept = list(tf.data.TFRecordDataset(str(tmp_path / GOLDEN_PATH)).as_numpy_iterator())
    assert kept[1:] == [classify.SerializeToString(), logged.SerializeToString()]
