"""Bodies of V2's infer: JSON, and JSON followed by raw tensors (the binary tensor extension)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from headwise.api.numbers import MOST_DIGITS, whole_number
from headwise.api.options import validated
from headwise.api.rest import json_body, strictness
from headwise.api.rest.instances import read_array
from headwise.api.rest.json_numbers import Numbers
from headwise.api.shapes import reshaped
from headwise.api.v2.datatypes import datatype_of, dtype_of, from_bytes, to_bytes
from headwise.api.v2.infer import InferAnswer, InferRequest, requested
from headwise.errors import InvalidRequestError, InvalidTensorError, UnsupportedError
from headwise.repository.model_spec import ModelSpec
from headwise.savedmodel import TensorSpec

JSON_LENGTH = "Inference-Header-Content-Length"
"""The header that says how many bytes of a body are JSON; what follows are tensors, one after the other."""

Value = bool | int | float | str


class InputTensor(BaseModel):
    """A tensor that a request sends: `data` flat or nested, or `binary_data_size` bytes behind the JSON."""

    model_config = ConfigDict(strict=True)

    name: str
    shape: list[Annotated[int, Field(ge=0)]]
    datatype: str
    parameters: dict[str, Value] = Field(default_factory=dict)
    data: Any = None


class OutputTensor(BaseModel):
    """An output that a request names. parameters: `classification` (how many classes), `binary_data`."""

    model_config = ConfigDict(strict=True)

    name: str
    parameters: dict[str, Value] = Field(default_factory=dict)


class InferBody(BaseModel):
    """A request. parameters: signature_name and the options of a classification, objects as JSON text."""

    model_config = ConfigDict(strict=True)

    id: str = ""
    parameters: dict[str, Value] = Field(default_factory=dict)
    inputs: list[InputTensor]
    outputs: list[OutputTensor] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Read:
    """A request, the id that its answer repeats, and the names of the outputs that come raw; None for all."""

    request: InferRequest
    identity: str
    raw: frozenset[str] | None


def read(body: bytes, json_length: str | None, spec: ModelSpec) -> Read:
    """Read a request.

    Raises: InvalidRequestError, InvalidTensorError naming the place.
    """
    size = _json_size(json_length, len(body))
    try:
        document = json_body.parse(body[:size])
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError(strictness.complaint(strictness.lenient(body[:size]), error)) from error
    if not isinstance(document, dict):
        raise InvalidRequestError("the body must be an object with `inputs`")
    found = validated(InferBody, document)
    outputs = [requested(f"outputs[{n}]", one.name, one.parameters) for n, one in enumerate(found.outputs)]
    raw = frozenset(one.name for one in found.outputs if one.parameters.get("binary_data") is True)
    every = found.parameters.get("binary_data_output") is True
    request = InferRequest(spec, _arrays(found.inputs, memoryview(body)[size:]), found.parameters, outputs)
    return Read(request, found.id, None if every else raw)


def _json_size(json_length: str | None, size: int) -> int:
    if json_length is None:
        return size
    length = whole_number(json_length)
    if length is None or length > size:
        raise InvalidRequestError(f"{JSON_LENGTH} is {json_length[:MOST_DIGITS]!r}: the body has {size} bytes")
    if length == 0:
        raise UnsupportedError(f"{JSON_LENGTH} is 0: send the JSON that names the input before its bytes")
    return length


def _arrays(tensors: Sequence[InputTensor], rest: memoryview) -> list[tuple[str, NDArray[Any]]]:
    arrays, at = [], 0
    for number, tensor in enumerate(tensors):
        place = f"inputs[{number}]"
        size = tensor.parameters.get("binary_data_size")
        if size is None:
            arrays.append((tensor.name, _from_json(f"{place}.data", tensor)))
            continue
        if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= len(rest) - at:
            raise InvalidTensorError(f"{place}.parameters.binary_data_size is {size}: {len(rest) - at} bytes are left")
        arrays.append((tensor.name, from_bytes(place, tensor.datatype, tensor.shape, rest[at : at + size])))
        at += size
    if at != len(rest):
        raise InvalidTensorError(f"{len(rest) - at} bytes follow the last tensor that `binary_data_size` counts")
    return arrays


def _from_json(place: str, tensor: InputTensor) -> NDArray[Any]:
    spec = TensorSpec(dtype_of(place.removesuffix(".data"), tensor.datatype), tuple(tensor.shape))
    if not isinstance(tensor.data, list | Numbers):
        raise InvalidTensorError(f"{place} must be a list of {tensor.datatype}, flat or nested")
    array = read_array(tensor.data, place, spec)
    if array.ndim > 1 and array.shape != spec.shape:
        raise InvalidTensorError(f"{place} has the shape {list(array.shape)}: {tensor.shape} is declared")
    return reshaped(place, array.reshape(-1), tensor.shape)


def write(answer: InferAnswer, identity: str, raw: frozenset[str] | None) -> tuple[bytes, int | None]:
    """The body of a 200, and how many of its bytes are JSON; None where all are.

    Raises: UnsupportedError for texts that JSON cannot carry.
    """
    tensors, behind = [], []
    for name, array in answer.outputs.items():
        described = {"name": name, "datatype": datatype_of(name, array), "shape": array.shape}
        if raw is None or name in raw:
            data = to_bytes(array)
            behind.append(data)
            tensors.append({**described, "parameters": {"binary_data_size": len(data)}})
        else:
            tensors.append({**described, "data": _data(name, array)})
    document: Mapping[str, Any] = {
        "model_name": answer.model,
        "model_version": str(answer.version),
        "id": identity,
        "outputs": tensors,
    }
    text = orjson.dumps(document)
    return b"".join((text, *behind)), len(text) if behind else None


def _data(name: str, array: NDArray[Any]) -> list[Any]:
    if array.dtype == object:
        try:
            return [text.decode("utf-8") for text in array.ravel().tolist()]
        except UnicodeDecodeError as error:
            raise UnsupportedError(f"output {name!r} is no UTF-8 text: ask for it with binary_data") from error
    if array.dtype == np.float16:
        return array.astype(np.float32).ravel().tolist()
    flat: list[Any] = array.ravel().tolist()
    return flat
