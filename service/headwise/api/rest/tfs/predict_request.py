"""TensorFlow Serving's request bodies: bytes and a signature to named arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headwise.api.rest import json_body, json_numbers
from headwise.api.rest.json_numbers import Numbers
from headwise.api.rest.tfs import json_tensors
from headwise.api.rest.tfs.json_text import Json, Repeated, echo, parse
from headwise.api.status import status_of
from headwise.backends.base import Arrays
from headwise.errors import InvalidRequestError, UnsupportedError
from headwise.savedmodel.signature import DEFAULT_SIGNATURE, Signature, TensorSpec


@dataclass(frozen=True, slots=True)
class Body:
    """A request's document and the signature that it names.

    text: of a document whose lists may be Numbers.
    """

    members: Mapping[str, Any]
    signature_name: str
    text: bytes = b""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Named arrays; row says that the body gave them row by row, and wants its answer so."""

    arrays: Arrays
    row: bool


def read(body: bytes) -> Body:
    """Parse a body as far as no signature is needed.

    Raises: InvalidRequestError.
    """
    document = parse(body)
    if not isinstance(document, dict):
        raise InvalidRequestError(f"JSON Value: {echo(document)} Is not object")
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise misformed(document, "not formatted correctly. 'signature_name' key must be a string value.")
    return Body(document, name or DEFAULT_SIGNATURE)


def read_numbers(body: bytes) -> Body:
    """Parse a body for `inputs`, long lists of numbers as Numbers.

    Raises: InvalidRequestError.
    """
    try:
        document = json_body.with_lists(body, parse, json_numbers.strictly)
    except InvalidRequestError:
        document = None
    if document is None or isinstance(document, Repeated) or not isinstance(document.get("signature_name", ""), str):
        return read(body)
    return Body(document, document.get("signature_name") or DEFAULT_SIGNATURE, body)


def signature(body: Body, known: Mapping[str, Signature]) -> Signature:
    """Look up the signature that a body names.

    Raises: InvalidRequestError.
    """
    found = known.get(body.signature_name)
    if found is None:
        raise InvalidRequestError(f'Serving signature name: "{body.signature_name}" not found in signature def')
    if not found.inputs:
        raise InvalidRequestError(f"Failed to get input map for signature: {body.signature_name}")
    return found


def inputs(body: Body, wanted: Mapping[str, TensorSpec]) -> Inputs:
    """Read the arrays of a predict body, in row form (`instances`) or columnar form (`inputs`).

    Raises: InvalidRequestError, UnsupportedError.
    """
    if body.text:
        try:
            return _inputs(body.members, wanted)
        except (InvalidRequestError, UnsupportedError):
            # An error quotes what the body has: lists.
            return _inputs(read(body.text).members, wanted)
    return _inputs(body.members, wanted)


def _inputs(members: Mapping[str, Any], wanted: Mapping[str, TensorSpec]) -> Inputs:
    if "instances" in members:
        if "inputs" in members:
            expected = "expecting only one of 'inputs' or 'instances' keys to exist "
            raise misformed(members, f"Not formatted correctly {expected}")
        rows = members["instances"]
        if isinstance(rows, Numbers) and len(wanted) == 1:
            return Inputs(_from_columns(rows, wanted), row=True)
        if not isinstance(rows, list):
            raise misformed(members, "Expecting 'instances' to be an list/array")
        if not rows:
            raise misformed(members, "No values in 'instances' array")
        return Inputs(_from_rows(rows, wanted), row=True)
    if "inputs" in members:
        return Inputs(_from_columns(members["inputs"], wanted), row=False)
    raise InvalidRequestError("Missing 'inputs' or 'instances' key")


def misformed(members: Mapping[str, Json], text: str) -> InvalidRequestError:
    """The error that quotes a whole body."""
    return InvalidRequestError(f"JSON Value: {echo(dict(members))} {text}")


def _from_columns(value: Any, wanted: Mapping[str, TensorSpec]) -> Arrays:
    if not _is_named(value):
        if len(wanted) > 1:
            raise InvalidRequestError(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required "
                "as per tensorinfo_map"
            )
        ((name, spec),) = wanted.items()
        return {name: json_tensors.tensor(value, spec.dtype)}
    assert isinstance(value, dict)
    missing = next((name for name in wanted if name not in value), None)
    if missing is not None:
        raise InvalidRequestError(f"Missing named input: {missing} in 'inputs' object.")
    return {name: json_tensors.tensor(value[name], spec.dtype) for name, spec in wanted.items()}


def _from_rows(rows: list[Json], wanted: Mapping[str, TensorSpec]) -> Arrays:
    if not isinstance(rows[0], dict) and len(wanted) > 1:
        raise InvalidRequestError(
            "instances is a plain list, but expecting list of objects as multiple input tensors required "
            "as per tensorinfo_map"
        )
    columns = _columns(rows, wanted)
    arrays = {name: json_tensors.uniform(column, wanted[name].dtype) for name, column in columns.items()}
    complete = {name: array for name, array in arrays.items() if array is not None}
    return complete if arrays and len(complete) == len(arrays) else _row_by_row(rows, wanted)


def _columns(rows: list[Json], wanted: Mapping[str, TensorSpec]) -> Mapping[str, list[Json]]:
    """The values of each input over all rows; nothing where the rows do not agree with the signature."""
    if not _is_named(rows[0]):
        return {next(iter(wanted)): rows}
    objects = [row for row in rows if isinstance(row, dict) and row.keys() == wanted.keys()]
    return {name: [row[name] for row in objects] for name in wanted} if len(objects) == len(rows) else {}


def _row_by_row(rows: list[Json], wanted: Mapping[str, TensorSpec]) -> Arrays:
    """The slow way, which finds out what is wrong and where; values in base64 come this way too."""
    named = _is_named(rows[0])
    plain_name = next(iter(wanted))
    stacks: dict[str, json_tensors.Stack] = {}
    for index, row in enumerate(rows):
        if _is_named(row) != named:
            expected, got = ("object", "list") if named else ("value/list", "object")
            raise InvalidRequestError(f"Expecting {expected} but got {got} at item {index} of input list")
        members = row if named and isinstance(row, dict) else {plain_name: row}
        for name, value in members.items():
            try:
                _stack(stacks, name, wanted).add(value)
            except (InvalidRequestError, UnsupportedError) as error:
                place = f"{index} key: {name}" if named else str(index)
                raise InvalidRequestError(
                    f"Failed to process element: {place} of 'instances' list. "
                    f"Error: {status_of(error).grpc.name}: {error}"
                ) from None
        if named and members.keys() != wanted.keys():
            raise InvalidRequestError(
                f"Failed to process element: {index} of 'instances' list. JSON object: {echo(row)} "
                f"keys must be equal to: {','.join(sorted(wanted))}"
            )
    return {name: stack.array() for name, stack in stacks.items()}


def _stack(stacks: dict[str, json_tensors.Stack], name: str, wanted: Mapping[str, TensorSpec]) -> json_tensors.Stack:
    if name not in wanted:
        raise InvalidRequestError(f"JSON object: does not have named input: {name}")
    return stacks.setdefault(name, json_tensors.Stack(wanted[name].dtype))


def _is_named(value: Json) -> bool:
    """Whether a value names inputs: an object, but not a string in base64."""
    return isinstance(value, dict) and not json_tensors.is_base64(value)
