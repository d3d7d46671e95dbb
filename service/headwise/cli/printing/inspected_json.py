"""What `headwise inspect --json` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from headwise.cli.printing import diagnostics, document
from headwise.repository.inspection import Inspected, Inspection
from headwise.savedmodel import SavedModel, TensorSpec
from headwise.savedmodel.detected import DetectedHead
from headwise.savedmodel.keras import KerasModel, KerasOutput
from headwise.savedmodel.signature import DEFAULT_SIGNATURE


def show(inspection: Inspection) -> None:
    """One document, or the documents of a repository by their paths."""
    documents = {str(one.path): _document(one) for one in inspection.models}
    document.show(documents if inspection.is_repository else next(iter(documents.values())))


def _document(one: Inspected) -> dict[str, Any]:
    return {
        "signatures": _signatures(one.model),
        "card": orjson.loads(one.card.document) if one.card else None,
        "golden_records": one.golden,
        "diagnostics": [diagnostics.document(found) for found in one.diagnostics],
    }


def _signatures(model: SavedModel | KerasModel | None) -> dict[str, Any]:
    """By name; a .keras file has the one that its export would have, as far as it is known."""
    match model:
        case SavedModel():
            return {
                name: {
                    "inputs": {n: _tensor(spec) for n, spec in signature.inputs.items()},
                    "outputs": {
                        n: _output(spec, model.detected.get(name, {}).get(n)) for n, spec in signature.outputs.items()
                    },
                }
                for name, signature in model.signatures.items()
            }
        case KerasModel():
            outputs = {name: _keras_output(output) for name, output in model.outputs.items()}
            return {DEFAULT_SIGNATURE: {"inputs": {}, "outputs": outputs}}
        case _:
            return {}


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"dtype": spec.dtype, "shape": spec.shape}


def _output(spec: TensorSpec, head: DetectedHead | None) -> dict[str, Any]:
    """An output that is not floating has no head, and no activation."""
    return {**_tensor(spec), "units": spec.units, **_head(head)} | ({} if head is None else {"units": head.units})


def _keras_output(output: KerasOutput) -> Mapping[str, Any]:
    loss, metrics = output.training.loss, output.training.metrics
    return {
        "dtype": None,
        "shape": None,
        "units": output.head.units,
        **_head(output.head),
        "loss": None if loss is None else {"name": loss.name, "from_logits": loss.from_logits},
        "metrics": [{"name": metric.name, "threshold": metric.threshold} for metric in metrics],
    }


def _head(head: DetectedHead | None) -> dict[str, Any]:
    return {"activation": None, "path": []} if head is None else {"activation": head.activation, "path": head.path}
