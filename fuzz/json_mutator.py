"""Other documents than a JSON text's: a value changed, moved, doubled, gone or wrapped."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from random import Random
from typing import Any

_VALUES: tuple[Any, ...] = (
    *(None, True, False, "", "\u0000", "\ud800", "NaN", "é" * 20, [], {}, [[]], [{}], {"b64": "AAE="}, {"b64": 1}),
    *(0, 1, -1, 127, 255, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**40, -(10**400)),
    *(0.0, -0.0, 0.5, 1e-320, 1e39, 1e308, -1e308, float("nan"), float("inf"), float("-inf")),
)
_DEEPEST = 1200


def mutated(text: bytes, random: Random) -> bytes | None:
    """Another document; None for what is no JSON."""
    try:
        document = json.loads(text)
        for _ in range(random.randint(1, 3)):
            document = _changed(document, random)
        return json.dumps(document).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return None


def _changed(document: Any, random: Random) -> Any:
    places = list(_places(document))
    if not places:
        return _value(random, [document])
    parent, key = random.choice(places)
    values = [parent[key] for parent, key in places]
    match random.randrange(7):
        case 0 | 1 | 2:
            parent[key] = _value(random, values)
        case 3:
            del parent[key]
        case 4 if isinstance(parent, list):
            parent[key:key] = copy.deepcopy(parent[key : key + 1]) * random.randint(1, 8)
        case 4:
            parent[random.choice(["", key + "x", *_names(places)])] = copy.deepcopy(parent[key])
        case 5:
            parent[key] = _wrapped(parent[key], random)
        case _:
            other, there = random.choice(places)
            parent[key] = copy.deepcopy(other[there])
    return document


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every place of a document where a value stands: what holds it, and its key."""
    found: list[tuple[Any, Any]] = []
    pending = [value]
    while pending and len(found) < 1000:
        at = pending.pop()
        keys = list(at) if isinstance(at, dict) else list(range(len(at))) if isinstance(at, list) else []
        found += [(at, key) for key in keys]
        pending += [at[key] for key in keys]
    return found


def _names(places: list[tuple[Any, Any]]) -> list[str]:
    return [key for _, key in places if isinstance(key, str)]


def _value(random: Random, values: list[Any]) -> Any:
    number = [value for value in values if isinstance(value, int | float)]
    if number and random.random() < 0.3:
        with suppress(OverflowError):
            return random.choice(number) * random.choice([-1, 0.5, 2, 1.0000001, 1e6])
    return copy.deepcopy(random.choice([*_VALUES, *values]))


def _wrapped(value: Any, random: Random) -> Any:
    for _ in range(random.choice([1, 2, 30, 66, _DEEPEST])):
        value = [value]
    return value
