"""What the OpenAPI page says of V2's paths."""

from __future__ import annotations

from typing import Any

from headwise.api.rest.documentation import ERROR, MODEL, answered, inlined, json_content, refused
from headwise.api.rest.v2.bodies import InferBody

_ERROR = 'An error: `{"error": …}`, its stable code in the header `headwise-error-code`'
_REFUSED = refused(_ERROR, json=ERROR)
_REFUSED_WITHOUT_BODY = refused(_ERROR, reads_body=False, json=ERROR)

INFER: dict[str, Any] = {
    "summary": "Labels and calibrated probabilities, as V2 tensors",
    "description": "Without `outputs`: all that the heads answer. By name: `probabilities` FP64 (batch, classes), "
    "`indices` INT64, `labels` BYTES; multilabel `decisions` BOOL; regression `value`; the model's own outputs by "
    "their names (`raw.NAME` where a head's output has it). `HEAD.` stands before them where there are several "
    "heads. The parameter `classification` of an output lists that many classes as `value:index:label`.",
    "parameters": [MODEL],
    "requestBody": {
        "required": True,
        "content": json_content(
            inlined(InferBody.model_json_schema()),
            {
                "inputs": [{"name": "features", "shape": [1, 3], "datatype": "FP32", "data": [0.1, 0.2, 0.3]}],
                "outputs": [{"name": "probabilities"}, {"name": "labels"}],
                "parameters": {"threshold": 0.3},
            },
        ),
    },
    "responses": {
        "200": {
            "description": "Tensors by name, and the version that answered",
            "content": json_content(
                {"type": "object"},
                {
                    "model_name": "tumor",
                    "model_version": "3",
                    "id": "0b6f…",
                    "outputs": [
                        {"name": "probabilities", "datatype": "FP64", "shape": [1, 2], "data": [0.03, 0.97]},
                        {"name": "labels", "datatype": "BYTES", "shape": [1], "data": ["malignant"]},
                    ],
                },
            ),
        },
        **_REFUSED,
    },
}
_INPUT = {"name": "features", "datatype": "FP32", "shape": [-1, 3]}
_OUTPUT = {"name": "probabilities", "datatype": "FP64", "shape": [-1, 2]}
_INDEXED = {"name": "tumor", "version": "3", "state": "READY", "reason": ""}
SERVER: dict[str, Any] = {
    "summary": "V2: name, version and extensions",
    "responses": {
        "200": answered("The server", {"name": "headwise", "version": "0.1.0", "extensions": ["classification"]}),
        **_REFUSED_WITHOUT_BODY,
    },
}
LIVE: dict[str, Any] = {
    "summary": "V2: the process answers",
    "responses": {"200": answered("It lives", {"live": True})},
}
READY: dict[str, Any] = {
    "summary": "V2: every model is settled",
    "responses": dict.fromkeys(("200", "503"), answered("Ready; 503 where not", {"ready": True})),
}
MODELS: dict[str, Any] = {
    "summary": "V2: the names of all models",
    "responses": {"200": answered("Names", {"models": ["tumor"]}), **_REFUSED_WITHOUT_BODY},
}
METADATA: dict[str, Any] = {
    "summary": "V2: inputs and outputs",
    "parameters": [MODEL],
    "responses": {
        "200": answered(
            "The tensors of the newest version that answers",
            {
                "name": "tumor",
                "versions": ["3"],
                "platform": "tensorflow_savedmodel",
                "inputs": [_INPUT],
                "outputs": [_OUTPUT],
            },
        ),
        **_REFUSED_WITHOUT_BODY,
    },
}
MODEL_READY: dict[str, Any] = {
    "summary": "V2: whether a model answers",
    "parameters": [MODEL],
    "responses": {
        **_REFUSED_WITHOUT_BODY,
        **dict.fromkeys(("200", "503"), answered("Ready; 503 where not", {"name": "tumor", "ready": True})),
    },
}
INDEX: dict[str, Any] = {
    "summary": "V2: every version with its state",
    "requestBody": {"content": json_content({"type": "object"}, {"ready": True})},
    "responses": {"200": answered("Versions", [_INDEXED]), **_REFUSED},
}
