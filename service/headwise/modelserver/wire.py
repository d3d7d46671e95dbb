"""Answers that carry class labels, with the labels as bytes.

A label is whatever bytes the model computed. TensorFlow Serving sends them as they are; Python's messages
refuse to hold a string that is not UTF-8. So the answers are built from copies of the official messages in
which the one field `Class.label` is declared `bytes`: on the wire the two declarations are the same.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tensorflow_serving.apis import inference_pb2


def _pool_with_label_bytes(root: Any) -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    added: set[str] = set()

    def add(file: Any) -> None:
        if file.name in added:
            return
        added.add(file.name)
        for dependency in file.dependencies:
            add(dependency)
        copy = descriptor_pb2.FileDescriptorProto()
        file.CopyToProto(copy)
        for declared in copy.message_type:
            if declared.name == "Class":
                declared.field[0].type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
        pool.Add(copy)

    add(root)
    return pool


_POOL = _pool_with_label_bytes(inference_pb2.DESCRIPTOR)


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"tensorflow.serving.{name}"))


ClassificationResult = _message("ClassificationResult")
ClassificationResponse = _message("ClassificationResponse")
RegressionResult = _message("RegressionResult")
RegressionResponse = _message("RegressionResponse")
MultiInferenceResponse = _message("MultiInferenceResponse")
