"""Reads what is to be answered: arrays, tables, and JSON in one piece or in lines."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from headwise.api.inputs import ONLY
from headwise.api.options import ClassifyOptions, validated
from headwise.api.rest.instances import read_inputs
from headwise.api.v2.datatypes import DTYPES
from headwise.client.calls import Input
from headwise.errors import InvalidRequestError, InvalidTensorError
from headwise.savedmodel import Signature, TensorSpec
from headwise.savedmodel.signature import DEFAULT_SIGNATURE
from headwise.training.holdout.file import read_archive, read_holdout
from headwise.training.holdout.inputs import inputs_of

STDIN = Path("-")
TABLES = frozenset({".csv", ".parquet"})
JSON = frozenset({".json", ".ndjson", ".jsonl"})


@dataclass(frozen=True, slots=True)
class Data:
    """arrays: (rows, ...) by input name. options: of a JSON body that has its own."""

    arrays: Mapping[str, NDArray[Any]]
    options: Mapping[str, Any] = field(default_factory=dict)

    def limited(self, rows: int | None) -> Data:
        """The first rows."""
        return Data({name: array[:rows] for name, array in self.arrays.items()}, self.options)


def read(file: Path, inputs: Mapping[str, Input]) -> Data:
    """Read a file by its ending; of standard input JSON, in one piece or a row a line.

    inputs: what the model takes.

    Raises: InvalidRequestError, InvalidTensorError, ConfigurationError with the file and the reason.
    """
    signature = Signature({name: _spec(of) for name, of in inputs.items()}, {})
    ending = file.suffix.lower()
    if file == STDIN or ending in JSON:
        return _json(file, signature)
    if ending == ".npy":
        return _checked(file, {ONLY: _one_array(file)})
    if ending in TABLES:
        return _checked(file, inputs_of(read_holdout(file), signature).arrays)
    return _checked(file, read_archive(file).inputs)


def _spec(of: Input) -> TensorSpec:
    shape = tuple(None if size < 0 else size for size in of.shape)
    return TensorSpec(DTYPES.get(of.datatype, of.datatype), shape or None)


def _checked(file: Path, arrays: Mapping[str, NDArray[Any]]) -> Data:
    if flat := [name for name, array in arrays.items() if array.ndim == 0]:
        raise InvalidRequestError(f"{file}: array {flat[0]!r} has no rows")
    sizes = {name: len(array) for name, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        raise InvalidRequestError(f"{file}: the arrays differ in their number of rows: {sizes}")
    if 0 in sizes.values():
        raise InvalidRequestError(f"{file}: holds no rows")
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InvalidRequestError(f"{file}: array {name!r} holds NaN or infinity, which no model should answer")
    return Data(arrays)


def _one_array(file: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InvalidRequestError(f"{file}: cannot be read as an .npy file: {error}") from error
    return array


def _json(file: Path, signature: Signature) -> Data:
    try:
        text = sys.stdin.buffer.read() if file == STDIN else file.read_bytes()
    except OSError as error:
        raise InvalidRequestError(f"{file}: {error.strerror or error}") from error
    document = _document(file, text)
    if document.get("signature_name", "") not in ("", DEFAULT_SIGNATURE):
        raise InvalidRequestError(f"{file}: signature_name: only {DEFAULT_SIGNATURE} is asked from here")
    options = document.get("options", {})
    if not isinstance(options, dict):
        raise InvalidRequestError(f'{file}: options must be an object, such as {{"threshold": 0.3}}')
    try:
        validated(ClassifyOptions, options)
        return Data(read_inputs(document, signature), options)
    except InvalidRequestError as error:
        raise type(error)(f"{file}: {error}") from error


def _document(file: Path, text: bytes) -> dict[str, Any]:
    """A request body, or one that is made of lines with a row each."""
    in_lines, whole = file != STDIN and file.suffix.lower() != ".json", None
    try:
        whole = None if in_lines else orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if file != STDIN:
            raise InvalidRequestError(f"{file}: cannot be read: {error}") from error
    if isinstance(whole, dict) and ("instances" in whole or "inputs" in whole):
        return whole
    if file != STDIN and not in_lines:
        raise InvalidRequestError(f'{file}: is no request body: {{"instances": [...]}} is expected')
    return {"instances": _lines(file, text)}


def _lines(file: Path, text: bytes) -> list[Any]:
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                rows.append(orjson.loads(line))
            except orjson.JSONDecodeError as error:
                where = "standard input takes JSON: " if file == STDIN else f"{file}: "
                raise InvalidTensorError(f"{where}line {number} is no JSON: {error}") from error
    return rows
