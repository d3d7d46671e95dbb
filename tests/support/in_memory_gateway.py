"""A gateway without a model server: a real model repository on disk, and functions in memory as its models."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from headwise.access.access import Access
from headwise.admission import Admission
from headwise.backends.base import Arrays, Backend
from headwise.backends.in_memory import InMemoryBackend, InMemoryModel
from headwise.gateway import Classification, Gateway, ReadInputs, RequestOptions
from headwise.golden_records import GoldenProver
from headwise.repository.model_repository import ModelRepository
from headwise.repository.model_spec import ModelSpec
from headwise.repository.sources import ModelsFolder
from headwise.savedmodel.signature import NUMPY_DTYPES, Shape
from headwise.savedmodel.tensors import to_proto
from headwise.telemetry.metrics import Metrics
from headwise.tfserving import saved_model_pb2, tensor_pb2
from headwise.tripwires import Tripwires

Specs = Mapping[str, tuple[str, Shape]]
"""Names of inputs or outputs to dtype and shape."""

NO_OPTIONS = RequestOptions()
BINARY = {"task": "binary", "activation": "linear", "labels": ["benign", "malignant"]}


def signature_def(inputs: Specs, outputs: Specs) -> saved_model_pb2.SignatureDef:
    """A SignatureDef with these inputs and outputs."""
    return saved_model_pb2.SignatureDef(
        inputs={name: _tensor_info(*spec) for name, spec in inputs.items()},
        outputs={name: _tensor_info(*spec) for name, spec in outputs.items()},
    )


def write_saved_model(folder: Path, signatures: Mapping[str, saved_model_pb2.SignatureDef]) -> None:
    """A SavedModel that declares signatures and holds nothing else."""
    folder.mkdir(parents=True)
    graph = saved_model_pb2.MetaGraphDef(
        meta_info_def=saved_model_pb2.MetaGraphDef.MetaInfoDef(tags=["serve"]), signature_def=signatures
    )
    (folder / "saved_model.pb").write_bytes(saved_model_pb2.SavedModel(meta_graphs=[graph]).SerializeToString())


def write_card(
    folder: Path,
    heads: Mapping[str, Any],
    signature_name: str = "serving_default",
    evidence: Mapping[str, Any] | None = None,
) -> None:
    """A card with the heads of one signature."""
    (folder / "assets.extra").mkdir(exist_ok=True)
    card = {"card_version": 1, "signatures": {signature_name: {"heads": heads}}, "evidence": evidence or {}}
    (folder / "assets.extra" / "head.json").write_text(json.dumps(card), "utf-8")


def as_it_is(inputs: Arrays) -> Arrays:
    """The model whose output is its input: a test sends the raw numbers that it wants to have read."""
    return {"output_0": inputs["x"]}


class Models:
    """Publishes versions to the folder and the backend alike; each may be changed on its own afterwards."""

    def __init__(self, folder: Path, backend: InMemoryBackend | None = None) -> None:
        self.folder = folder
        self.backend = backend or InMemoryBackend({})

    def add(
        self,
        name: str,
        heads: Mapping[str, Any] | None,
        *,
        version: int = 1,
        units: int = 1,
        inputs: Specs | None = None,
        outputs: Specs | None = None,
        run: Callable[[Arrays], Arrays] = as_it_is,
        evidence: Mapping[str, Any] | None = None,
    ) -> Path:
        """Publish a version; its folder. Without specs it takes x (batch, units) and answers output_0 alike."""
        signatures = {
            "serving_default": signature_def(
                inputs or {"x": ("float32", (None, units))}, outputs or {"output_0": ("float32", (None, units))}
            )
        }
        folder = self.folder / name / str(version)
        write_saved_model(folder, signatures)
        if heads is not None:
            write_card(folder, heads, evidence=evidence)
        self.backend.models.setdefault(name, {})[version] = InMemoryModel(signatures, run)
        return folder

    def repository(self, backend: Backend | None = None) -> ModelRepository:
        """A repository that has not looked yet."""
        asked = backend or self.backend
        return ModelRepository(ModelsFolder(self.folder), asked, GoldenProver(asked, timeout=5, count=Metrics().proved))

    async def gateway(
        self,
        backend: Backend | None = None,
        *,
        raw_when_refused: bool = False,
        tripwires: Tripwires | None = None,
        access: Access | None = None,
        admission: Admission | None = None,
    ) -> Gateway:
        """A gateway that has looked once."""
        asked = backend or self.backend
        gateway = Gateway(
            asked,
            self.repository(asked),
            raw_when_refused=raw_when_refused,
            tripwires=tripwires,
            access=access,
            admission=admission,
        )
        await gateway.repository.refresh()
        return gateway


def rows(*values: Any, name: str = "x") -> ReadInputs:
    """What a surface passes to the gateway: one float32 input of these rows."""
    return lambda _: {name: np.array(values, np.float32)}


async def classify(
    gateway: Gateway,
    name: str = "m",
    *values: Any,
    version: int | None = None,
    label: str | None = None,
    options: RequestOptions = NO_OPTIONS,
) -> Classification:
    """Ask for rows of the input x; one row of 2.0 unless there are others."""
    return await gateway.classify(ModelSpec(name, version, label), rows(*values or [[2.0]]), options, timeout=5)


def answered(classification: Classification, head: str = "output_0") -> list[str]:
    """The labels of a head, one a row."""
    labels = classification.heads[head].prediction.labels
    assert isinstance(labels, np.ndarray)
    return [str(label) for label in labels]


def _tensor_info(dtype: str, shape: Shape) -> saved_model_pb2.TensorInfo:
    sizes = [tensor_pb2.TensorShapeProto.Dim(size=-1 if size is None else size) for size in shape]
    number = to_proto(np.zeros(0, NUMPY_DTYPES[dtype])).dtype
    return saved_model_pb2.TensorInfo(dtype=number, tensor_shape=tensor_pb2.TensorShapeProto(dim=sizes))
