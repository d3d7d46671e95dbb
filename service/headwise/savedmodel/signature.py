"""Signatures: the named inputs and outputs of a model, with dtype and shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from headwise.tfserving import saved_model_pb2, tensor_pb2

DEFAULT_SIGNATURE = "serving_default"

Shape = tuple[int | None, ...]

NUMPY_DTYPES: Mapping[str, np.dtype[np.generic]] = {
    name: np.dtype(name)
    for name in (
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float16",
        "float32",
        "float64",
        "complex64",
        "complex128",
    )
} | {"string": np.dtype(object), "bfloat16": np.dtype(np.float32)}
"""TensorFlow's dtype names and the arrays that hold them: strings as bytes, bfloat16 widened exactly."""

_RENAMED = {"float": "float32", "double": "float64", "half": "float16"}


def dtype_name(data_type: int) -> str:
    """TensorFlow's short name of a DataType, such as "float32"; unknown ones by number."""
    known = tensor_pb2.DataType.DESCRIPTOR.values_by_number.get(data_type)
    if known is None:
        return f"dtype {data_type}"
    name: str = known.name.removeprefix("DT_").lower()
    return _RENAMED.get(name, name)


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output. shape: None where the rank is unknown, None entries where a dimension is."""

    dtype: str
    shape: Shape | None

    @property
    def units(self) -> int | None:
        """The size of the last axis; one for a vector (batch,); None where it is not known."""
        if self.shape is None or not self.shape:
            return None
        return 1 if len(self.shape) == 1 else self.shape[-1]

    def __str__(self) -> str:
        if self.shape is None:
            return f"{self.dtype} of any shape"
        sizes = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.dtype} ({sizes}{',' if len(self.shape) == 1 else ''})"


@dataclass(frozen=True, slots=True)
class Signature:
    """Inputs and outputs by name. defaults: inputs that a request may leave out."""

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    defaults: frozenset[str] = frozenset()
    method_name: str = ""

    @property
    def fixed_batches(self) -> tuple[int, ...]:
        """The numbers of rows that its inputs insist on, smallest first; empty where any number is fine."""
        return tuple(sorted({spec.shape[0] for spec in self.inputs.values() if spec.shape and spec.shape[0]}))

    @property
    def output_dtypes(self) -> dict[str, str]:
        """TensorFlow's name of each output's dtype."""
        return {name: spec.dtype for name, spec in self.outputs.items()}

    @classmethod
    def from_proto(cls, proto: saved_model_pb2.SignatureDef) -> Signature:
        """Read a SignatureDef."""
        return cls(
            {name: _tensor_spec(info) for name, info in sorted(proto.inputs.items())},
            {name: _tensor_spec(info) for name, info in sorted(proto.outputs.items())},
            frozenset(proto.defaults),
            proto.method_name,
        )


def _tensor_spec(info: saved_model_pb2.TensorInfo) -> TensorSpec:
    dims = info.tensor_shape.dim
    known = None if info.tensor_shape.unknown_rank else tuple(d.size if d.size >= 0 else None for d in dims)
    return TensorSpec(dtype_name(info.dtype), known)
