"""headwise's own call over HTTP: arrays in one .npz, and back."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
from numpy.typing import NDArray

from headwise.client.calls import Input, Question
from headwise.client.predictions import ARRAYS, HeadPredictions, Predictions
from headwise.client.steps import Reply, Send, error_of
from headwise.errors import BackendProtocolError

NPZ = "application/x-npz"
ANSWER = "answer.json"
"""What the arrays of an answer belong to: model, heads, warnings."""

_NAMES = {"value": "values", "top_indices": "top"}
"""Arrays that have another name here."""


class HttpWire:
    """Requests of the HTTP surface."""

    def classify(self, question: Question, headers: Mapping[str, str], timeout: float) -> Send:
        """One batch."""
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **{name: _sent(array) for name, array in question.arrays.items()})
        query = {
            name: ",".join(value) if name == "include" else value if isinstance(value, str) else json.dumps(value)
            for name, value in (("signature_name", question.signature_name), *question.options.items())
        }
        path = f"{_path(question.model, question.version, question.label)}:classify?{urlencode(query)}"
        return Send(path, file.getvalue(), {**headers, "content-type": NPZ, "accept": NPZ}, timeout)

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
                told["model"]["name"], told["model"]["version"], told["request_id"], heads, told.get("warnings", ())
            )
        except (ValueError, KeyError, TypeError, OSError, EOFError) as error:
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
        error = error_of(told.get("code", ""), told.get("detail") or told["error"])
    except (ValueError, KeyError, AttributeError, TypeError):
        error = error_of("", f"status {status}, and no reason: is it a headwise gateway?")
    waited = headers.get("retry-after", "")
    return Reply(b"", headers, error, status == 503 and waited != "", float(waited) if waited.isdigit() else 0.0)


def _path(model: str, version: int | None, label: str | None) -> str:
    place = f"/versions/{version}" if version is not None else f"/labels/{quote(label, '')}" if label else ""
    return f"/v1/models/{quote(model, '')}{place}"


def _sent(array: NDArray[Any]) -> NDArray[Any]:
    """Texts as numpy's own, which need no pickle."""
    return (
        array.astype(np.str_ if array.size and isinstance(array.flat[0], str) else np.bytes_)
        if (array.dtype == object)
        else array
    )


def _head(told: Mapping[str, Any], prefix: str, name: str, arrays: Mapping[str, NDArray[Any]]) -> HeadPredictions:
    found = {
        _NAMES.get(key.removeprefix(prefix), key.removeprefix(prefix)): array
        for key, array in arrays.items()
        if key.startswith(prefix)
    }
    raw = arrays.get(f"raw.{name}", arrays.get(name))
    return HeadPredictions(
        told["task"],
        tuple(told.get("labels", ())),
        raw=raw,
        provenance=told.get("provenance"),
        **{key: array for key, array in found.items() if key in ARRAYS and key != "raw"},
    )


def _document(reply: Reply) -> dict[str, Any]:
    try:
        found = json.loads(reply.body)
    except ValueError as error:
        raise BackendProtocolError(f"the answer is no JSON ({error}): is it a headwise gateway?") from error
    if not isinstance(found, dict):
        raise BackendProtocolError("the answer is no JSON object: is it a headwise gateway?")
    return found
