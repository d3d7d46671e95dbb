"""Options of a request that are written as a head card writes them: a decision, an abstention."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from headwise.errors import InvalidCardError, InvalidRequestError
from headwise.heads.decisions import Abstain, Decision, Rule

T = TypeVar("T")

_DECISION: TypeAdapter[Rule] = TypeAdapter(Decision)
_ABSTAIN: TypeAdapter[Abstain] = TypeAdapter(Abstain)
_CHOICES = frozenset({"float", "tuple[float, ...]"})
"""Parts of pydantic's paths that name a type, not a key."""
_REASONS = {
    "missing": "it is required",
    "unexpected_keyword_argument": "there is no such key",
    "union_tag_not_found": "its {discriminator} is required",
    "union_tag_invalid": "rule is {tag!r}: it must be one of {expected_tags}",
}


def read_decision(form: object) -> Rule | Mapping[str, Rule] | None:
    """One decision, or decisions by head name.

    Raises: InvalidRequestError naming the key.
    """
    return _read(form, "options.decision", _DECISION, has_tag=True)


def read_abstain(form: object) -> Abstain | Mapping[str, Abstain] | None:
    """One abstention, or abstentions by head name.

    Raises: InvalidRequestError naming the key.
    """
    return _read(form, "options.abstain", _ABSTAIN, has_tag=False)


def _read(form: object, key: str, adapter: TypeAdapter[T], *, has_tag: bool) -> T | Mapping[str, T] | None:
    if form is None:
        return None
    # Each of a card's own keys may hold an object, but no decision or abstention has objects only: it has a rule.
    if isinstance(form, Mapping) and form and all(isinstance(part, Mapping) for part in form.values()):
        return {name: _one(part, f"{key}.{name}", adapter, has_tag=has_tag) for name, part in form.items()}
    return _one(form, key, adapter, has_tag=has_tag)


def _one(form: object, key: str, adapter: TypeAdapter[T], *, has_tag: bool) -> T:
    try:
        # As JSON, because a strict reader of Python values takes no list for a tuple.
        # Not orjson, which makes null of NaN: a limit that is no number must not count as none.
        return adapter.validate_json(json.dumps(form))
    except RecursionError as error:
        raise InvalidRequestError(f"{key}: no JSON that can be read: {error}") from error
    except ValidationError as error:
        raise InvalidRequestError(_told(error, key, has_tag=has_tag)) from error


def _told(error: ValidationError, key: str, *, has_tag: bool) -> str:
    """The reason that lies deepest, with its key: of those why no member of a union fits, it names the key best."""
    reason = max(error.errors(include_url=False), key=lambda one: len(one["loc"]))
    path = reason["loc"][1:] if has_tag else reason["loc"]
    where = ".".join([key, *(str(part) for part in path if part not in _CHOICES)])
    context: dict[str, Any] = reason.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, InvalidCardError):
        return f"{where}: {cause}"
    return f"{where}: {_REASONS.get(reason['type'], '').format(**context) or reason['msg']}"
