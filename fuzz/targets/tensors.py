"""Tensors of requests: messages of three protocols, raw bytes, npy and npz files, tf.Examples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from google.protobuf.message import Message

import message_mutator
import recorded
from headwise.api.examples.arrays import arrays as of_examples
from headwise.api.examples.examples import Examples
from headwise.api.grpc import classify_request
from headwise.api.grpc import tensors as grpc_tensors
from headwise.api.grpc.calls import read as message
from headwise.api.grpc.v2 import tensors as v2_tensors
from headwise.api.rest.content import RequestHeaders
from headwise.api.rest.media import arrays as media
from headwise.api.v2 import parameters
from headwise.api.v2.datatypes import DTYPES, from_bytes, to_bytes
from headwise.npz import packed
from headwise.savedmodel.tensors import from_proto, to_proto
from headwise.tfserving import inference_pb2, tensor_pb2
from headwise.v1 import classification_service_pb2 as v1
from headwise.v2 import open_inference_pb2 as v2
from targets.models import SIGNATURES

WORDS = (
    *(b"\x93NUMPY\x01\x00", b"\x93NUMPY\x02\x00", b"'descr': '<f4'", b"'descr': '|O'", b"'fortran_order': True"),
    *(b"'shape': (1, 2)", b"'shape': (-1,)", b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"FP32", b"BYTES", b"FP16"),
    *(b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
)
_LIMIT = 2**20


@dataclass(frozen=True, slots=True)
class _Way:
    """kind: the message that the bytes are, where they are one."""

    reads: Callable[[bytes, int], object]
    kind: type[Message] | None = None


def read(data: bytes) -> None:
    """The first byte chooses the way, the second a signature or datatype."""
    if len(data) > 1:
        WAYS[data[0] % len(WAYS)].reads(data[2:], data[1])


def _tensor_proto(data: bytes, _: int) -> None:
    array = from_proto(message(tensor_pb2.TensorProto, data))
    again = from_proto(to_proto(array)) if array.dtype.kind != "c" else array
    assert array.shape == again.shape


def _v1(data: bytes, _: int) -> None:
    request = message(v1.ClassifyRequest, data)
    classify_request.model_spec(request.model)
    classify_request.request_options(request.options)
    grpc_tensors.arrays(request.inputs)


def _v2(data: bytes, _: int) -> None:
    request = message(v2.ModelInferRequest, data)
    parameters.read_options(v2_tensors.parameters(request.parameters))
    v2_tensors.arrays(request)


def _examples(data: bytes, model: int) -> None:
    examples = Examples.from_proto(message(inference_pb2.Input, data))
    if examples.rows:  # what has none is refused before
        of_examples(examples, SIGNATURES[model % len(SIGNATURES)])


def _raw(data: bytes, model: int) -> None:
    datatype = tuple(DTYPES)[model % len(DTYPES)]
    size = len(data) // 2
    array = from_bytes("the body", datatype, [size % 7, size // 7][: model % 3], data)
    assert to_bytes(array) == data or datatype == "BOOL"


def _media(kind: str) -> Callable[[bytes, int], None]:
    def reads(data: bytes, model: int) -> None:
        signature = SIGNATURES[model % len(SIGNATURES)]
        shaped = [(b"headwise-dtype", b"float32"), (b"headwise-shape", b"1,2")]
        media.read(data, RequestHeaders([(b"content-type", kind.encode()), *shaped]), _LIMIT, signature)

    return reads


WAYS = (
    _Way(_tensor_proto, tensor_pb2.TensorProto),
    _Way(_v1, v1.ClassifyRequest),
    _Way(_v2, v2.ModelInferRequest),
    _Way(_examples, inference_pb2.Input),
    _Way(_raw),
    *(_Way(_media(kind)) for kind in media.READERS),
)

_ARRAYS: Mapping[str, Any] = {
    "x": np.array([[0.5, 1]], np.float32),
    "n": np.array([[7]], np.int64),
    "s": np.array([b"a", b"bc"], object),
    "u": np.array([["a", "é"]]),
    "h": np.zeros((2, 0, 3), np.float16),
    "c": np.array(1 + 2j, np.complex64),
    "b": np.array([True, False]),
}


def seeds() -> Iterable[bytes]:
    """Tensors of each form and dtype."""
    for array in _ARRAYS.values():
        if array.dtype.kind != "U":
            yield b"\x00\x00" + to_proto(array).SerializeToString()
        if array.dtype.kind not in "OU":
            yield from (bytes((6, model)) + packed({"x": array}, deflate=model == 1) for model in (0, 1, 4))
            yield from (bytes((4, model)) + array.tobytes() for model in range(len(DTYPES)))
    typed = tensor_pb2.TensorProto(dtype=tensor_pb2.DT_HALF, half_val=[15360, 0])
    typed.tensor_shape.dim.add(size=2)
    yield b"\x00\x00" + typed.SerializeToString()
    yield b"\x00\x00" + b"\x08\x07\x12\x04\x12\x02\x08\x02\x22\x04\x01\x01ab"
    yield b"\x01\x00" + _v1_seed().SerializeToString()
    yield from (b"\x02\x00" + one.SerializeToString() for one in _v2_seeds())
    for data in recorded.messages("Classify", "request"):
        request = inference_pb2.ClassificationRequest.FromString(data)
        yield from (bytes((3, model)) + request.input.SerializeToString() for model in (0, 1, 2))
    for model in range(3):
        npz = packed({"x": _ARRAYS["x"]})
        yield bytes((5, model)) + npz[npz.index(b"\x93NUMPY") :][:136]
    yield b"\x07\x00" + _ARRAYS["x"].tobytes()


def _v1_seed() -> v1.ClassifyRequest:
    decision = v1.Decision(threshold=v1.ThresholdRule(threshold=0.3, thresholds={"a": 0.1}), top_k=2)
    options = v1.ClassifyOptions(decision=decision, top_k=1, abstain=v1.Abstain(floor=0.4), coverage=0.9)
    return v1.ClassifyRequest(
        model=v1.ModelSpec(name="m"), inputs={"x": grpc_tensors.tensor(_ARRAYS["x"])}, options=options
    )


def _v2_seeds() -> Iterable[v2.ModelInferRequest]:
    typed = v2.ModelInferRequest(model_name="m", id="1")
    typed.inputs.add(name="x", datatype="FP32", shape=[1, 2]).contents.fp32_contents.extend([0.5, 1])
    typed.parameters["decision"].string_param = '{"rule":"argmax"}'
    yield typed
    raw = v2.ModelInferRequest(model_name="m", raw_input_contents=[_ARRAYS["x"].tobytes(), b"\x01\x00\x00\x00a"])
    raw.inputs.add(name="x", datatype="FP32", shape=[1, 2])
    raw.inputs.add(name="s", datatype="BYTES", shape=[1])
    yield raw


def mutated(data: bytes, random: Random) -> bytes | None:
    """Another message, read the same way."""
    kind = WAYS[data[0] % len(WAYS)].kind if len(data) > 1 else None
    changed = message_mutator.mutated(kind, data[2:], random) if kind is not None else None
    return None if changed is None else data[:2] + changed
