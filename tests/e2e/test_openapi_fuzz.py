"""Requests made from the OpenAPI document, before a real model server: each answer is one that the document declares.

What the schema says is sent, and what it does not: `--openapi-examples` of them an operation, half and half.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from support.gateway_process import GatewayProcess
from support.openapi import OPERATIONS

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ROWS = [[1.0, 2.0, 3.0, 4.0], [0.0, -1.0, 0.5, 1e6]]
TENSOR = {"name": "features", "shape": [2, 4], "datatype": "FP32", "data": ROWS}
ANSWERING = ["logit", "softmax4", "multilabel"]
"""Models that take such rows."""
VALID: Mapping[str, Mapping[str, Any]] = {
    "/v1/models/{model}:classify": {"instances": ROWS},
    "/v1/models/{model}:predict": {"instances": ROWS},
    "/v1/models/{model}:regress": {"examples": [{"features": ROWS[0]}]},
    "/v2/models/{model}/infer": {"inputs": [TENSOR]},
}
"""What makes a body one that a model answers, whatever else is generated beside it."""


@pytest.fixture(scope="module")
def schema(recorded_gateway: GatewayProcess) -> BaseSchema:
    """The document as the gateway serves it."""
    return schemathesis.openapi.from_url(f"{recorded_gateway.url}/openapi.json")


def cases(operation: Any, models: list[str]) -> st.SearchStrategy[Case[Any]]:
    """Requests that keep to the schema and such that do not, for models that are there and for any name."""
    named = [
        operation.as_strategy(generation_mode=mode, path_parameters={"model": model})
        for mode in GenerationMode
        for model in models
    ]
    anything = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]
    return st.one_of(st.one_of(*anything), st.one_of(*named))


@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=[f"{method} {path}" for path, method in OPERATIONS])
def test_answers_are_as_the_document_says(
    recorded_gateway: GatewayProcess,
    schema: BaseSchema,
    path: str,
    method: str,
    pytestconfig: pytest.Config,
    record_property: Any,
) -> None:
    statuses: Counter[int] = Counter()
    operation = schema[path][method.upper()]
    with requests.Session() as session:

        @settings(
            max_examples=pytestconfig.getoption("openapi_examples"),
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(cases(operation, ANSWERING), st.booleans())
        def ask(case: Case[Any], valid: bool) -> None:
            if valid and isinstance(case.body, dict):
                case.body.update(VALID.get(path, {}))
                if path in VALID:
                    case.path_parameters["model"] = ANSWERING[0]
            response = case.call(session=session)
            statuses[response.status_code] += 1
            case.validate_response(response, checks=CHECKS)
            assert response.status_code != 500, response.text

        ask()
    told = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    record_property("summary", f"{method.upper()} {path}: {sum(statuses.values())} requests, {told}")
    assert path not in VALID or statuses[200] > 0
