"""What Classify, Regress and MultiInference answer, by the head of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from google.protobuf.message import Message

from headwise.api.examples import by_head
from headwise.backends import base
from headwise.gateway import Classification
from headwise.tfserving import inference_pb2, prediction_service_pb2

Method = Literal["tensorflow/serving/classify", "tensorflow/serving/regress"]
"""How a task of MultiInference names what it wants."""


def model_spec(found: Classification, signature_name: str) -> prediction_service_pb2.ModelSpec:
    """Which version answered."""
    spec = prediction_service_pb2.ModelSpec(name=found.model.name, signature_name=signature_name)
    spec.version.value = found.model.version
    return spec


def classification(found: Classification) -> inference_pb2.ClassificationResult:
    """All classes of every row, in the order of the labels; scores as float32.

    Raises: InvalidRequestError where a classification has no room for the answer.
    """
    labels, scores = by_head.scores(found)
    names = [label.encode() for label in labels]
    result = inference_pb2.ClassificationResult()
    for row in scores.tolist():
        classes = result.classifications.add().classes
        for name, score in zip(names, row, strict=True):
            classes.add(label=name, score=score)
    return result


def regression(found: Classification) -> inference_pb2.RegressionResult:
    """The value of every row, as float32.

    Raises: InvalidRequestError where the answer is not one number a row.
    """
    rows = [inference_pb2.Regression(value=value) for value in by_head.values(found).tolist()]
    return inference_pb2.RegressionResult(regressions=rows)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a method with tf.Examples takes and answers."""

    request: type[Any]
    response: type[Any]
    result: Callable[[Classification], Message]


KINDS: Mapping[str, Kind] = {
    base.CLASSIFY: Kind(inference_pb2.ClassificationRequest, inference_pb2.ClassificationResponse, classification),
    base.REGRESS: Kind(inference_pb2.RegressionRequest, inference_pb2.RegressionResponse, regression),
}
"""By method."""


def task(found: Classification, signature_name: str, method: Method) -> inference_pb2.InferenceResult:
    """The result of one task of MultiInference."""
    spec = model_spec(found, signature_name)
    if method == CLASSIFY:
        return inference_pb2.InferenceResult(model_spec=spec, classification_result=classification(found))
    return inference_pb2.InferenceResult(model_spec=spec, regression_result=regression(found))


CLASSIFY: Method = "tensorflow/serving/classify"
METHODS: Mapping[str, Method] = {CLASSIFY: CLASSIFY, "tensorflow/serving/regress": "tensorflow/serving/regress"}
"""What a task may ask for."""
