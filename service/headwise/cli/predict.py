"""headwise predict"""

from __future__ import annotations

import http.client
import math
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from headwise.errors import BackendProtocolError, BackendUnavailableError, HeadwiseError, InvalidRequestError

_ROWS_A_CALL = 256
_UNREADABLE = (OSError, ValueError, TypeError, IndexError, AttributeError, EOFError, zipfile.BadZipFile)
"""What numpy raises for a file that is no .npz of arrays with rows."""


def predict(
    url: Annotated[str, typer.Argument(help="Where the gateway listens, such as http://127.0.0.1:8080.")],
    model: Annotated[str, typer.Argument(help="NAME, or NAME/VERSION.")],
    data: Annotated[
        Path,
        typer.Option(help='An .npz file with arrays named as the model\'s inputs, or a JSON body ({"instances": …}).'),
    ],
    threshold: Annotated[str | None, typer.Option(help="A probability, or the name of a threshold.")] = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="List the most probable classes.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first rows of an .npz file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON answer a line instead of a table.")] = False,
) -> None:
    """Ask a running gateway for the labels and probabilities of a file's rows."""
    is_table = data.suffix == ".npz"
    if limit is not None and not is_table:
        raise typer.BadParameter("only an .npz file has rows to limit", param_hint="--limit")
    options: dict[str, Any] = {}
    if threshold is not None:
        options["threshold"] = _number_or_name(threshold)
    if top_k is not None:
        options["top_k"] = top_k
    answers = _ask(url, model, _batches(data, limit) if is_table else iter([_body(data)]), options)
    if json:
        for answer in answers:
            typer.echo(orjson.dumps(answer).decode())
        return
    Console().print(_table(answers))


def _number_or_name(text: str) -> float | str:
    try:
        number = float(text)
    except ValueError:
        return text
    if not math.isfinite(number):
        raise typer.BadParameter(f"{text} is no probability", param_hint="--threshold")
    return number


def _body(data: Path) -> dict[str, Any]:
    """A JSON file as it is.

    Raises: InvalidRequestError if it holds no object.
    """
    try:
        body = orjson.loads(data.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidRequestError(f"{data}: cannot be read: {error}") from error
    if not isinstance(body, dict) or not isinstance(body.get("options", {}), dict):
        raise InvalidRequestError(f'{data}: is no request body: {{"instances": [...]}} is expected')
    return body


def _batches(data: Path, limit: int | None) -> Iterator[dict[str, Any]]:
    """Request bodies of at most _ROWS_A_CALL rows.

    Raises: InvalidRequestError if the file cannot be read.
    """
    try:
        with data.open("rb") as file, np.load(file) as arrays:
            columns = {name: arrays[name][:limit] for name in arrays.files if name != "targets"}
    except _UNREADABLE as error:
        raise InvalidRequestError(f"{data}: cannot be read as arrays with rows: {error}") from error
    if not columns:
        raise InvalidRequestError(f"{data}: holds no array beside targets; name arrays as the model's inputs")
    sizes = {name: len(column) for name, column in columns.items()}
    if len(set(sizes.values())) > 1:
        raise InvalidRequestError(f"{data}: the arrays differ in their number of rows: {sizes}")
    if 0 in sizes.values():
        raise InvalidRequestError(f"{data}: holds no rows")
    for name, column in columns.items():
        if column.dtype.kind == "f" and not np.isfinite(column).all():
            raise InvalidRequestError(f"{data}: array {name!r} holds NaN or infinity, which JSON cannot carry")
    for at in range(0, max(sizes.values()), _ROWS_A_CALL):
        yield {"inputs": {name: column[at : at + _ROWS_A_CALL].tolist() for name, column in columns.items()}}


def _ask(url: str, model: str, bodies: Iterator[dict[str, Any]], options: dict[str, Any]) -> Iterator[Any]:
    """One answer a row."""
    name, _, version = (urllib.parse.quote(part, safe="") for part in model.partition("/"))
    path = f"/v1/models/{name}/versions/{version}:classify" if version else f"/v1/models/{name}:classify"
    address = f"{url.rstrip('/')}{path}" if "://" in url else f"http://{url.rstrip('/')}{path}"
    for body in bodies:
        if options:
            body["options"] = {**body.get("options", {}), **options}
        try:
            sent = orjson.dumps(body)
        except TypeError as error:
            raise InvalidRequestError(f"JSON cannot carry the data: {error}") from error
        try:
            predictions: list[Any] = orjson.loads(_post(address, sent))["predictions"]
        except (ValueError, KeyError, TypeError) as error:
            raise BackendProtocolError(
                f"{address} answered, but with no predictions: is it a headwise gateway?"
            ) from error
        yield from predictions


def _post(address: str, body: bytes) -> bytes:
    """Raises: HeadwiseError with what the gateway said, BackendUnavailableError where it said nothing."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body), timeout=60) as response:  # noqa: S310  # the user's own address
            answer: bytes = response.read()
            return answer
    except urllib.error.HTTPError as error:
        raise HeadwiseError(f"{address} answered {error.code}: {_reason(error)}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise BackendUnavailableError(f"no gateway answers at {address}: {error}") from error


def _reason(error: urllib.error.HTTPError) -> str:
    """A problem document's detail, TensorFlow Serving's error, or else the status's own words."""
    try:
        document = orjson.loads(error.read())
        return str(document.get("detail") or document["error"])
    except (OSError, ValueError, AttributeError, KeyError):
        return error.reason


def _table(answers: Iterator[Any]) -> Table:
    """One line for each cell; columns in which nothing stands are left out."""
    cells = [cell for number, answer in enumerate(answers) for cell in _singles(str(number), answer)]
    columns = {
        "row": [row for row, _, _ in cells],
        "answer": [f"{head} {_answer(single)}".strip() for _, head, single in cells],
        "probability": [_probability(single) for _, _, single in cells],
        "margin": [_number(single.get("margin")) for _, _, single in cells],
        "set": [", ".join(single["set"]["labels"]) or "none" if "set" in single else "" for _, _, single in cells],
        "top": [_top(single) for _, _, single in cells],
    }
    shown = {name: texts for name, texts in columns.items() if any(texts) or not cells}
    table = Table(*(Column(name, overflow="fold") for name in shown))
    for texts in zip(*shown.values(), strict=True):
        table.add_row(*map(escape, texts))
    return table


def _answer(single: dict[str, Any]) -> str:
    """A label, the labels that are on, values, or that there is none."""
    if single.get("abstained"):
        return "abstained"
    if "labels" in single:
        return ", ".join(single["labels"]) or "none"
    value = single.get("label", single.get("value"))
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _probability(single: dict[str, Any]) -> str:
    """That of the label, or that of each label that is on."""
    if "labels" not in single:
        return _number(single.get("probability"))
    probabilities = single.get("probabilities")
    return ", ".join(_number(probabilities[index]) for index in single["indices"]) if probabilities else ""


def _top(single: dict[str, Any]) -> str:
    return ", ".join(f"{best['label']} {_number(best['probability'])}" for best in single.get("top", ()))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _singles(row: str, answer: Any, head: str = "") -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Row, head and answer of each cell: one, or one a head, or one a position (row 3.0, 3.1, …)."""
    if isinstance(answer, list):
        for position, part in enumerate(answer):
            yield from _singles(f"{row}.{position}", part, head)
    elif answer.keys() & {"label", "labels", "value"}:
        yield row, head, answer
    else:
        for name, part in answer.items():
            yield from _singles(row, part, name)
