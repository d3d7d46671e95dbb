"""What /docs says of calls whose bodies are read by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from headwise.api.rest.classify_request import ClassifyBody
from headwise.api.rest.reliability import FORMATS
from headwise.api.status import HTTP_OF_GRPC, INTERNAL, STATUSES

ABOUT = (
    "The gateway that knows what a classifier's last layer means: it reads each model version's head card "
    "and turns logits, sigmoid probabilities and softmax vectors into calibrated class probabilities and labels."
)
ROOT, PAGE, DOCUMENT = "/", "/docs", "/openapi.json"


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


def answered(description: str, example: object) -> dict[str, Any]:
    """An answer in JSON."""
    kind = "array" if isinstance(example, list) else "object"
    return {"description": description, "content": json_content({"type": kind}, example)}


def refused(
    description: str, *, reads_body: bool = True, statuses: Iterable[int] = (), **schemas: Any
) -> dict[str, Any]:
    """What every error may be answered with, by status. schemas: by subtype of the media type `application/`.

    statuses: others than those of `api/status.py`. reads_body: whether there are those of a body, too.
    """
    known = {status.http for status in STATUSES.values()} - {INTERNAL.http}
    content = {f"application/{kind.replace('_', '+')}": {"schema": schema} for kind, schema in schemas.items()}
    return {
        str(status): {"description": description, "content": content}
        for status in sorted({*known, *statuses} - (set() if reads_body else _OF_BODIES))
    }


_OF_BODIES = frozenset({413, 415})
ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string"}},
    "required": ["error"],
    "additionalProperties": False,
}
"""The form of errors on TensorFlow Serving's and V2's paths."""


MODEL = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}, "example": "tumor"}
_ROWS = {"instances": [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]}
_VERSION = {
    "version": 3,
    "state": "AVAILABLE",
    "ready": True,
    "reason": None,
    "code": None,
    "heads": {"output_0": {"task": "binary", "activation": "linear", "labels": ["benign", "malignant"]}},
}
_TENSOR = {
    "dtype": "DT_FLOAT",
    "tensor_shape": {"dim": [{"size": "-1", "name": ""}, {"size": "3", "name": ""}], "unknown_rank": False},
    "name": "serving_default_features:0",
}
_SIGNATURE = {
    "inputs": {"features": _TENSOR},
    "outputs": {"output_0": _TENSOR},
    "method_name": "tensorflow/serving/predict",
    "defaults": {},
}
_PROBLEM_DOCUMENT = {
    "type": "object",
    "properties": {
        **{name: {"type": "string"} for name in ("type", "title", "detail", "instance", "code", "request_id")},
        "status": {"type": "integer"},
        "retryable": {"type": "boolean"},
    },
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id", "retryable"],
}
_PROBLEM = "A problem document (RFC 9457) with a stable `code`"
_PROBLEMS = refused(_PROBLEM, reads_body=False, problem_json=_PROBLEM_DOCUMENT)
_TFS_ERROR = 'An error: `{"error": …}`, with the model server\'s own words where it said them'
_OF_TFS = frozenset(HTTP_OF_GRPC.values()) - {200}
_TFS = refused(_TFS_ERROR, statuses=_OF_TFS, json=ERROR)
_TFS_WITHOUT_BODY = refused(_TFS_ERROR, reads_body=False, statuses=_OF_TFS, json=ERROR)
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
        **refused(
            f"{_PROBLEM}; of a call of TensorFlow Serving's an error in its form",
            statuses=_OF_TFS,
            problem_json=_PROBLEM_DOCUMENT,
            json=ERROR,
        ),
    },
}
HEAD: dict[str, Any] = {
    "summary": "The head card",
    "parameters": [MODEL],
    "responses": {
        "200": answered(
            "The card as it stands in its file; its SHA-256 is the ETag",
            {
                "card_version": 1,
                "signatures": {
                    "serving_default": {
                        "heads": {
                            "output_0": {"task": "binary", "activation": "linear", "labels": ["benign", "malignant"]}
                        }
                    }
                },
                "evidence": {"output_0": {"rows": 171, "log_loss": {"before": 0.11, "after": 0.08}}},
            },
        ),
        **_PROBLEMS,
    },
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
        **_PROBLEMS,
    },
}
_EXAMPLES = {"examples": [{"features": [0.1, 0.2, 0.3]}]}
PREDICT: dict[str, Any] = {
    "summary": "Raw numbers, as TensorFlow Serving answers",
    "parameters": [MODEL],
    "requestBody": {"required": True, "content": json_content({"type": "object"}, _ROWS)},
    "responses": {
        "200": answered("The model's own numbers, in rows or in columns as they were sent", {"predictions": [[3.48]]}),
        **_TFS,
    },
}
REGRESS: dict[str, Any] = {
    "summary": "One number a row: a regression's value, or the positive class's probability",
    "parameters": [MODEL],
    "requestBody": {"required": True, "content": json_content({"type": "object"}, _EXAMPLES)},
    "responses": {"200": answered("As TensorFlow Serving answers", {"results": [0.97]}), **_TFS},
}
METADATA: dict[str, Any] = {
    "summary": "Signatures, as TensorFlow Serving answers",
    "parameters": [MODEL],
    "responses": {
        "200": answered(
            "The SignatureDefs of the version",
            {
                "model_spec": {"name": "tumor", "signature_name": "", "version": "3"},
                "metadata": {"signature_def": {"signature_def": {"serving_default": _SIGNATURE}}},
            },
        ),
        **_TFS_WITHOUT_BODY,
    },
}
STATUS: dict[str, Any] = {
    "summary": "States of the versions, as TensorFlow Serving answers",
    "parameters": [MODEL],
    "responses": {
        "200": answered(
            "Every version that the model server has seen",
            {
                "model_version_status": [
                    {"version": "3", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
                ]
            },
        ),
        **_TFS_WITHOUT_BODY,
    },
}
MODELS: dict[str, Any] = {
    "summary": "All models",
    "responses": {
        "200": answered(
            "Every model with its versions, their states and heads; why one does not answer",
            {"models": [{"name": "tumor", "versions": [_VERSION], "labels": {}}]},
        ),
        **_PROBLEMS,
    },
}
INDEX: dict[str, Any] = {
    "summary": "What is where",
    "responses": {
        "200": answered(
            "Name and version, and paths to begin with",
            {
                "name": "headwise",
                "version": "1.0.0",
                "documentation": PAGE,
                "models": "/v1/models",
                "livez": "/livez",
                "readyz": "/readyz",
                "metrics": "/metrics",
            },
        )
    },
}
LIVEZ: dict[str, Any] = {
    "summary": "The process answers",
    "responses": {"200": answered("It lives", {"live": True})},
}
READYZ: dict[str, Any] = {
    "summary": "The model server answers, and every model is settled",
    "responses": dict.fromkeys(
        ("200", "503"),
        answered(
            "Ready; 503 with the reason where not",
            {
                "ready": True,
                "reason": None,
                "models": {"tumor": {"ready": True, "versions": [3], "reason": None, "code": None}},
            },
        ),
    ),
}
METRICS: dict[str, Any] = {
    "summary": "Prometheus",
    "responses": {
        "200": {
            "description": "Prometheus's text format, or OpenMetrics where it is accepted",
            "content": {"text/plain": {}, "application/openmetrics-text": {}},
        },
        **_PROBLEMS,
    },
}
