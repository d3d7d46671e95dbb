"""Both surfaces of one gateway, and their answers in one form that can be compared."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any

import grpc
import httpx
import numpy as np
from grpc.aio import Channel

from headwise.access.access import Access
from headwise.admission import Admission
from headwise.api.grpc.server import GrpcServer
from headwise.api.rest.app import create_app
from headwise.backends.base import Backend
from headwise.telemetry.metrics import Metrics
from headwise.telemetry.traces.tracing import Tracing
from headwise.tripwires import Tripwires
from headwise.v1 import classification_service_pb2 as v1
from headwise.v1.classification_service_pb2_grpc import ClassificationServiceStub
from support.in_memory_gateway import Models

SOURCES = (
    "activation",
    "calibration",
    "prior",
    "decision",
    "abstain",
    "prediction_set",
    "coverage",
    "top_k",
)
"""The parts of provenance that tell who said them; an activation is always the card's."""


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
    channel: Channel

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
        request = v1.ClassifyRequest(model=spec, inputs={case.input_name: tensor}, options=grpc_options(case.options))
        answer: v1.ClassifyResponse = await self.grpc.Classify(request, timeout=20)
        return answer


@asynccontextmanager
async def serving(
    models: Models,
    tripwires: Tripwires | None = None,
    access: Access | None = None,
    admission: Admission | None = None,
    backend: Backend | None = None,
    tracing: Tracing | None = None,
) -> AsyncIterator[Surfaces]:
    gateway = await models.gateway(backend, tripwires=tripwires, access=access, admission=admission)
    app = create_app(gateway, Metrics(), timeout=20, max_body_bytes=2**20, tracing=tracing).app
    server = GrpcServer(gateway, ("127.0.0.1", 0), Metrics(), timeout=20, max_bytes=2**20, tracing=tracing)
    await server.start()
    try:
        async with (
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client,
            grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
        ):
            stub = ClassificationServiceStub(channel)  # type: ignore[no-untyped-call]  # generated
            yield Surfaces(client, stub, channel)
    finally:
        await server.stop(0)


def grpc_options(options: dict[str, Any]) -> v1.ClassifyOptions:
    """The options of HTTP as gRPC spells them."""
    fields: dict[str, Any] = {
        "top_k": options.get("top_k"),
        "include": [f"INCLUDE_{name.upper()}" for name in options.get("include", ())],
    }
    for option, write in (
        ("threshold", _threshold),
        ("decision", _decision),
        ("abstain", _abstain),
        ("coverage", float),
    ):
        form = options.get(option)
        if isinstance(form, dict) and form and (option in ("threshold", "coverage") or _all_objects(form)):
            fields[f"head_{option}s"] = {head: write(value) for head, value in form.items()}
        elif form is not None:
            fields[option] = write(form)
    return v1.ClassifyOptions(**fields)


def _all_objects(form: dict[str, Any]) -> bool:
    return all(isinstance(value, dict) for value in form.values())


def _threshold(value: float | str) -> v1.Threshold:
    return v1.Threshold(name=value) if isinstance(value, str) else v1.Threshold(value=value)


def _decision(form: dict[str, Any]) -> v1.Decision:
    rule: dict[str, Any] = {
        "threshold": lambda: v1.ThresholdRule(threshold=form.get("threshold"), thresholds=form.get("thresholds")),
        "per_label": lambda: v1.PerLabelRule(thresholds=form.get("thresholds")),
        "argmax": v1.ArgmaxRule,
        "cost": lambda: v1.CostRule(costs=[v1.CostRow(costs=row) for row in form.get("costs", ())]),
    }
    name = form.get("rule")
    return v1.Decision(
        objective=form.get("objective"),
        abstain=_abstain(form["abstain"]) if "abstain" in form else None,
        prediction_set=_prediction_set(form["prediction_set"]) if "prediction_set" in form else None,
        top_k=form.get("top_k"),
        **({name: rule[name]()} if name in rule else {}),
    )


def _abstain(form: dict[str, Any]) -> v1.Abstain:
    return v1.Abstain(**form)


def _prediction_set(form: dict[str, Any]) -> v1.PredictionSet:
    quantiles = {
        coverage: v1.Quantile(values=value if isinstance(value, list) else [value])
        for coverage, value in form["quantiles"].items()
    }
    return v1.PredictionSet(**{**form, "quantiles": quantiles})


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
    decision = told["decision"]
    cuts = decision["threshold"]
    return {
        "activation": told["activation"]["value"],
        "calibration": told["calibration"]["method"],
        "rule": decision["rule"] or "",
        "cuts": list(cuts.values()) if isinstance(cuts, dict) else [] if cuts is None else [cuts],
        "threshold_name": decision["threshold_name"] or "",
        "costs": decision["costs"] or [],
        "objective": decision["objective"],
        "saturated": told["saturated"],
        "digest": told["card_digest"],
        **{part: told[part]["value"] for part in ("prior", "abstain", "prediction_set", "coverage", "top_k")},
        "sources": {part: told[part]["source"] for part in SOURCES},
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

    raw = _raw(said.raw, size)
    optional = {
        "probabilities": by_cell(said.probabilities),
        "top": by_cell(said.top_indices),
        "raw": raw,
        "set": [on and _members(on, classes) for on in by_cell(said.sets)],
        **_intervals(by_cell(said.intervals), said.task),
    }
    answers = _answers(said, by_cell(said.decisions), by_cell(said.values))
    return {
        "task": said.task,
        **({"labels": classes} if classes else {}),
        "cells": [
            answer | {name: values[number] for name, values in optional.items() if values[number] is not None}
            for number, answer in enumerate(answers)
        ],
        "provenance": _provenance_of_proto(said.provenance) if said.HasField("provenance") else None,
    }


def _answers(said: v1.HeadAnswer, decisions: list[Any], values: list[Any]) -> list[dict[str, Any]]:
    if said.task == "regression":
        return [{"value": value[0]} for value in values]
    if said.task == "multilabel":
        return [_members(on, list(said.classes)) for on in decisions]
    rows: list[dict[str, Any]] = [
        {"label": label, "index": index} for label, index in zip(said.labels, said.indices, strict=True)
    ]
    for row, margin in zip(rows, said.margins, strict=bool(said.margins)):
        row["margin"] = margin
    for number, away in enumerate(said.abstained):
        if away:
            assert rows[number] == {"label": "", "index": -1}
            rows[number] = {"abstained": True}
    return rows


def _intervals(rows: list[Any], task: str) -> dict[str, list[Any]]:
    pairs = [
        row and [None if math.isnan(low) else [low, high] for low, high in np.reshape(row, (-1, 2)).tolist()]
        for row in rows
    ]
    return {"intervals": pairs} if task == "multilabel" else {"interval": [row and row[0] for row in pairs]}


def _members(on: list[bool], classes: list[str]) -> dict[str, Any]:
    indices = np.flatnonzero(on).tolist()
    return {"labels": [classes[i] for i in indices], "indices": indices}


def _provenance_of_proto(told: v1.Provenance) -> dict[str, Any]:
    def given(name: str) -> Any:
        return getattr(told, name) if told.HasField(name) else None

    abstain = told.abstain
    limits = {name: getattr(abstain, name) for name in ("floor", "margin", "cost") if abstain.HasField(name)}
    return {
        "activation": told.activation,
        "calibration": told.calibration,
        "rule": told.decision_rule,
        "cuts": list(told.cuts),
        "threshold_name": told.threshold_name,
        "costs": [list(row.costs) for row in told.costs],
        "objective": given("objective"),
        "saturated": told.saturated,
        "digest": told.card_digest,
        "prior": {"source": list(told.prior.source), "target": list(told.prior.target)} if given("prior") else None,
        "abstain": limits | ({"set": True} if abstain.set else {}) if given("abstain") else None,
        "prediction_set": given("prediction_set"),
        "coverage": given("coverage"),
        "top_k": given("top_k"),
        "sources": {"activation": "card", **{part: getattr(told, f"{part}_source") for part in SOURCES[1:]}},
    }


def _raw(tensor: v1.Tensor, size: int) -> list[Any]:
    if not tensor.content:
        return [None] * size
    numbers = np.frombuffer(tensor.content, "<f4").astype(np.float64)
    return numbers.tolist() if len(tensor.shape) == 1 else numbers.reshape(size, -1).tolist()
