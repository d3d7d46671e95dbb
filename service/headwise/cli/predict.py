"""headwise predict"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import orjson
import typer
from rich.console import Console
from rich.table import Table

from headwise.errors import BackendUnavailableError, InvalidRequestError

_ROWS_A_CALL = 256


def predict(
    url: Annotated[str, typer.Argument(help="Where the gateway listens, such as http://127.0.0.1:8080.")],
    model: Annotated[str, typer.Argument(help="NAME, or NAME/VERSION.")],
    data: Annotated[
        Path,
        typer.Option(help='An .npz file with arrays named as the model\'s inputs, or a JSON body ({"instances": …}).'),
    ],
    threshold: Annotated[str | None, typer.Option(help="A probability, or the name of a threshold.")] = None,
    top_k: Annotated[int | None, typer.Option(help="List the most probable classes.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first rows.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON answer a line instead of a table.")] = False,
) -> None:
    """Ask a running gateway for the labels and probabilities of a file's rows."""

    options: dict[str, Any] = {}
    if threshold is not None:
        options["threshold"] = _number_or_name(threshold)
    if top_k is not None:
        options["top_k"] = top_k
    answers = _ask(url, model, _bodies(data, limit), options)
    if json:
        for answer in answers:
            typer.echo(orjson.dumps(answer).decode())
        return
    _print_table(answers)


def _number_or_name(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _bodies(data: Path, limit: int | None) -> Iterator[dict[str, Any]]:
    """Request bodies of at most _ROWS_A_CALL rows.

    Raises: InvalidRequestError if the file cannot be read.
    """

    try:
        if data.suffix == ".npz":
            with np.load(data) as arrays:
                columns = {name: arrays[name][:limit] for name in arrays.files if name != "targets"}
        else:
            yield orjson.loads(data.read_bytes())
            return
    except (OSError, ValueError) as error:
        raise InvalidRequestError(f"{data}: cannot be read: {error}") from error
    if not columns:
        raise InvalidRequestError(f"{data}: holds no array beside targets; name arrays as the model's inputs")
    rows = min(len(column) for column in columns.values())
    for at in range(0, rows, _ROWS_A_CALL):
        yield {"inputs": {name: column[at : at + _ROWS_A_CALL].tolist() for name, column in columns.items()}}


def _ask(url: str, model: str, bodies: Iterator[dict[str, Any]], options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One answer a row."""

    name, _, version = model.partition("/")
    path = f"/v1/models/{name}/versions/{version}:classify" if version else f"/v1/models/{name}:classify"
    address = f"{url.rstrip('/')}{path}" if "://" in url else f"http://{url.rstrip('/')}{path}"
    for body in bodies:
        answer = orjson.loads(_post(address, orjson.dumps({**body, "options": {**body.get("options", {}), **options}})))
        yield from answer["predictions"]


def _post(address: str, body: bytes) -> bytes:
    """Raises: InvalidRequestError, BackendUnavailableError with what the gateway said."""

    try:
        with urllib.request.urlopen(urllib.request.Request(address, body), timeout=60) as response:  # noqa: S310  # the user's own address
            answer: bytes = response.read()
            return answer
    except urllib.error.HTTPError as error:
        try:
            document = orjson.loads(error.read())
            reason = document.get("detail") or document.get("error")
        except orjson.JSONDecodeError:
            reason = error.reason
        raise InvalidRequestError(f"{address} answered {error.code}: {reason}") from error
    except (OSError, ValueError) as error:
        raise BackendUnavailableError(f"no gateway answers at {address}: {error}") from error


def _print_table(answers: Iterator[dict[str, Any]]) -> None:

    table = Table("row", "answer", "probability")
    for number, answer in enumerate(answers):
        for head, single in [("", answer)] if _is_answer(answer) else answer.items():
            label = single.get("label", single.get("labels", single.get("value")))
            shown = ", ".join(label) if isinstance(label, list) else str(label)
            probability = single.get("probability")
            if probability is None:
                probability = single.get("margin", "")
            table.add_row(
                str(number),
                f"{head} {shown}".strip(),
                f"{probability:.4f}" if isinstance(probability, float) else str(probability),
            )
    Console().print(table)


def _is_answer(answer: dict[str, Any]) -> bool:
    return bool(answer.keys() & {"label", "labels", "value"})
