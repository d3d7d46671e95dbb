"""Reads head cards, and holds them against the SavedModel they stand beside."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from headwise.errors import InvalidCardError
from headwise.heads import HeadCard, ModelRecord
from headwise.savedmodel import SavedModel
from headwise.savedmodel.detected import UNKNOWN

CARD_PATH = Path("assets.extra") / "head.json"
"""Where a version folder keeps its card; TensorFlow Serving leaves other files there alone."""

FLOATING = frozenset({"float16", "bfloat16", "float32", "float64"})

_CARD = TypeAdapter(HeadCard)
_CHOICE = len(("signatures", "NAME", "heads", "NAME"))
_REASONS = {
    "missing": "it is required",
    "unexpected_keyword_argument": "there is no such key",
    "union_tag_invalid": "its {discriminator} is '{tag}': it must be one of {expected_tags}",
    "union_tag_not_found": "its {discriminator} is required",
}


@dataclass(frozen=True, slots=True)
class CardFile:
    """A valid card as it was read. digest: SHA-256 of the file in hexadecimal digits. document: its JSON."""

    card: HeadCard
    digest: str
    document: bytes


def read_card(version_folder: Path) -> CardFile | None:
    """Read a version's card; None if it has none.

    Raises: InvalidCardError with the file, the key and the reason.
    """
    file = version_folder / CARD_PATH
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InvalidCardError(f"{file}: {error.strerror}") from error
    return card_file(file, data)


def card_file(file: Path, data: bytes) -> CardFile:
    """A card of these bytes, which are those of a file.

    Raises: InvalidCardError with the file, the key and the reason.
    """
    try:
        return CardFile(parse_card(data), hashlib.sha256(data).hexdigest(), data)
    except InvalidCardError as error:
        raise type(error)(f"{file}: {error}") from error


def parse_card(data: bytes) -> HeadCard:
    """Parse and validate a card.

    Raises: InvalidCardError with the key and the reason; UnsupportedHeadError where that is the reason.
    """
    try:
        card = _CARD.validate_json(data)
    except ValidationError as error:
        raise _refusal(error) from error
    json.loads(data, object_pairs_hook=_each_key_once, parse_constant=_no_number)
    return card


def check_card(card: HeadCard, model: SavedModel) -> None:
    """Hold a card against the signatures of its model: outputs exist, are floating, and fit the labels.

    Raises: InvalidCardError with the key and the reason; UnsupportedHeadError where that is the reason.
    """
    for signature_name, signature_heads in card.signatures.items():
        where = f"signatures.{signature_name}"
        if signature_name not in model.signatures:
            raise InvalidCardError(f"{where}: the model's signatures are {_listed(model.signatures)}")
        outputs = model.signatures[signature_name].outputs
        for output, head in signature_heads.heads.items():
            key = f"{where}.heads.{output}"
            if output not in outputs:
                raise InvalidCardError(f"{key}: the signature's outputs are {_listed(outputs)}")
            spec = outputs[output]
            if spec.dtype not in FLOATING:
                raise InvalidCardError(f"{key}: the output is {spec}: a head reads floating numbers")
            if spec.shape == ():
                raise InvalidCardError(f"{key}: the output is a scalar: a head's output has a row for each input row")
            units = spec.units
            if units is not None:
                try:
                    head.layout(units)
                except InvalidCardError as error:
                    raise type(error)(f"{key}: {error}") from error


def fitted(card: HeadCard, saved: SavedModel) -> HeadCard:
    """The card with this model's fingerprint; verified where the graph shows every activation.

    That graph and card agree is for `examination.examine` to say.

    Raises: InvalidCardError if it does not fit the model's signatures.
    """
    check_card(card, saved)
    proved = all(
        saved.detected[name][output].activation != UNKNOWN
        for name, signature in card.signatures.items()
        for output in signature.heads
    )
    return replace(card, model=ModelRecord(saved.fingerprint, verified=proved))


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a head card, as published in docs/head-card.schema.json."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_CARD.json_schema()}
    for definition in schema["$defs"].values():
        definition["description"] = definition["description"].partition("\n\nRaises:")[0]
        if tag := definition["properties"].keys() & {"method", "rule"}:
            definition["required"] = sorted({*definition.get("required", ()), *tag})
    return schema


def _refusal(error: ValidationError) -> InvalidCardError:
    """The first reason, with its key; others are counted."""
    first, *others = error.errors(include_url=False)
    key = ".".join(_key(first["loc"])) or "the document"
    cause = first.get("ctx", {}).get("error")
    told = _REASONS.get(first["type"], "").format(**first.get("ctx", {})) or first["msg"]
    reason = str(cause) if isinstance(cause, InvalidCardError) else told
    more = f" (and {len(others)} more)" if others else ""
    kind = type(cause) if isinstance(cause, InvalidCardError) else InvalidCardError
    return kind(f"{key}: {reason}{more}")


def _key(loc: tuple[int | str, ...]) -> list[str]:
    """The key in the card: pydantic's path without the chosen method, rule or type, which it puts behind its key."""
    return [str(part) for at, part in enumerate(loc) if not _is_chosen(loc[_CHOICE:at])]


def _is_chosen(before: tuple[int | str, ...]) -> bool:
    """Whether what follows these parts of a head's path is no key, but the choice among several forms of a value."""
    return before in (("calibration",), ("decision",)) or before[-2:-1] in (("calibrators",), ("quantiles",))


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise InvalidCardError(f"{next(key for key in keys if keys.count(key) > 1)}: the key is there twice")
    return found


def _no_number(constant: str) -> None:
    raise InvalidCardError(f"the document: {constant} is no JSON number")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "none"


if __name__ == "__main__":
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
