"""What /docs says of calls whose bodies are read by hand."""

from __future__ import annotations

from typing import Any

from headwise.api.rest.classify_request import ClassifyBody
from headwise.api.rest.reliability import FORMATS

ABOUT = (
    "The gateway that knows what a classifier's last layer means: it reads each model version's head card "
    "and turns logits, sigmoid probabilities and softmax vectors into calibrated class probabilities and labels."
)


def inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without $defs: OpenAPI resolves references from its own root, where they are not."""
    definitions = schema.get("$defs", {})
    for definition in definitions.values():
        if "rule" in definition["properties"]:  # it has a default in Python; in JSON it tells which rule it is
            definition["required"] = sorted({*definition.get("required", ()), "rule"})

    def inline(part: Any) -> Any:
        match part:
            case {"$ref": str(reference)}:
                return inline(definitions[reference.rpartition("/")[2]])
            case dict():
                return {key: inline(value) for key, value in part.items() if key not in ("$defs", "discriminator")}
            case list():
                return [inline(value) for value in part]
            case _:
                return part

    inlined: dict[str, Any] = inline(schema)
    return inlined


def json_content(schema: dict[str, Any], example: object) -> dict[str, Any]:
    """A JSON body with its schema and an example."""
    return {"application/json": {"schema": schema, "example": example}}


MODEL = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}
_ROWS = {"instances": [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]}
_PROBLEM = {
    "description": "A problem document (RFC 9457) with a stable `code`",
    "content": {"application/problem+json": {"schema": {"type": "object"}}},
}
_BIN = {
    "low": 0.8,
    "high": 0.9,
    "rows": 61,
    "probability": 0.857,
    "observed": 0.869,
    "interval": [0.763, 0.932],
}

CLASSIFY: dict[str, Any] = {
    "summary": "Labels and calibrated probabilities",
    "parameters": [MODEL],
    "requestBody": {
        "required": True,
        "content": json_content(inlined(ClassifyBody.model_json_schema()), _ROWS),
    },
    "responses": {
        "200": {
            "description": "One answer a row, by the card of the version that answered; `warnings` (head, code, "
            "message) where the numbers contradict the card and are answered all the same. A row that the head "
            "abstained from has `abstained`: true, and null for `label`, `index` and `probability`; where the decision "
            "has prediction sets each row has its `set`",
            "content": json_content(
                {"type": "object"},
                {
                    "request_id": "0b6f…",
                    "model": {"name": "tumor", "version": 3},
                    "heads": {"output_0": {"task": "binary", "labels": ["benign", "malignant"]}},
                    "predictions": [
                        {"label": "malignant", "index": 1, "probability": 0.97, "probabilities": [0.03, 0.97]}
                    ],
                },
            ),
        },
        "default": _PROBLEM,
    },
}
HEAD: dict[str, Any] = {
    "summary": "The head card",
    "parameters": [MODEL],
    "responses": {"default": _PROBLEM},
}
RELIABILITY: dict[str, Any] = {
    "summary": "The reliability diagrams that the card stores, before and after calibration",
    "parameters": [
        MODEL,
        {
            "name": "head",
            "in": "query",
            "description": "One of the heads; an SVG of a card with several diagrams needs it.",
            "schema": {"type": "string"},
        },
        {
            "name": "format",
            "in": "query",
            "description": "Left out: what the Accept header prefers.",
            "schema": {"type": "string", "enum": list(FORMATS)},
        },
    ],
    "responses": {
        "200": {
            "description": "By head name: bins, log loss and calibration errors; or a picture of one head",
            "content": {
                **json_content(
                    {"type": "object"},
                    {
                        "model": {"name": "tumor", "version": 3},
                        "heads": {
                            "output_0": {
                                "method": "temperature",
                                "log_loss": {"before": 0.11, "after": 0.08},
                                "of": "positive class",
                                "before": [_BIN],
                                "after": [_BIN],
                            }
                        },
                    },
                ),
                "image/svg+xml": {"schema": {"type": "string"}},
            },
        },
        "default": _PROBLEM,
    },
}
PREDICT: dict[str, Any] = {
    "summary": "Raw numbers, as TensorFlow Serving answers",
    "parameters": [MODEL],
    "requestBody": {"required": True, "content": json_content({"type": "object"}, _ROWS)},
}
METADATA: dict[str, Any] = {"summary": "Signatures, as TensorFlow Serving answers", "parameters": [MODEL]}
STATUS: dict[str, Any] = {
    "summary": "States of the versions, as TensorFlow Serving answers",
    "parameters": [MODEL],
}
