"""Both surfaces of one gateway, and their answers in one form that can be compared."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any

import grpc
import httpx
import numpy as np

from headwise.api.grpc.server import GrpcServer
from headwise.api.rest.app import create_app
from headwise.telemetry.metrics import Metrics
from headwise.tripwires import Tripwires
from headwise.v1 import classification_service_pb2 as v1
from headwise.v1.classification_service_pb2_grpc import ClassificationServiceStub
from support.in_memory_gateway import Models


@dataclass(frozen=True)
class Case:
    """A request by model and rows; the options as HTTP spells them."""

    model: str
    rows: list[Any]
    options: dict[str, Any] = field(default_factory=dict)
    version: int | None = None
    label: str | None = None
    signature_name: str = ""
    input_name: str = "x"


@dataclass(frozen=True)
class Surfaces:
    """Both surfaces of one gateway."""

    http: httpx.AsyncClient
    grpc: ClassificationServiceStub

    async def over_http(self, case: Case) -> httpx.Response:
        place = f"/versions/{case.version}" if case.version is not None else ""
        place = f"/labels/{case.label}" if case.label is not None else place
        body = {
            "inputs": {case.input_name: case.rows},
            "options": case.options,
            "signature_name": case.signature_name,
        }
        return await self.http.post(f"/v1/models/{case.model}{place}:classify", content=json.dumps(body))

    async def over_grpc(self, case: Case) -> v1.ClassifyResponse:
        rows = np.array(case.rows, "<f4")
        tensor = v1.Tensor(data_type=v1.DATA_TYPE_FLOAT32, shape=rows.shape, content=rows.tobytes())
        spec = v1.ModelSpec(
            name=case.model, version=case.version, version_label=case.label, signature_name=case.signature_name
        )
        request = v1.ClassifyRequest(model=spec, inputs={case.input_name: tensor}, options=_options(case.options))
        answer: v1.ClassifyResponse = await self.grpc.Classify(request, timeout=20)
        return answer


@asynccontextmanager
async def serving(models: Models, tripwires: Tripwires | None = None) -> AsyncIterator[Surfaces]:
    gateway = await models.gateway(tripwires=tripwires)
    app = create_app(gateway, Metrics(), timeout=20, max_body_bytes=2**20).app
    server = GrpcServer(gateway, ("127.0.0.1", 0), Metrics(), timeout=20, max_bytes=2**20)
    await server.start()
    try:
        async with (
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client,
            grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
        ):
            yield Surfaces(client, ClassificationServiceStub(channel))  # type: ignore[no-untyped-call]  # generated
    finally:
        await server.stop(0)


def _threshold(value: float | str) -> v1.Threshold:
    return v1.Threshold(name=value) if isinstance(value, str) else v1.Threshold(value=value)


def _options(options: dict[str, Any]) -> v1.ClassifyOptions:
    """The options of HTTP as gRPC spells them."""
    cut = options.get("threshold")
    return v1.ClassifyOptions(
        threshold=None if cut is None or isinstance(cut, dict) else _threshold(cut),
        head_thresholds={head: _threshold(value) for head, value in cut.items()} if isinstance(cut, dict) else {},
        top_k=options.get("top_k"),
        include=[f"INCLUDE_{name.upper()}" for name in options.get("include", ())],
    )


def from_json(body: dict[str, Any]) -> dict[str, Any]:
    """What HTTP said, head by head: lists of one entry a cell."""
    heads = {}
    for name, described in body["heads"].items():
        rows = [row[name] for row in body["predictions"]] if len(body["heads"]) > 1 else body["predictions"]
        cells = _cells(rows)
        provenance = described.pop("provenance", None)
        heads[name] = {
            **described,
            "cells": [{key: value for key, value in cell.items() if value is not None} for cell in cells],
            "provenance": provenance and _provenance_of_json(provenance),
        }
    return {"model": body["model"], "heads": heads, "warnings": body.get("warnings", [])}


def _cells(rows: list[Any]) -> list[dict[str, Any]]:
    return [cell for row in rows for cell in (_cells(row) if isinstance(row, list) else [row])]


def _provenance_of_json(told: dict[str, Any]) -> dict[str, Any]:
    cuts = told["decision"]["threshold"]
    return {
        "activation": told["activation"]["value"],
        "calibration": told["calibration"]["method"],
        "rule": told["decision"]["rule"] or "",
        "source": told["decision"]["source"],
        "cuts": list(cuts.values()) if isinstance(cuts, dict) else [] if cuts is None else [cuts],
        "saturated": told["saturated"],
        "digest": told["card_digest"],
    }


def from_proto(answer: v1.ClassifyResponse) -> dict[str, Any]:
    """What gRPC said, in the same form."""
    heads = {name: _head_of_proto(said) for name, said in answer.heads.items()}
    return {
        "model": {"name": answer.model_name, "version": answer.model_version},
        "heads": heads,
        "warnings": [{"head": told.head, "code": told.code, "message": told.message} for told in answer.warnings],
    }


def _head_of_proto(said: v1.HeadAnswer) -> dict[str, Any]:
    size = prod(said.shape)
    classes = list(said.classes)

    def by_cell(values: Any) -> list[Any]:
        return np.array(values).reshape(size, -1).tolist() if len(values) else [None] * size

    probabilities, decisions, values = (by_cell(v) for v in (said.probabilities, said.decisions, said.values))
    top = by_cell(said.top_indices)
    raw = _raw(said.raw, size)
    cells = []
    for number in range(size):
        cell: dict[str, Any] = {}
        if said.task == "regression":
            cell["value"] = values[number][0]
        elif said.task == "multilabel":
            on = np.flatnonzero(decisions[number]).tolist()
            cell.update(labels=[classes[i] for i in on], indices=on)
        else:
            cell.update(label=said.labels[number], index=said.indices[number])
            if said.margins:
                cell["margin"] = said.margins[number]
        if probabilities[number] is not None:
            cell["probabilities"] = probabilities[number]
        if top[number] is not None:
            cell["top"] = top[number]
        if raw[number] is not None:
            cell["raw"] = raw[number]
        cells.append(cell)
    told = said.provenance
    return {
        "task": said.task,
        **({"labels": classes} if classes else {}),
        "cells": cells,
        "provenance": {
            "activation": told.activation,
            "calibration": told.calibration,
            "rule": told.decision_rule,
            "source": told.decision_source,
            "cuts": list(told.cuts),
            "saturated": told.saturated,
            "digest": told.card_digest,
        }
        if said.HasField("provenance")
        else None,
    }


def _raw(tensor: v1.Tensor, size: int) -> list[Any]:
    if not tensor.content:
        return [None] * size
    numbers = np.frombuffer(tensor.content, "<f4").astype(np.float64)
    return numbers.tolist() if len(tensor.shape) == 1 else numbers.reshape(size, -1).tolist()
