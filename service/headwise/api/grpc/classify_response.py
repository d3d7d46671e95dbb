"""What Classify answers: the gateway's values to messages."""

from __future__ import annotations

from headwise.api.grpc.provenance import provenance
from headwise.api.grpc.tensors import tensor
from headwise.gateway import Classification, HeadAnswer
from headwise.v1 import classification_service_pb2 as v1


def classification(answer: Classification, request_id: str, include: frozenset[int]) -> v1.ClassifyResponse:
    """The response of Classify."""
    return v1.ClassifyResponse(
        request_id=request_id,
        model_name=answer.model.name,
        model_version=answer.model.version,
        heads={name: _head(head, answer, include) for name, head in answer.heads.items()},
        warnings=[v1.Warning(head=told.head, code=told.code, message=told.message) for told in answer.warnings],
    )


def _head(answer: HeadAnswer, of: Classification, include: frozenset[int]) -> v1.HeadAnswer:
    prediction, head = answer.prediction, answer.head
    shape = answer.shape
    proto = v1.HeadAnswer(task=head.task, classes=head.labels, shape=shape)
    for field, values in (
        (proto.indices, prediction.indices),
        (proto.decisions, prediction.decisions),
        (proto.values, prediction.values),
        (proto.margins, prediction.margins),
        (proto.top_indices, prediction.top),
        (proto.abstained, prediction.abstained),
        (proto.sets, prediction.sets),
    ):
        if values is not None:
            field.extend(values.ravel().tolist())
    if prediction.indices is not None:
        proto.labels.extend(head.labels[i] if i >= 0 else "" for i in prediction.indices.ravel().tolist())
    if prediction.top is not None:
        proto.top_count = prediction.top.shape[-1]
    if prediction.probabilities is not None and (not include or v1.INCLUDE_PROBABILITIES in include):
        proto.probabilities.extend(prediction.probabilities.ravel().tolist())
    if prediction.intervals is not None and v1.INCLUDE_INTERVALS in include:
        proto.intervals.extend(prediction.intervals.ravel().tolist())
    if v1.INCLUDE_RAW in include:
        proto.raw.CopyFrom(tensor(answer.raw))
    if v1.INCLUDE_PROVENANCE in include:
        proto.provenance.CopyFrom(provenance(answer, of.model))
    return proto
