"""headwise's own call over HTTP: arrays in one .npz, and back."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
from numpy.typing import NDArray

from headwise.client.calls import Input, Question
from headwise.client.predictions import HeadPredictions, Predictions
from headwise.client.steps import Reply, Send, error_of
from headwise.errors import BackendProtocolError, InvalidTensorError
from headwise.npz import packed

NPZ = "application/x-npz"
CODE = "headwise-error-code"
"""The header that has the code of an error whose body has none."""

ANSWER = "answer.json"
"""What the arrays of an answer belong to: model, heads, warnings."""

_FIELDS: Mapping[str, str] = {
    "probabilities": "probabilities",
    "indices": "indices",
    "decisions": "decisions",
    "value": "values",
    "margins": "margins",
    "top_indices": "top",
    "abstained": "abstained",
    "sets": "sets",
    "intervals": "intervals",
}
"""Arrays of an answer, and what they are called here."""


class HttpWire:
    """Requests of the HTTP surface."""

    def classify(self, question: Question, headers: Mapping[str, str], timeout: float) -> Send:
        """One batch."""
        body = packed({name: _sent(name, array) for name, array in question.arrays.items()})
        query = {
            "signature_name": question.signature_name,
            **{name: ",".join(of) if name == "include" else json.dumps(of) for name, of in question.options.items()},
        }
        path = f"{_path(question.model, question.version, question.label)}:classify?{urlencode(query)}"
        return Send(path, body, {**headers, "content-type": NPZ, "accept": NPZ}, timeout)

    def head(
        self, model: str, version: int | None, label: str | None, headers: Mapping[str, str], timeout: float
    ) -> Send:
        """A head card."""
        return Send(f"{_path(model, version, label)}/head", b"", headers, timeout, "GET")

    def models(self, headers: Mapping[str, str], timeout: float) -> Send:
        """Every model."""
        return Send("/v1/models", b"", headers, timeout, "GET")

    def inputs(self, model: str, version: int | None, headers: Mapping[str, str], timeout: float) -> Send:
        """What a model takes."""
        place = f"/versions/{version}" if version is not None else ""
        return Send(f"/v2/models/{quote(model, '')}{place}", b"", headers, timeout, "GET")

    def read_inputs(self, reply: Reply) -> dict[str, Input]:
        """Raises: BackendProtocolError."""
        try:
            return {one["name"]: Input(one["datatype"], tuple(one["shape"])) for one in _document(reply)["inputs"]}
        except (KeyError, TypeError) as error:
            raise BackendProtocolError("the answer tells no inputs: is it a headwise gateway?") from error

    def read_predictions(self, reply: Reply) -> Predictions:
        """Raises: BackendProtocolError."""
        try:
            with np.load(io.BytesIO(reply.body), allow_pickle=False) as archive:
                told = json.loads(archive[ANSWER])
                arrays = {name: archive[name] for name in archive.files if name != ANSWER}
            several = len(told["heads"]) > 1
            heads = {name: _head(of, f"{name}." if several else "", name, arrays) for name, of in told["heads"].items()}
            return Predictions(
                told["model"]["name"], told["model"]["version"], told["request_id"], heads, told.get("warnings", [])
            )
        except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise BackendProtocolError(f"the answer is none of a headwise gateway: {error}") from error

    def read_head(self, reply: Reply) -> dict[str, Any]:
        """Raises: BackendProtocolError."""
        return _document(reply)

    def read_models(self, reply: Reply) -> list[dict[str, Any]]:
        """Raises: BackendProtocolError."""
        found = _document(reply).get("models")
        if not isinstance(found, list):
            raise BackendProtocolError("the answer lists no models: is it a headwise gateway?")
        return found


def reply(status: int, headers: Mapping[str, str], body: bytes) -> Reply:
    """What HTTP said."""
    if status == 200:
        return Reply(body, headers)
    try:
        told = json.loads(body)
        error = error_of(told.get("code") or headers.get(CODE, ""), told.get("detail") or told["error"])
    except (ValueError, KeyError, AttributeError, TypeError):
        error = error_of("", f"status {status}, and no reason: is it a headwise gateway?")
    waited = headers.get("retry-after", "")
    return Reply(b"", headers, error, status in (429, 503) and waited != "", float(waited) if waited.isdigit() else 0.0)


def _path(model: str, version: int | None, label: str | None) -> str:
    place = f"/versions/{version}" if version is not None else f"/labels/{quote(label, '')}" if label else ""
    return f"/v1/models/{quote(model, '')}{place}"


def _sent(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Texts as numpy's own bytes, which need no pickle.

    Raises: InvalidTensorError for bytes that end in NUL: numpy would drop it.
    """
    if array.dtype.kind not in "OU":
        return array
    texts = [text.encode() if isinstance(text, str) else bytes(text) for text in array.ravel().tolist()]
    if any(text.endswith(b"\0") for text in texts):
        raise InvalidTensorError(
            f"input {name!r} holds bytes that end in NUL, which npz cannot carry: use a grpc:// URL"
        )
    return np.array(texts, np.bytes_).reshape(array.shape)


def _head(told: Mapping[str, Any], prefix: str, name: str, arrays: Mapping[str, NDArray[Any]]) -> HeadPredictions:
    found = {field: arrays[f"{prefix}{key}"] for key, field in _FIELDS.items() if f"{prefix}{key}" in arrays}
    # An output that is called as a head's would stand behind `raw.`.
    own = f"raw.{name}" if name.rpartition(".")[2] in (*_FIELDS, "labels") else name
    return HeadPredictions(
        told["task"], tuple(told.get("labels", ())), raw=arrays.get(own), provenance=told.get("provenance"), **found
    )


def _document(reply: Reply) -> dict[str, Any]:
    try:
        found = json.loads(reply.body)
    except ValueError as error:
        raise BackendProtocolError(f"the answer is no JSON ({error}): is it a headwise gateway?") from error
    if not isinstance(found, dict):
        raise BackendProtocolError("the answer is no JSON object: is it a headwise gateway?")
    return found
