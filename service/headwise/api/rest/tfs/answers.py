"""What TensorFlow Serving's HTTP server answers beside predictions: errors, pages, status and metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType

import grpc
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from headwise.api.rest.tfs.json_text import quote
from headwise.backends.base import signature_map
from headwise.tfserving import model_service_pb2, prediction_service_pb2

JSON_TYPE = "application/json"
EMPTY_PAGE_TYPE = "text/html; charset=ISO-8859-1"
"""The type of its answers to OPTIONS, which have no body."""

_CODE_NAMES: Mapping[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}

_STATES: Mapping[int, str] = {number: name for name, number in model_service_pb2.ModelVersionStatus.State.items()}
"""A newer model server may have others, which are told by their number."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer. headers: beside the content type."""

    status: int
    body: bytes
    media_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)


def error(status: int, text: str, headers: Mapping[str, str] = MappingProxyType({})) -> Answer:
    """`{"error": …}` in TFS's layout."""
    body = f'{{\n    "error": {quote(text)}\n}}'
    return Answer(status, body.encode("utf-8", "surrogateescape"), headers=headers)


def page(status: int) -> Answer:
    """The HTML page of TFS's HTTP library, for what never reaches its API."""
    phrase = HTTPStatus(status).phrase
    head = f"<HTML><HEAD>\n<TITLE>{status} {phrase}</TITLE>\n</HEAD>"
    return Answer(status, f"{head}<BODY>\n<H1>{phrase}</H1>\n</BODY></HTML>\n".encode(), "text/html")


def versions(status: model_service_pb2.GetModelStatusResponse) -> Answer:
    """The states of a model's versions."""
    entries = [
        {
            "version": str(entry.version),
            "state": _STATES.get(entry.state, entry.state),
            "status": {
                "error_code": _CODE_NAMES.get(entry.status.error_code, str(entry.status.error_code)),
                "error_message": entry.status.error_message,
            },
        }
        for entry in status.model_version_status
    ]
    return Answer(200, _printed({"model_version_status": entries}).encode())


def metadata(response: prediction_service_pb2.GetModelMetadataResponse) -> Answer:
    """The signatures of a loaded version; TFS prints their map inside the message that holds it.

    Raises: BackendProtocolError.
    """
    spec = _printed({"name": "", "version": "", "signature_name": ""} | _fields(response.model_spec))
    signatures = _printed(_fields(signature_map(response)))
    body = f'{{\n"model_spec":{spec},\n"metadata": {{"signature_def": {signatures}}}\n}}\n'
    return Answer(200, body.encode())


def _fields(message: Message) -> dict[str, object]:
    fields: dict[str, object] = MessageToDict(
        message, always_print_fields_with_no_presence=True, preserving_proto_field_name=True
    )
    return fields


def _printed(value: Mapping[str, object]) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
