"""headwise predict"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Annotated, Any

import typer


def predict(
    url: Annotated[
        str,
        typer.Argument(help="Where the gateway listens: http://HOST:PORT, or grpc://HOST:PORT with its gRPC port."),
    ],
    model: Annotated[str, typer.Argument(help="NAME, or NAME/VERSION.")],
    data: Annotated[
        Path,
        typer.Option(
            help="Rows: .npz (arrays named as the inputs), .npy (the only input), .csv or .parquet (columns with "
            "names), .json (a request body), .ndjson (a row a line), or - for JSON on standard input."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Write the answers to a file instead: .npz, .csv, .parquet, .json or .ndjson."),
    ] = None,
    threshold: Annotated[str | None, typer.Option(help="A probability, or the name of a threshold.")] = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="List the most probable classes.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first rows.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows a request.")] = 256,
    api_key: Annotated[str | None, typer.Option(envvar="HEADWISE_API_KEY", help="Sent as a bearer token.")] = None,
    timeout: Annotated[float, typer.Option(min=0.001, help="Seconds for all requests together.")] = 600.0,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON answer a line instead of a table.")] = False,
) -> None:
    """Ask a running gateway for the labels and probabilities of a file's rows."""
    import orjson
    from rich.console import Console

    from headwise.cli.predicting import data as rows
    from headwise.cli.predicting.files import WRITERS, write
    from headwise.cli.printing.prediction_table import table
    from headwise.client import HeadwiseClient
    from headwise.errors import InvalidRequestError

    if out is not None and out.suffix.lower() not in WRITERS:
        raise typer.BadParameter(f"{out}: the ending must be one of {', '.join(WRITERS)}", param_hint="--out")
    options: dict[str, Any] = {"batch_size": batch_size, "progress": sys.stderr.isatty()}
    if threshold is not None:
        options["threshold"] = _number_or_name(threshold)
    if top_k is not None:
        options["top_k"] = top_k
    if data != rows.STDIN and not data.is_file():
        raise InvalidRequestError(f"{data}: no such file")
    with HeadwiseClient(url, api_key=api_key, timeout=timeout) as client:
        given = rows.read(data, client.inputs(model)).limited(limit)
        found = client.classify(model, given.arrays, **{**given.options, **options})
    if out is not None:
        write(found, out)
        Console(stderr=True, highlight=False).print(
            f"{len(found)} rows answered by {found.model} {found.version}: {out}"
        )
    elif json:
        for row in found.rows():
            typer.echo(orjson.dumps(row).decode())
    else:
        Console().print(table(found.rows(), several=len(found.heads) > 1))


def _number_or_name(text: str) -> float | str:
    try:
        number = float(text)
    except ValueError:
        return text
    if not math.isfinite(number):
        raise typer.BadParameter(f"{text} is no probability", param_hint="--threshold")
    return number
