"""GET …/reliability: the reliability diagrams that a card stores in its evidence, as JSON or SVG."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import QueryParams
from starlette.responses import Response

from headwise.api.rest.accept import quality
from headwise.calibration.measures.diagram import Diagram, read_diagram
from headwise.calibration.measures.diagram_svg import draw
from headwise.errors import HeadConfigError, HeadNotFoundError, InvalidCardError, InvalidRequestError
from headwise.repository.served_model import ServedModel

JSON, SVG = "application/json", "image/svg+xml"
FORMATS: Mapping[str, str] = {"json": JSON, "svg": SVG}

_FIGURES = (
    "method",
    "reason",
    "rows",
    "log_loss",
    "brier_score",
    "ece_equal_width",
    "ece_equal_mass",
    "ece_debiased",
    "ece_classwise",
    "smooth_ece",
    "warnings",
    "date",
    "expires",
)
"""What of a head's evidence stands beside its diagram."""


def reliability(model: ServedModel, query: QueryParams, accept: str) -> Response:
    """The diagrams of a version; `head` chooses one, `format` or else the Accept header JSON or SVG.

    Raises: HeadNotFoundError where none is stored; HeadConfigError for one that cannot be read; InvalidRequestError.
    """
    card = model.valid_card()
    media_type = _media_type(query.get("format"), accept)
    evidence = _evidence(model, query.get("head"))
    body = _svg(model, evidence) if media_type == SVG else _json(model, evidence)
    headers = {
        "ETag": f'"{card.digest}"',
        "X-Model-Version": str(model.version),
        "Vary": "Accept",
        # A name in a card must not become a script of this origin.
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    }
    return Response(body, headers=headers, media_type=media_type)


def _media_type(wanted: str | None, accept: str) -> str:
    if wanted is None:
        return SVG if quality(accept, SVG) > quality(accept, JSON) else JSON
    if wanted not in FORMATS:
        raise InvalidRequestError(f"format is {wanted!r}: it must be one of {', '.join(FORMATS)}")
    return FORMATS[wanted]


def _evidence(model: ServedModel, head: str | None) -> dict[str, Mapping[str, Any]]:
    """The evidence that holds a diagram, by head name; of one head, if it is named."""
    evidence = model.valid_card().card.evidence
    found = {name: told for name, told in evidence.items() if isinstance(told, Mapping) and "reliability" in told}
    if not found:
        raise HeadNotFoundError(
            f"the card of {model} stores no reliability diagram: `headwise calibrate models/{model.name} --data FILE` "
            "measures one"
        )
    if head is None:
        return found
    if head not in found:
        raise HeadNotFoundError(
            f"the card of {model} stores no reliability diagram of a head {head!r}; it stores those of: "
            + ", ".join(map(repr, found))
        )
    return {head: found[head]}


def _diagram(model: ServedModel, name: str, told: Mapping[str, Any]) -> Diagram:
    try:
        return read_diagram(told["reliability"], f"evidence.{name}.reliability")
    except InvalidCardError as error:
        raise _unreadable(model, str(error)) from error


def _unreadable(model: ServedModel, why: str) -> HeadConfigError:
    return HeadConfigError(
        f"the evidence in the card of {model} cannot be read: {why}; `headwise calibrate` writes it anew"
    )


def _json(model: ServedModel, evidence: Mapping[str, Mapping[str, Any]]) -> bytes:
    heads = {
        name: {
            **{figure: told[figure] for figure in _FIGURES if figure in told},
            **_diagram(model, name, told).to_json(),
        }
        for name, told in evidence.items()
    }
    document = {"model": {"name": model.name, "version": model.version}, "heads": heads}
    try:
        # Not orjson: a card's JSON may hold whole numbers of any size.
        return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except ValueError as error:
        raise _unreadable(model, str(error)) from error


def _svg(model: ServedModel, evidence: Mapping[str, Mapping[str, Any]]) -> bytes:
    if len(evidence) != 1:
        raise InvalidRequestError(f"an SVG shows one head: choose by ?head=NAME among {', '.join(map(repr, evidence))}")
    ((name, told),) = evidence.items()
    diagram = _diagram(model, name, told)
    title = f"Reliability of {model}, {name}"
    captions: dict[str, str] = {when: _caption(told.get("log_loss"), when) for when in ("before", "after")}
    return draw(diagram, title=title, captions=captions).encode()


def _caption(log_loss: object, when: str) -> str:
    loss = log_loss.get(when) if isinstance(log_loss, Mapping) else None
    return f"log loss {loss:.4g}" if isinstance(loss, float) and math.isfinite(loss) else ""
