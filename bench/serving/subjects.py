"""The models that are served, the rows that are sent, and the bodies that carry them."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from serving.peers.head import Head

from headwise.savedmodel import reader
from headwise.savedmodel.signature import DEFAULT_SIGNATURE, Signature

Array = NDArray[Any]
JSON = "application/json"


@dataclass(frozen=True)
class Body:
    """What is sent to a path."""

    path: str
    content: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Subject:
    """A model of one input and one head. rows: (many, ...), which requests are cut from.

    float32 prints with twice the digits of the numbers that people type: a picture is sent as the former.
    """

    name: str
    version: Path
    rows: Array

    @cached_property
    def head(self) -> Head:
        return Head.of(self.version)

    @cached_property
    def input(self) -> str:
        """The only input's name."""
        (name,) = self._signature.inputs
        return name

    @cached_property
    def output(self) -> str:
        """The only output's name."""
        (name,) = self._signature.outputs
        return name

    @property
    def _signature(self) -> Signature:
        return _signature_of(self.version)

    def batch(self, rows: int) -> Array:
        """The first rows, from the start again where there are too few."""
        return np.resize(self.rows, (rows, *self.rows.shape[1:]))

    def names(self) -> dict[str, str]:
        """What a server has to know of it."""
        return {"version": str(self.version), "input": self.input, "output": self.output}

    @property
    def numbers(self) -> int:
        """How many one row has."""
        return int(np.prod(self.rows.shape[1:]))


@cache  # a thousand copies of a model are one version
def _signature_of(version: Path) -> Signature:
    return reader.read(version).signatures[DEFAULT_SIGNATURE]


def as_json(batch: Array, path: str, **more: Any) -> Body:
    """`instances`, each number as Python prints it: what `array.tolist()` and `json.dumps` make of an array."""
    return Body(path, json.dumps({"instances": batch.tolist(), **more}).encode(), {"content-type": JSON})


def as_npz(batch: Array, path: str, name: str) -> Body:
    """An archive, as `numpy.savez` writes it."""
    file = io.BytesIO()
    np.savez(file, **{name: batch.astype(np.float32)})  # type: ignore[arg-type]  # the stubs take **kwargs for allow_pickle
    return Body(path, file.getvalue(), {"content-type": "application/x-npz"})


def as_raw(batch: Array, path: str) -> Body:
    """The numbers' own bytes."""
    shape = ",".join(map(str, batch.shape))
    headers = {"content-type": "application/octet-stream", "headwise-dtype": "float32", "headwise-shape": shape}
    return Body(path, batch.astype("<f4").tobytes(), headers)


def as_v2(batch: Array, path: str, name: str) -> Body:
    """Open Inference, the numbers in its JSON."""
    tensor = {"name": name, "shape": list(batch.shape), "datatype": "FP32", "data": batch.reshape(-1).tolist()}
    return Body(path, json.dumps({"inputs": [tensor]}).encode(), {"content-type": JSON})


def as_v2_binary(batch: Array, path: str, name: str) -> Body:
    """Open Inference with its binary extension: a JSON header, then the numbers' own bytes."""
    numbers = batch.astype("<f4").tobytes()
    size = {"binary_data_size": len(numbers)}
    tensor = {"name": name, "shape": list(batch.shape), "datatype": "FP32", "parameters": size}
    header = json.dumps({"inputs": [tensor]}).encode()
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(header))}
    return Body(path, header + numbers, headers)


def v1_labels(answer: bytes) -> list[Any]:
    """The labels in an answer of headwise or of a peer that answers alike."""
    return [row["label"] for row in json.loads(answer)["predictions"]]


def v2_labels(answer: bytes) -> list[Any]:
    """The labels in an Open Inference answer."""
    return next(list(output["data"]) for output in json.loads(answer)["outputs"] if output["name"] == "labels")
