"""headwise.v1.ClassificationService, from its messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from headwise.client.calls import Input, Question
from headwise.client.predictions import HeadPredictions, Predictions
from headwise.client.steps import Reply, Send
from headwise.errors import BackendProtocolError, InvalidRequestError, InvalidTensorError
from headwise.v1 import classification_service_pb2 as v1
from headwise.v2 import open_inference_pb2 as v2

SERVICE = "headwise.v1.ClassificationService"

_TYPES = {
    name: number
    for number in v1.DataType.values()
    if (name := v1.DataType.Name(number).removeprefix("DATA_TYPE_").lower()) != "unspecified"
}


class GrpcWire:
    """Requests of the gRPC surface."""

    def classify(self, question: Question, headers: Mapping[str, str], timeout: float) -> Send:
        """One batch."""
        model = v1.ModelSpec(
            name=question.model,
            version=question.version,
            version_label=question.label,
            signature_name=question.signature_name,
        )
        inputs = {name: _tensor(name, array) for name, array in question.arrays.items()}
        request = v1.ClassifyRequest(model=model, inputs=inputs, options=_options(question.options))
        return Send(f"{SERVICE}/Classify", request.SerializeToString(), headers, timeout)

    def head(
        self, model: str, version: int | None, label: str | None, headers: Mapping[str, str], timeout: float
    ) -> Send:
        """A head card."""
        request = v1.GetHeadRequest(model=v1.ModelSpec(name=model, version=version, version_label=label))
        return Send(f"{SERVICE}/GetHead", request.SerializeToString(), headers, timeout)

    def models(self, headers: Mapping[str, str], timeout: float) -> Send:
        """Every model."""
        return Send(f"{SERVICE}/ListModels", v1.ListModelsRequest().SerializeToString(), headers, timeout)

    def inputs(self, model: str, version: int | None, headers: Mapping[str, str], timeout: float) -> Send:
        """What a model takes."""
        request = v2.ModelMetadataRequest(name=model, version="" if version is None else str(version))
        return Send("inference.GRPCInferenceService/ModelMetadata", request.SerializeToString(), headers, timeout)

    def read_inputs(self, reply: Reply) -> dict[str, Input]:
        """Raises: BackendProtocolError."""
        found = _read(v2.ModelMetadataResponse, reply)
        return {one.name: Input(one.datatype, tuple(one.shape)) for one in found.inputs}

    def read_predictions(self, reply: Reply) -> Predictions:
        """Raises: BackendProtocolError."""
        answer = _read(v1.ClassifyResponse, reply)
        warnings = [{"head": told.head, "code": told.code, "message": told.message} for told in answer.warnings]
        heads = {name: _head(of) for name, of in sorted(answer.heads.items())}
        return Predictions(answer.model_name, answer.model_version, answer.request_id, heads, warnings)

    def read_head(self, reply: Reply) -> dict[str, Any]:
        """Raises: BackendProtocolError."""
        card: dict[str, Any] = json.loads(_read(v1.GetHeadResponse, reply).card)
        return card

    def read_models(self, reply: Reply) -> list[dict[str, Any]]:
        """Raises: BackendProtocolError."""
        return [
            {
                "name": model.name,
                "versions": [_version(version) for version in model.versions],
                "labels": dict(model.labels),
            }
            for model in _read(v1.ListModelsResponse, reply).models
        ]


def _version(version: v1.ModelVersion) -> dict[str, Any]:
    return {
        "version": version.version,
        "state": version.state,
        "ready": version.ready,
        "reason": version.reason if version.HasField("reason") else None,
        "code": version.code if version.HasField("code") else None,
        "heads": {
            name: {"task": of.task, "activation": of.activation, "labels": list(of.labels)}
            for name, of in sorted(version.heads.items())
        },
    }


def _read(kind: Any, reply: Reply) -> Any:
    try:
        return kind.FromString(reply.body)
    except DecodeError as error:
        raise BackendProtocolError(f"the answer is no {kind.DESCRIPTOR.name}: {error}") from error


def _tensor(name: str, array: NDArray[Any]) -> v1.Tensor:
    if array.dtype.kind in "OSU":
        texts = [text.encode() if isinstance(text, str) else bytes(text) for text in array.ravel().tolist()]
        return v1.Tensor(data_type=v1.DATA_TYPE_STRING, shape=array.shape, string_values=texts)
    if array.dtype.name not in _TYPES:
        raise InvalidTensorError(f"input {name!r} is {array.dtype}, which gRPC cannot carry")
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return v1.Tensor(data_type=_TYPES[array.dtype.name], shape=array.shape, content=little.tobytes())


def _options(options: Mapping[str, Any]) -> v1.ClassifyOptions:
    """Options as JSON spells them, as their message.

    Raises: InvalidRequestError.
    """
    try:
        return v1.ClassifyOptions(**{key: of for name, value in options.items() for key, of in _option(name, value)})
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise InvalidRequestError(f"options: {error}") from error


def _option(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The field of an option, and what stands in it."""
    if name in _WRITE:
        write = _WRITE[name]
        if isinstance(value, Mapping) and (name in ("threshold", "coverage") or _is_by_head(value)):
            yield f"head_{name}s", {head: write(of) for head, of in value.items()}
        else:
            yield name, write(value)
    elif name == "include":
        yield name, [f"INCLUDE_{part.upper()}" for part in value]
    elif name == "top_k":
        yield name, value
    else:
        raise InvalidRequestError(f"{name}: there is no such option")


def _is_by_head(value: Mapping[str, Any]) -> bool:
    return bool(value) and all(isinstance(part, Mapping) for part in value.values())


def _threshold(value: float | str) -> v1.Threshold:
    return v1.Threshold(name=value) if isinstance(value, str) else v1.Threshold(value=value)


def _decision(form: Any) -> v1.Decision:
    if not isinstance(form, Mapping):
        raise InvalidRequestError(f'decision is {form!r}: an object is expected, such as {{"rule": "argmax"}}')
    rules: Mapping[str, Callable[[], Any]] = {
        "threshold": lambda: v1.ThresholdRule(threshold=form.get("threshold"), thresholds=form.get("thresholds")),
        "per_label": lambda: v1.PerLabelRule(thresholds=form.get("thresholds")),
        "argmax": v1.ArgmaxRule,
        "cost": lambda: v1.CostRule(costs=[v1.CostRow(costs=row) for row in form.get("costs", ())]),
    }
    name = str(form.get("rule"))
    if name not in rules:
        raise InvalidRequestError(f"decision.rule is {name!r}: it must be one of {', '.join(rules)}")
    return v1.Decision(
        objective=form.get("objective"),
        abstain=_abstain(form["abstain"]) if "abstain" in form else None,
        prediction_set=_prediction_set(form["prediction_set"]) if "prediction_set" in form else None,
        top_k=form.get("top_k"),
        **{name: rules[name]()},
    )


def _abstain(form: Any) -> v1.Abstain:
    if not isinstance(form, Mapping):
        raise InvalidRequestError(f'abstain is {form!r}: an object is expected, such as {{"floor": 0.8}}')
    return v1.Abstain(**form)


def _prediction_set(form: Mapping[str, Any]) -> v1.PredictionSet:
    quantiles = {
        coverage: v1.Quantile(values=value if isinstance(value, list | tuple) else [value])
        for coverage, value in form["quantiles"].items()
    }
    return v1.PredictionSet(**{**form, "quantiles": quantiles})


_WRITE: Mapping[str, Callable[[Any], Any]] = {
    "threshold": _threshold,
    "decision": _decision,
    "abstain": _abstain,
    "coverage": float,
}


def _head(said: v1.HeadAnswer) -> HeadPredictions:
    shape = tuple(said.shape)

    def array(values: Any, dtype: Any, *axes: int) -> NDArray[Any] | None:
        return np.array(values, dtype).reshape(*shape, *axes) if len(values) else None

    return HeadPredictions(
        said.task,
        tuple(said.classes),
        array(said.probabilities, np.float64, -1),
        array(said.indices, np.int64),
        array(said.decisions, np.bool_, -1),
        array(said.values, np.float64, -1),
        array(said.margins, np.float64),
        array(said.top_indices, np.int64, said.top_count),
        array(said.abstained, np.bool_),
        array(said.sets, np.bool_, -1),
        array(said.intervals, np.float64, -1, 2),
        _raw(said.raw) if said.HasField("raw") else None,
        MessageToDict(said.provenance, preserving_proto_field_name=True) if said.HasField("provenance") else None,
    )


def _raw(tensor: v1.Tensor) -> NDArray[Any]:
    dtype = np.dtype(v1.DataType.Name(tensor.data_type).removeprefix("DATA_TYPE_").lower())
    return np.frombuffer(tensor.content, dtype.newbyteorder("<")).astype(dtype).reshape(tuple(tensor.shape))
